"""Expressions one row at a time, and derivations in their order (semantics 7, 19 and 26)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Protocol

from catenary.schema import Schema, Type
from catenary.testing.oracle.folds import clean

if TYPE_CHECKING:
    from catenary.definitions import Derivation

Values = dict[str, object]


class Compiled(Protocol):
    """What the oracle needs of an expression."""

    @property
    def type(self) -> Type:
        """Of the values it gives."""
        ...

    def evaluate_row(self, row: Mapping[str, object], /) -> object:
        """The value over one row's columns."""
        ...


Compile = Callable[[str, Schema], Compiled]


@cache
def by_expressions(text: str, schema: Schema) -> Compiled:
    """The product's expression language."""
    from catenary.expressions import compile_expression

    return compile_expression(text, schema)


class Derived:
    """Derivations over named columns: what remains after them, of which types.

    Args:
        derivations: as written, in order.
        base: the base columns.
        context: other columns that may be used: keys, `ts`, `ds`, declared left columns.
        compile: the expression language.
    """

    def __init__(
        self,
        derivations: Sequence[Derivation],
        base: Schema,
        context: Schema,
        compile: Compile,  # noqa: A002 - the word for it
    ) -> None:
        self.steps: list[tuple[str, Compiled]] = []
        named = [each for each in derivations if each.name != "*"]
        known: dict[str, Type] = {**context, **base}
        types: dict[str, Type] = {}
        for each in named:
            step = compile(each.expression, Schema.of(known))
            self.steps.append((each.name, step))
            known[each.name] = types[each.name] = step.type
        star = not derivations or len(named) < len(derivations)
        renamed = {each.expression.strip() for each in named}
        kept = [name for name in base if star and name not in renamed]
        self.output = list(dict.fromkeys([*kept, *types]))
        self.schema = Schema.of({name: known[name] for name in self.output})

    def of(self, base: Mapping[str, object], context: Mapping[str, object]) -> Values:
        """The columns that remain, for one row."""
        known: Values = {**context, **base}
        for name, step in self.steps:
            known[name] = clean(step.evaluate_row(known))
        return {name: known[name] for name in self.output}
