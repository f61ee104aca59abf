"""Reading features: the lookup that stages use, and the fetcher that models use. The same reads.

    requests ──► keys ──► one snapshot per GroupBy ──► parts ──► derivations ──► columns, statuses

Works on ports: which store is behind is chosen elsewhere.
"""
