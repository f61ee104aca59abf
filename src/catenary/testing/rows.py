"""A table small enough to be read in a test, and how its values are stored."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from catenary.errors import DataError
from catenary.schema import FLOAT, NULL, Field, Schema, Type

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Rows:
    """A table small enough to be read in a test.

    Attributes:
        schema: its columns, `ds` among them.
        rows: one mapping per row, every column in each.
    """

    schema: Schema
    rows: tuple[Mapping[str, object], ...]

    def __add__(self, other: Rows) -> Rows:
        """The rows of both; a column that only one of them knows the type of takes it from there."""
        fields = [_unified(mine, other) for mine in self.schema.fields]
        if [each.name for each in fields] != list(other.schema):
            problem = f"columns {list(self.schema)} and {list(other.schema)} differ"
            raise DataError(problem, hint="give both tables the same columns in the same order")
        return Rows(Schema(tuple(fields)), self.rows + other.rows)


def in_type(value: object, type_: Type) -> object:
    """The value as its column stores it: whole numbers in a double column are doubles."""
    if isinstance(value, (list, tuple)):
        return [in_type(each, type_.item) if type_.item else each for each in value]
    if isinstance(value, (int, float)) and type_.is_float and not isinstance(value, bool):
        number = float(value)
        return struct.unpack("f", struct.pack("f", number))[0] if type_ == FLOAT else number
    return value


def _unified(mine: Field, other: Rows) -> Field:
    theirs = other.schema.get(mine.name, mine.type)
    if mine.type != theirs and NULL not in (mine.type, theirs):
        problem = f"column {mine.name!r} is {mine.type} in one table and {theirs} in the other"
        raise DataError(problem)
    return Field(mine.name, theirs if mine.type == NULL else mine.type)
