"""Folders of Parquet files as tables: sources that are read, outputs that are written.

    <tables>/<name>/ds=2013-01-01/*.parquet                  a source, written by anyone
    <warehouse>/<name>/<fingerprint>/ds=2013-01-01/part-0.parquet
    <warehouse>/<name>/<fingerprint>/_table.json             columns and types, for planning
    <warehouse>/<name>/<fingerprint>/_partitions.jsonl       what each partition was computed from
    <warehouse>/<name>/current                               the fingerprint that readers find

A partition appears by one rename, so a reader sees all of it or none.
"""

from catenary.tables.parquet.catalog import ParquetTables
from catenary.tables.parquet.warehouse import Warehouse

__all__ = ["ParquetTables", "Warehouse"]
