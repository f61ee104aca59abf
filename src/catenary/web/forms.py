"""Requests and answers as bytes: JSON in the shape of Chronon's service, and Arrow IPC streams.

    {"results": [{"status": "Success", "entityKeys": …, "features": …,
                  "rowStatus": "ok", "partStatuses": {…}}, …], "token": "topic/0:12"}

A row that was refused, or failed, has status `Failure` and `error` in place of features. What JSON cannot
say is text: infinities are "Infinity" and "-Infinity", binary is Base64.
"""

from __future__ import annotations

import base64
import math
import re
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import msgspec
import pyarrow as pa

from catenary.ports import statuses
from catenary.schema import BOOLEAN
from catenary.web.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from catenary.ports import Token
    from catenary.schema import Schema, Type
    from catenary.serve.answers import Answer, Row

REFUSED: Final = statuses.ERROR | statuses.BEFORE_RETENTION
"""What leaves a row without an answer."""
STATUS, REASON, TOKEN = "catenary.status", "catenary.reason", b"catenary.token"
_EXACT: Final = 2.0**53
"""From here on, floats skip whole numbers: what was meant is not known."""
_HALF: Final = re.compile(
    rb"\\u[dD](?:[89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..\\u[dD])[c-fC-F]..)"
)
"""Half of a surrogate pair, which is no character."""
_decode: Final = msgspec.json.Decoder(list[dict[str, Any]]).decode
_encode: Final = msgspec.json.Encoder().encode


class Rows(NamedTuple):
    """What a body asks for: rows, and as of when if it says so itself."""

    keys: Sequence[Mapping[str, object]] | pa.Table
    at: pa.Array | None = None


class Columns(NamedTuple):
    """The columns whose values JSON has in another form.

    Attributes:
        whole: whole numbers: JSON has one kind of number, and 7.0 is 7, as long as it is exact.
        binary: bytes.
    """

    whole: tuple[str, ...]
    binary: tuple[str, ...]

    @staticmethod
    def of(types: Mapping[str, Type]) -> Columns:
        """Those of a request's columns."""
        return Columns(
            tuple(name for name, type_ in types.items() if type_.is_integer),
            tuple(name for name, type_ in types.items() if type_.name == "binary"),
        )


def from_json(body: bytes, columns: Columns) -> list[dict[str, Any]]:
    """The key objects of a body.

    Raises:
        RefusedError: 400, for what is no JSON list of objects; 422 for binary columns that are no Base64.
    """
    try:
        found = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        half = _HALF.search(body)  # of which the decoder says that the body ends too soon
        told = f"{half[0].decode()} is half of a character" if half else error
        raise RefusedError(
            400,
            f"the body is no JSON list of key objects: {told}",
            where="body",
            hint='write [{"column": value, …}, …]',
        ) from None
    for column in columns.whole:
        for request in found:
            value = request.get(column)
            if type(value) is float and value.is_integer() and abs(value) < _EXACT:
                request[column] = int(value)
    for column in columns.binary:
        for row, request in enumerate(found):
            if request.get(column) is not None:
                request[column] = _bytes(request[column], f"{column} of request {row}")
    return found


def from_arrow(body: bytes) -> Rows:
    """The table of an Arrow IPC stream; its column `ts`, if there is one, says as of when.

    Raises:
        RefusedError: 400, for what is none.
    """
    try:
        table = pa.ipc.open_stream(body).read_all()
        table.validate(full=True)
        given = table.column_names.count("ts")
        if not given:
            return Rows(table)
        if given > 1:
            raise RefusedError(400, "ts is there twice", where="body", hint="give it once")
        at = table.column("ts").combine_chunks()
        if pa.types.is_timestamp(at.type):
            at = at.cast(pa.timestamp("ms"))
        instants = at.cast(pa.int64())
        if instants.null_count:
            raise RefusedError(400, "ts has nulls", where="body", hint="leave ts out for now")
        return Rows(table.drop_columns(["ts"]), instants)
    except (pa.ArrowException, OSError, ValueError) as error:
        hint = "write the table with pyarrow.ipc.new_stream; ts in milliseconds or as a timestamp"
        problem = f"the body is no Arrow IPC stream of keys: {error}"
        raise RefusedError(400, problem, where="body", hint=hint) from None


def to_json(
    rows: Sequence[Row], keys: Sequence[Mapping[str, object]], token: str, mend: Mend | None
) -> bytes:
    """The answer to requests, in their order."""
    results = [_result(row, each, mend) for row, each in zip(rows, keys, strict=True)]
    return _encode({"results": results, "token": token})


def to_arrow(answer: Answer) -> bytes:
    """The answer as a table: features, and what each row says of itself."""
    table = answer.columns
    table = table.append_column(STATUS, pa.array(answer.status, pa.string()))
    for name, listed in answer.statuses.items():
        table = table.append_column(f"{STATUS}.{name}", pa.array(listed, pa.list_(pa.string())))
    reasons = [answer.reasons.get(at) for at in range(len(answer))]
    table = table.append_column(REASON, pa.array(reasons, pa.string()))
    table = table.replace_schema_metadata({TOKEN: str(answer.token).encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


class TokenText:
    """A token's text, made once for as long as it is the same."""

    def __init__(self) -> None:
        self._last: tuple[Token | None, str] = (None, "")

    def __call__(self, token: Token) -> str:
        """The text."""
        last, text = self._last
        if last is not token:
            text = str(token)
            self._last = (token, text)
        return text


class Mend:
    """Writes infinities as text, in the columns that may hold them; and keys that JSON has not.

    Args:
        schema: of the features.
    """

    def __init__(self, schema: Schema) -> None:
        self._nested = tuple(
            name for name, type_ in schema.items() if type_.is_nested and _is_mended(type_)
        )
        floats = [name for name, type_ in schema.items() if type_.is_float]
        # Of a single name it would give the value itself, so the first stands there twice.
        self._floats = itemgetter(*floats[:1], *floats) if floats else None

    @staticmethod
    def of(schema: Schema) -> Mend | None:
        """What mends rows of this schema; None if there is nothing to mend."""
        return Mend(schema) if any(map(_is_mended, schema.values())) else None

    def __call__(self, row: Mapping[str, object]) -> Mapping[str, object]:
        """The row as JSON can say it; itself, where that is so already."""
        if self._floats is not None:
            values = self._floats(row)
            if math.inf in values or -math.inf in values:
                row = {name: _said(value) for name, value in row.items()}
        for name in self._nested:
            value = row.get(name)
            if value is not None:
                row = {**row, name: _said(value)}
        return row


def _result(row: Row, keys: Mapping[str, object], mend: Mend | None) -> dict[str, object]:
    bits = row.bits
    if bits & REFUSED:
        return {
            "status": "Failure",
            "entityKeys": keys,
            "error": row.reason or row.status,
            "rowStatus": row.status,
            "partStatuses": _parts(row),
        }
    return {
        "status": "Success",
        "entityKeys": keys,
        "features": row if mend is None else mend(row),
        "rowStatus": statuses.worst(bits),
        "partStatuses": _parts(row) if bits else {},
    }


def _parts(row: Row) -> dict[str, tuple[str, ...]]:
    """The statuses by part, of the parts of which there is anything to say."""
    return {name: listed for name, listed in row.statuses.items() if listed}


def _within(type_: Type) -> Iterator[Type]:
    """A type, and all that it is made of."""
    yield type_
    for each in (type_.item, type_.key, *(field.type for field in type_.fields)):
        if each is not None:
            yield from _within(each)


def _is_mended(type_: Type) -> bool:
    return any(
        each.is_float or (each.key is not None and each.key == BOOLEAN) for each in _within(type_)
    )


def _said(value: object) -> object:
    if isinstance(value, float):
        return ("Infinity" if value > 0 else "-Infinity") if math.isinf(value) else value
    if isinstance(value, (list, tuple)):
        return [_said(each) for each in cast("list[object]", value)]
    if isinstance(value, dict):
        held = cast("dict[object, object]", value)
        return {
            str(_said(name)) if isinstance(name, (float, bool)) else name: _said(each)
            for name, each in held.items()
        }
    return value


def _bytes(value: object, where: str) -> bytes:
    try:
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
    except ValueError:  # of signs that are not of Base64, or of none that is
        pass
    raise RefusedError(422, f"{where} is no Base64", where="body", hint="encode the bytes")
