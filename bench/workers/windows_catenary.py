"""Ours: every window and operation through the kernel. Arguments: folder operations [save].

A histogram counts the categories; everything else folds the values.
"""

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.data import read
from bench.workers.shape import WINDOWS
from catenary.aggregate.feature import Feature
from catenary.aggregate.kernel import aggregate

folder, operations = Path(sys.argv[1]), sys.argv[2].split(",")
takes_k = {"first_k", "last_k", "top_k", "bottom_k", "unique_top_k"}
features = [
    Feature(
        f"{op}_{name}",
        op,
        "c" if op == "histogram" else "v",
        window,
        hop,
        k=5 if op in takes_k else None,
    )
    for op in operations
    for name, window, hop in WINDOWS
]
begun = time.perf_counter()
result = aggregate(
    read(folder / "events.arrow"), read(folder / "queries.arrow"), keys=["k"], features=features
)
kernel = time.perf_counter() - begun
if len(sys.argv) > 3:
    import pyarrow as pa

    with (
        pa.OSFile(sys.argv[3], "wb") as sink,
        pa.ipc.new_file(sink, result.columns.schema) as writer,
    ):
        writer.write_table(result.columns)
print(json.dumps({"rows": result.columns.num_rows, "kernel": kernel}))
