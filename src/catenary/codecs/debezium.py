"""Debezium's envelopes: what happened to a row of a database, and the row as it was after.

    {"op": "c", "before": null, "after": {"id": 7, …}, "source": {…}, "ts_ms": …} ──► after's row

With or without the wrapper `{"schema": …, "payload": …}`; in JSON or Avro, framed or not.

| op | becomes |
| --- | --- |
| `c`, `r` (created, read by a snapshot) | the row in `after` |
| `u`, `d`, `t` (updated, deleted, truncated) | rejected: mutations are not supported yet |
| a record without a value: the tombstone behind a delete | skipped: it says nothing that the delete did not |

Columns that begin with two underscores are the envelope's, by the names that Debezium's own unwrapping gives
them: `__op`, `__ts_ms`, and of `source` any: `__source_ts_ms`, `__source_table`, …
In JSON a number is milliseconds for a column of `timestamp` (microseconds with the option `times=us`), and
days for one of `date`. Avro's schema says what a number means, or does not: then a reader's schema may.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from catenary.codecs import Codec, Decoded, Rejected
from catenary.codecs.batches import joined
from catenary.errors import DefinitionError
from catenary.schema import STRING, Field, Schema, Type, struct
from catenary.schema.arrow import schema_to_arrow, to_arrow

if TYPE_CHECKING:
    from collections.abc import Callable

_SOURCE: Final = "__source_"
_ENVELOPE: Final = "__"
_IMAGES: Final = ("before", "after", "source", "payload")
_ROWS: Final = ("c", "r")
_MUTATIONS: Final = {"u": "an update", "d": "a delete", "t": "a truncation"}


class DebeziumCodec:
    """Reads the rows that envelopes create, and writes envelopes that create rows.

    Args:
        schema: the columns of the rows; some may be the envelope's.
        reads: the codec of records with these columns, which reads the envelopes.
        wrapped: whether a wrapper may stand around an envelope.
    """

    def __init__(self, schema: Schema, reads: Callable[[Schema], Codec], *, wrapped: bool) -> None:
        self.schema = schema
        self._after = [each for each in schema.fields if not each.name.startswith(_ENVELOPE)]
        source = _part(schema, _SOURCE)
        own = [each for each in _part(schema, _ENVELOPE) if not each.name.startswith("source_")]
        for each in own:
            if each.name in _IMAGES or (each.name == "op" and each.type != STRING):
                raise DefinitionError(
                    f"column {_ENVELOPE + each.name!r} ({each.type}) is not read from Debezium's envelope",
                    hint="take __op (a string), __ts_ms or __source_NAME",
                )
        fields = [Field("op", STRING), Field("after", struct(self._after))]
        fields += [each for each in own if each.name != "op"]
        if source:
            fields.append(Field("source", struct(source)))
        self._envelope = Schema(tuple(fields))
        self._writes = reads(self._envelope)
        self._wrapped = wrapped
        whole = struct(self._envelope.fields)
        self._reads = (
            reads(Schema((*self._envelope.fields, Field("payload", whole))))
            if wrapped
            else self._writes
        )

    def decode(self, values: pa.LargeBinaryArray) -> Decoded:
        """Every record becomes a row, is skipped (a tombstone) or is rejected."""
        there = values.is_valid().to_numpy(zero_copy_only=False)
        numbers = np.flatnonzero(there)
        if len(numbers) < len(values):
            found = self._reads.decode(values.filter(values.is_valid())).among(numbers)
        else:
            found = self._reads.decode(values)
        columns = self._unwrapped(found.rows)
        op = columns["op"]
        after = columns["after"].is_valid().to_numpy(zero_copy_only=False)
        creates = pc.is_in(op, pa.array(_ROWS)).to_numpy(zero_copy_only=False)
        good = creates & after
        rejected = [
            Rejected(int(found.kept[at]), _why(op[at].as_py()))
            for at in np.flatnonzero(~good).tolist()
        ]
        table = self._rows(columns, found.rows.num_rows)
        if not good.all():
            table = table.filter(pa.array(good))
        read = Decoded(table, found.kept[good], found.rejected)
        return joined([read], self.schema, rejected, skipped=len(values) - len(numbers))

    def encode(self, rows: pa.Table) -> pa.LargeBinaryArray:
        """One envelope per row: it was created."""
        arrow = schema_to_arrow(self._envelope)
        given = {name: rows.column(name).combine_chunks() for name in rows.column_names}
        many = rows.num_rows
        made: list[pa.Array] = []
        for each in self._envelope.fields:
            if each.name == "op":
                made.append(pa.array(["c"] * many, pa.string()))
            elif each.name in ("after", "source"):
                before = "" if each.name == "after" else _SOURCE
                made.append(_struct(each.type, [given[before + part.name] for part in each.type.fields], many))  # fmt: skip
            else:
                made.append(given[_ENVELOPE + each.name])
        return self._writes.encode(pa.Table.from_arrays(made, schema=arrow))

    def _unwrapped(self, rows: pa.Table) -> dict[str, pa.Array]:
        """The envelopes' columns, of those with a wrapper from within it."""
        plain = {each: rows.column(each).combine_chunks() for each in self._envelope}
        if not self._wrapped:
            return plain
        payload = rows.column("payload").combine_chunks()
        inside = payload.is_valid()
        if not pc.any(inside).as_py():
            return plain
        parts = dict(zip(self._envelope, payload.flatten(), strict=True))
        if pc.all(inside).as_py():
            return parts
        order = pc.if_else(inside, len(rows), 0).to_numpy() + np.arange(len(rows))
        return {
            name: pa.concat_arrays([plain[name], parts[name]]).take(pa.array(order))
            for name in plain
        }

    def _rows(self, columns: dict[str, pa.Array], many: int) -> pa.Table:
        after = dict(zip((each.name for each in self._after), columns["after"].flatten(), strict=True))  # fmt: skip
        source: dict[str, pa.Array] = {}
        if "source" in columns:
            names = [each.name for each in _part(self.schema, _SOURCE)]
            source = dict(zip(names, columns["source"].flatten(), strict=True))
        made: list[pa.Array] = []
        for name in self.schema:
            if name.startswith(_SOURCE):
                made.append(source[name.removeprefix(_SOURCE)])
            elif name.startswith(_ENVELOPE):
                made.append(columns[name.removeprefix(_ENVELOPE)])
            else:
                made.append(after[name])
        arrow = schema_to_arrow(self.schema)
        if not made:
            return arrow.empty_table() if not many else pa.table({"": pa.nulls(many)}).select([])
        return pa.Table.from_arrays(made, schema=arrow)


def _part(schema: Schema, prefix: str) -> list[Field]:
    """The columns with a prefix, without it."""
    return [
        Field(each.name.removeprefix(prefix), each.type)
        for each in schema.fields
        if each.name.startswith(prefix)
    ]


def _struct(type_: Type, parts: list[pa.Array], many: int) -> pa.Array:
    if not parts:
        return pa.array([{}] * many, to_arrow(type_))
    return pa.StructArray.from_arrays(parts, fields=list(to_arrow(type_)))


def _why(op: str | None) -> str:
    """Why an envelope makes no row."""
    if op in _MUTATIONS:
        return f"{_MUTATIONS[op]} (op {op!r}): mutations are not supported yet"
    if op in _ROWS:
        return f"a row was created (op {op!r}), but 'after' is null"
    return "this is no Debezium envelope: it lacks 'op'" if op is None else f"op {op!r} is not known"  # fmt: skip
