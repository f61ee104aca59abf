"""Events in two topics of a broker, and what their windows come to, computed by NumPy alone.

Arguments: address folder events fewer. Topic `t` gets the events, topic `few` the first of another such
sequence: each of them over a tenth as many entities, evenly over the hours before AT_MS, then one at
AT_MS, by which all windows before it are known to be over. The folder gets each topic's `NAME.json`: the
Avro schema, how many records there are, and per fold the values of the entities that have some. Values are
multiples of 1/8, so that any order of adding gives the same bits.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.live_features import SCHEMA, happened
from bench.workers.shape import AT_MS, FOLDS, HOUR
from catenary.codecs import avro_schema, codec
from catenary.logs.kafka import KafkaLog

SPAN_MS = 3 * HOUR
PER_ENTITY = 3
AT_ONCE = 20_000


def drawn(events: int) -> pa.Table:
    """The events, and the one after them."""
    ts = AT_MS - SPAN_MS + np.arange(events + 1) * SPAN_MS // events
    rows = happened(events + 1, events // PER_ENTITY, ts)
    x = np.round(rows["x"].to_numpy() * 8) / 8
    return rows.set_column(rows.column_names.index("x"), "x", [x])


def folded(rows: pa.Table) -> list[dict[str, float]]:
    """Per fold, what each entity's last window comes to."""
    user, ts = rows["user"].to_numpy(), rows["ts"].to_numpy()
    found: list[dict[str, float]] = []
    for column, operation, hours in FOLDS:
        inside = (ts >= AT_MS - hours * HOUR) & (ts < AT_MS)
        values = rows[column].to_numpy()[inside]
        many = np.bincount(user[inside])
        total = np.bincount(user[inside], weights=values)
        known = np.flatnonzero(many)
        result = {"count": many, "sum": total, "average": total / np.maximum(many, 1)}[operation]
        found.append({str(each): result[each].item() for each in known.tolist()})
    return found


def main(address: str, folder: Path, events: int, fewer: int) -> None:
    """Publish, and write down what is to come of it."""
    encoded = codec("avro", SCHEMA)
    with KafkaLog(address) as log:
        for topic, many in (("t", events), ("few", fewer)):
            rows = drawn(many)
            log.create(topic)
            keys = rows["user"].cast(pa.string()).cast(pa.large_binary())
            for at in range(0, rows.num_rows, AT_ONCE):
                some = encoded.encode(rows.slice(at, AT_ONCE))
                log.append(topic, some, keys=keys.slice(at, AT_ONCE).combine_chunks())
            told = {"schema": json.loads(avro_schema(SCHEMA)), "records": rows.num_rows}
            (folder / f"{topic}.json").write_text(json.dumps({**told, "folded": folded(rows)}))


main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
