"""Where columns lie: a schema as the flat plan that the compiled loops fill.

    Schema ──► column 0 (the rows) ──► its children, beside each other ──► theirs …

Five int64 a column: kind, first child, how many, form (what JSON text means), whether an entry comes
with every row. A map is a list of structs of a key and a value, as in Arrow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from catenary.errors import DefinitionError, nearest
from catenary.schema import Field, Schema, Type, struct

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

KINDS: Final = {
    "void": 0, "boolean": 1, "tinyint": 2, "smallint": 3, "int": 4, "bigint": 5, "float": 6, "double": 7,
    "string": 8, "binary": 9, "date": 4, "timestamp": 5, "array": 10, "map": 10, "struct": 11,
}  # fmt: skip
FORMS: Final = {"date": 1, "timestamp": 2, "map": 3}
"""What text and numbers mean in JSON."""
DAYS: Final = {"date": 4}
"""Whole numbers are days since 1970."""
MICROS: Final = {"timestamp": 5}
"""Whole numbers are microseconds, not milliseconds."""


@dataclass
class Layout:
    """Columns in the plan's order.

    Attributes:
        types: of each column.
        names: of each among its siblings.
        paths: of each, for people: `user.tags[]`.
        plan: five numbers each.
        forms: what columns of a type take in JSON, if not what `FORMS` says.
    """

    types: list[Type] = field(default_factory=list[Type])
    names: list[str] = field(default_factory=list[str])
    paths: list[str] = field(default_factory=list[str])
    plan: list[list[int]] = field(default_factory=list[list[int]])
    forms: Mapping[str, int] = field(default_factory=dict[str, int])

    def add(self, type_: Type, name: str, path: str, *, with_row: bool) -> int:
        """A column, its children not yet laid out."""
        self.types.append(type_)
        self.names.append(name)
        self.paths.append(path)
        form = self.forms.get(type_.name, FORMS.get(type_.name, 0))
        self.plan.append([KINDS[type_.name], 0, 0, form, int(with_row)])
        return len(self.plan) - 1

    def fill(self, at: int) -> None:
        """Lay out the children of a column, then theirs."""
        type_, path = self.types[at], self.paths[at]
        with_row = bool(self.plan[at][4]) and type_.name == "struct"
        parts = children(type_)
        if not parts:
            return
        first = len(self.plan)
        self.plan[at][1:3] = [first, len(parts)]
        for part in parts:
            self.add(part.type, part.name, _below(type_, path, part.name), with_row=with_row)
        for child in range(first, first + len(parts)):
            self.fill(child)

    def child(self, at: int, name: str) -> int:
        """The column of that name among a column's children."""
        first, many = self.plan[at][1:3]
        return first + self.names[first : first + many].index(name)


def layout(schema: Schema, forms: Mapping[str, int] | None = None) -> Layout:
    """The columns of rows of `schema`."""
    made = Layout(forms=forms or {})
    made.add(struct(schema.fields), "", "", with_row=True)
    made.fill(0)
    return made


def children(type_: Type) -> tuple[Field, ...]:
    """The parts of a nested type, as Arrow has them."""
    if type_.name == "array":
        assert type_.item is not None
        return (Field("item", type_.item),)
    if type_.name == "map":
        assert type_.key is not None
        assert type_.item is not None
        return (Field("entries", struct({"key": type_.key, "value": type_.item})),)
    return type_.fields


def projected(schema: Schema, columns: Collection[str] | None) -> Schema:
    """The columns of `schema` that are asked for, in its order.

    Raises:
        DefinitionError: for a name that is no column, or a column that is there twice.
    """
    names = list(schema)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DefinitionError(f"the schema has the column {twice!r} twice")
    if columns is None:
        return schema
    for name in columns:
        if name not in names:
            raise DefinitionError(f"records have no column {name!r}", hint=nearest(name, names))
    return Schema(tuple(each for each in schema.fields if each.name in columns))


def _below(type_: Type, path: str, name: str) -> str:
    if type_.name == "struct":
        return f"{path}.{name}" if path else name
    return f"{path}[]" if type_.name == "array" else f"{path}{{}}"
