"""Why a record was rejected, in words: codes of the compiled loops to one line each.

The codes are those of ``grown.h``, in its order.
"""

from __future__ import annotations

from typing import Final

_WORDS: Final = (
    "fine",
    "no memory",
    "the record has no value",
    "the record is empty",
    "the record ends inside a value",
    "a number is longer than its type allows",
    "a boolean is neither 0 nor 1",
    "a size is negative",
    "a size reaches beyond the record's end",
    "text is not valid UTF-8",
    "a union has no such branch",
    "an enum has no such symbol",
    "a count of items is beyond what the record can hold",
    "a block of items does not have the size that it tells",
    "the record goes on after its value",
    "the value does not fit {type}",
    "the value has no form in the reader's schema",
    "the batch has more than 2 GB of one column; read it in smaller parts",
    "values are nested deeper than 128 levels",
    "this is not JSON",
    "expected {type}, not {came}",
    "the time has no zone; write 2024-05-01T12:00:00Z or milliseconds since 1970",
    "expected a time such as 2024-05-01T12:00:00Z or milliseconds since 1970",
    "expected a date such as 2024-05-01",
    "expected base64",
    "expected an object, not {came}",
    "text holds a control character that is not escaped",
    "an escape in a text means no character",
    "a key of a map is null",
    "a key of a map is not {type}",
    "expected {type}, not a fraction",
    "this is no field of Protobuf: its number or its wire type is none",
    "the record lacks a required field",
)
_CAME: Final = (
    "nothing", "null", "a boolean", "a number", "a number with a fraction or exponent", "a string", "an array",
    "an object",
)  # fmt: skip


def reason(code: int, at: int, column: str, type_: str, came: int) -> str:
    """One line: the column if one is known, what is wrong, and the byte.

    >>> reason(20, 7, "amount", "bigint", 5)
    "column 'amount': expected bigint, not a string (byte 7)"
    """
    words = _WORDS[code].format(type=type_, came=_CAME[came])
    if code in (2, 3):
        return words
    return (f"column {column!r}: " if column else "") + f"{words} (byte {at})"
