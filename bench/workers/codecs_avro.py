"""Batches of Avro records to columns, and fastavro's `schemaless_reader` over the same records.

The program and fastavro's parsed schema are made before; records lie as a log reads them, or as bytes for fastavro.
"""

import io
import json
import sys
from pathlib import Path
from statistics import median

import fastavro
import pyarrow as pa

from catenary.codecs import codec, schema_of_avro

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.payments import SIZES, payment, timed

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


def written(value: dict[str, object]) -> bytes:
    out = io.BytesIO()
    fastavro.schemaless_writer(out, parsed, value)
    return out.getvalue()


def by_fastavro(records: list[bytes]) -> list[dict[str, object]]:
    return [fastavro.schemaless_reader(io.BytesIO(each), parsed) for each in records]


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
