"""The flights story: a chain of depth 3 over a year of real flights, checked against SQL.

    data ──► tables ──┬──► features, backfilled ──► flight_risk ──┐
                      └──► reference.sql, in DuckDB ──────────────┴──► compare ──► report

`features.py` is what a user writes. `reference.sql` says the same again, with no code of ours.
Nothing is imported here; `run.py` tells the story.
"""
