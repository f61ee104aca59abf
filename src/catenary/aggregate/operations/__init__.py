"""The operations, one small file each; `catenary.aggregate.registry` lists them.

    base ──► totals ──► sum average variance moments     exact totals
         ├─► kept ────► extremes ranked timed            the winners
         ├─► counted ─► unique_count histogram           counts by value
         └─► count

A new operation is one file here and one line in the registry.
"""
