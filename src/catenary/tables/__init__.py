"""Adapters of the table ports: `tables.parquet` (folders of files), `tables.memory` (frames).

Nothing is imported here; whoever wires a run imports the adapter that it needs.
"""
