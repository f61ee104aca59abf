"""What a plan's nodes say, done to rows that are in memory: the same on every engine, in a stage, at a fetch.

    raw rows ──► query (wheres, selects, ts) ──► parts' columns beside them ──► derivations

Where rows come from, and what is folded from them, is others' business.
"""
