"""Answers as of an instant, from stores: the lookup of stages, and the fetcher of models.

    requests ──► entities ──► one snapshot per dataset ──► partials merged ──► derivations ──► answer

`lookup.py` fulfils the Lookup port; `fetcher.py` is what models ask: it waits for tokens, and registers
readers. How a stage folds is `stream`'s, what lies in a dataset is `state`'s, HTTP is `web`'s.
"""
