"""Ours: a Join backfill over Parquet tables. Arguments: folder memory_limit.

The output goes to a folder of its own, which is removed: what is measured is reading, computing and
writing, within the limit.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from catenary import Aggregation, EventSource, GroupBy, Join, Operation, Query
from catenary.app.settings import parse_bytes
from catenary.engines.embedded.engine import EmbeddedEngine
from catenary.plan import build
from catenary.ports import Job, Limits
from catenary.tables.parquet import ParquetTables, Warehouse

folder, limit = Path(sys.argv[1]), sys.argv[2]
WINDOWS = ["1h", "1d", "7d", "30d"]
OPERATIONS = (Operation.SUM, Operation.COUNT, Operation.AVERAGE)
events = EventSource(
    table="events", topic="log:///events", query=Query(["k", "v"], time_column="ts")
)
queries = EventSource(table="queries", query=Query(["k"], time_column="ts"))
folded = GroupBy(
    "folded",
    sources=events,
    keys="k",
    aggregations=[
        *(Aggregation("v", each, windows=WINDOWS) for each in OPERATIONS),
        *(Aggregation("v", each) for each in OPERATIONS),
    ],
)
tables = ParquetTables(folder)
plan = build([Join("read", left=queries, parts=[folded])], lambda name: tables.table(name).schema())
output = Path(tempfile.mkdtemp(prefix="backfill-", dir=folder.parent))
try:
    spill = output / "spill"
    spill.mkdir()
    job = Job(
        plan,
        tables,
        Warehouse(output / "warehouse", compression="lz4"),
        limits=Limits(memory_bytes=parse_bytes(limit), spill_dir=str(spill)),
    )
    report = EmbeddedEngine().backfill(job)
finally:
    shutil.rmtree(output)
print(json.dumps({"rows": report.rows}))
