"""Batches of Protobuf records to columns, and the `protobuf` package to the same columns.

The package parses each record and is asked for each field, as whoever fills columns with it does. Programs
and message types are made before; records lie as a log reads them, or as bytes for the package.
"""

import json
import sys
from pathlib import Path
from statistics import median

import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from catenary.codecs import codec, schema_of_protobuf
from catenary.schema.arrow import schema_to_arrow

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from bench.workers.payments import SIZES, payment, timed

kinds = descriptor_pb2.FieldDescriptorProto
file = descriptor_pb2.FileDescriptorProto(name="payment.proto", package="bench", syntax="proto3")
row = file.message_type.add(name="Payment")
FIELDS = {
    "ts": kinds.TYPE_INT64,
    "user": kinds.TYPE_STRING,
    "amount": kinds.TYPE_DOUBLE,
    "merchant": kinds.TYPE_STRING,
    "country": kinds.TYPE_STRING,
    "items": kinds.TYPE_INT32,
    "refund": kinds.TYPE_BOOL,
    "score": kinds.TYPE_DOUBLE,
}
OPTIONAL = ("merchant", "score")
for number, (name, kind) in enumerate(FIELDS.items(), 1):
    each = row.field.add(name=name, number=number, type=kind, label=kinds.LABEL_OPTIONAL)
    if name in OPTIONAL:
        each.proto3_optional, each.oneof_index = True, len(row.oneof_decl)
        row.oneof_decl.add(name=f"_{name}")
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
Payment = message_factory.GetMessageClass(pool.FindMessageTypeByName("bench.Payment"))
files = descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()
schema = schema_of_protobuf(files)
reads = codec("protobuf", schema, files=files)


def by_the_package(records: list[bytes]) -> pa.Table:
    parsed = [Payment.FromString(each) for each in records]
    columns = {
        name: [getattr(each, name) if each.HasField(name) else None for each in parsed]
        if name in OPTIONAL
        else [getattr(each, name) for each in parsed]
        for name in FIELDS
    }
    return pa.table(columns, schema_to_arrow(schema))


figures = {}
for size, repeats in SIZES.items():
    rows = [payment(at) for at in range(size)]
    records = [Payment(**each).SerializeToString() for each in rows]
    values = pa.array(records, pa.large_binary())
    assert reads.decode(values).rows == by_the_package(records)
    pairs = [(timed(by_the_package, records), timed(reads.decode, values)) for _ in range(repeats)]
    figures[f"package_{size}"] = median(pair[0] for pair in pairs)
    figures[f"ours_{size}"] = median(pair[1] for pair in pairs)
print(json.dumps(figures))
