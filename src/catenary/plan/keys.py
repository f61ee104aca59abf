"""Key columns: they are selected, and both sides speak of the same kind of value (semantics 9).

Integers of every width are one family; floats and nested values are no keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.errors import DefinitionError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.definitions import GroupBy, JoinPart
    from catenary.plan.nodes import GroupByNode, ScanNode
    from catenary.schema import Schema, Type


def family(type_: Type) -> str | None:
    """The family of key values that a type belongs to; None for types that are no keys."""
    if type_.is_integer:
        return "integer"
    if type_.is_float or type_.is_nested or type_.name == "void":
        return None
    return type_.name


def group_by_keys(definition: GroupBy, name: str, schema: Schema) -> tuple[tuple[str, Type], ...]:
    """The key columns of a GroupBy with their types.

    Raises:
        DefinitionError: for a key that is not selected, and for a type that is no key.
    """
    for key in definition.keys:
        if key not in schema:
            problem = f"key {key!r} of GroupBy {name!r} is not among the columns of its sources"
            raise DefinitionError(problem, where=definition.where, hint=nearest(key, schema))
        if family(schema[key]) is None:
            problem = f"key {key!r} of GroupBy {name!r} is {schema[key]}, which is no key type"
            hint = "cast it in the source's selects, to bigint or string"
            raise DefinitionError(problem, where=definition.where, hint=hint)
    return tuple((key, schema[key]) for key in definition.keys)


def left_keys(part: JoinPart, group_by: GroupByNode, left: ScanNode, *, join: str) -> Sequence[str]:
    """The left's column for each key of the part's GroupBy.

    Raises:
        DefinitionError: for a column that the left lacks or whose type family is another.
    """
    chosen = part.left_keys()
    for (key, type_), column in zip(group_by.keys, chosen, strict=True):
        if column not in left.schema:
            problem = f"Join {join!r}: its left has no column {column!r} for key {key!r}"
            problem += f" of {group_by.name!r}"
            hint = nearest(column, left.schema) + "; select it on the left, or map a column with"
            hint += f' key_mapping={{"<left column>": {key!r}}}'
            raise DefinitionError(problem, where=part.where, hint=hint)
        if family(left.schema[column]) != family(type_):
            problem = f"Join {join!r}: left column {column!r} is {left.schema[column]},"
            problem += f" key {key!r} of {group_by.name!r} is {type_}"
            hint = "cast one of them in its source's selects"
            raise DefinitionError(problem, where=part.where, hint=hint)
    return chosen
