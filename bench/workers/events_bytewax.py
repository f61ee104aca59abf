"""Bytewax: a broker's topic `few` folded into five tumbling windows, with recovery.

Arguments: address folder. A snapshot every 10 s, which is its default epoch, and one at the end: positions and state
go into SQLite in one transaction, which is exactly once for state. Reports `records` and `seconds`, from the first records on.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, cluster_main
from fastavro import parse_schema, schemaless_reader

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.shape import AT_MS, FOLDS, HOUR

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Event time runs faster than the clock; nothing is late. Windows of the past are not to be looked after in
# between: the end of the topic closes them.
CLOCK = win.EventClock(lambda event: event["time"], timedelta(days=1), to_system_utc=lambda _: None)


def started(operation):
    return (0.0, 0) if operation == "average" else 0


def added(column, operation, held, event):
    if operation == "count":
        return held + 1
    if operation == "sum":
        return held + event[column]
    return held[0] + event[column], held[1] + 1


def merged(operation, one, other):
    if operation == "average":
        return one[0] + other[0], one[1] + other[1]
    return one + other


def main(address: str, folder: Path) -> None:
    """Print the figures as one JSON object."""
    told = json.loads((folder / "few.json").read_text())
    schema = parse_schema(told["schema"])

    begun = 0.0

    def decoded(messages):
        nonlocal begun
        begun = begun or time.perf_counter()
        for each in messages:
            event = schemaless_reader(BytesIO(each.value), schema)
            event["time"] = EPOCH + timedelta(milliseconds=event["ts"])
            yield each.key.decode(), event

    flow = Dataflow("events")
    taken = kop.input("taken", flow, brokers=[address], topics=["few"], tail=False)
    events = op.flat_map_batch("decoded", taken.oks, lambda messages: list(decoded(messages)))
    out = [[] for _ in FOLDS]
    for (column, operation, hours), kept in zip(FOLDS, out, strict=True):
        name = f"{operation}_{hours}"
        length = timedelta(hours=hours)
        folded = win.fold_window(
            name,
            events,
            CLOCK,
            win.TumblingWindower(length, EPOCH),
            partial(started, operation),
            partial(added, column, operation),
            partial(merged, operation),
            ordered=False,
        )
        op.output(f"{name}_out", folded.down, TestingSink(kept))
    with tempfile.TemporaryDirectory(dir=folder) as made:
        init_db_dir(Path(made), 1)
        cluster_main(flow, [], 0, recovery_config=RecoveryConfig(Path(made)))
        seconds = time.perf_counter() - begun
    found = []
    for (_, operation, hours), kept in zip(FOLDS, out, strict=True):
        last = AT_MS // (hours * HOUR) - 1
        values = {key: value for key, (window, value) in kept if window == last}
        if operation == "average":
            values = {key: total / many for key, (total, many) in values.items()}
        found.append(values)
    assert found == told["folded"], "values differ"
    print(json.dumps({"seconds": seconds, "records": told["records"]}))


main(sys.argv[1], Path(sys.argv[2]))
