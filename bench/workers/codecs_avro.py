"""Batches of Avro records to columns, and fastavro's `schemaless_reader` over the same records.

Eight flat fields: long, int, double, boolean, two strings, two that may be null. The program and
fastavro's parsed schema are made before; records lie as a log reads them, or as bytes for fastavro.
"""

import io
import json
import time
from statistics import median

import fastavro
import numpy as np
import pyarrow as pa

from catenary.codecs import codec, schema_of_avro

SIZES = {100: 300, 10_000: 5}
SCHEMA = {
    "type": "record",
    "name": "Payment",
    "fields": [
        {"name": "ts", "type": "long"},
        {"name": "user", "type": "string"},
        {"name": "amount", "type": "double"},
        {"name": "merchant", "type": ["null", "string"]},
        {"name": "country", "type": "string"},
        {"name": "items", "type": "int"},
        {"name": "refund", "type": "boolean"},
        {"name": "score", "type": ["null", "double"]},
    ],
}
parsed = fastavro.parse_schema(SCHEMA)
text = json.dumps(SCHEMA)
reads = codec("avro", schema_of_avro(text), writer=text)
random = np.random.default_rng(7)


def payment(at: int) -> dict[str, object]:
    return {
        "ts": 1_700_000_000_000 + 13 * at,
        "user": f"user-{random.integers(100_000)}",
        "amount": float(random.random() * 100),
        "merchant": None if random.random() < 0.2 else f"m{random.integers(5000)}",
        "country": ["DE", "FR", "US"][random.integers(3)],
        "items": int(random.integers(20)),
        "refund": bool(random.random() < 0.1),
        "score": None if random.random() < 0.3 else float(random.random()),
    }


def written(value: dict[str, object]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed, value)
    return out.getvalue()


def by_fastavro(records: list[bytes]) -> list[dict[str, object]]:
    return [fastavro.schemaless_reader(io.BytesIO(each), parsed) for each in records]


def timed(work: object, records: object) -> float:
    begun = time.perf_counter()
    work(records)
    return time.perf_counter() - begun


figures = {}
for size, repeats in SIZES.items():
    rows = [payment(at) for at in range(size)]
    records = [written(each) for each in rows]
    values = pa.array(records, pa.large_binary())
    assert reads.decode(values).rows.to_pylist() == rows
    pairs = [(timed(by_fastavro, records), timed(reads.decode, values)) for _ in range(repeats)]
    figures[f"fastavro_{size}"] = median(pair[0] for pair in pairs)
    figures[f"ours_{size}"] = median(pair[1] for pair in pairs)
print(json.dumps(figures))
