"""Derivations: which name means what, and which columns remain (semantics 19).

    name in a derivation ──► the nearest earlier derivation
                          ──► else a base column
                          ──► else a key, `ts` (bigint), `ds` (string), or a contextual left column

`*` keeps the base columns, but for those that another derivation renames or replaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catenary.errors import DefinitionError, ExpressionError
from catenary.plan.names import RESERVED
from catenary.plan.nodes import Derivations, DerivedColumn
from catenary.plan.scans import compiled
from catenary.schema import BIGINT, STRING, Schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from catenary.definitions import Derivation
    from catenary.expressions import Expression
    from catenary.schema import Type

_EMPTY: Final = Schema(())


def derive(
    written: Sequence[Derivation],
    *,
    base: Schema,
    given: Mapping[str, Type],
    keys: Sequence[str] = (),
    left: Schema = _EMPTY,
) -> Derivations | None:
    """The derivations, checked; None if none were written.

    Args:
        written: in their order.
        base: columns before derivations.
        given: what may be used besides: keys and contextual columns; `ts` and `ds` always may.
        keys: columns that no derivation may be named after.
        left: columns of a Join's left: a derivation of such a name fills it where it is null.

    Raises:
        DefinitionError: for a name that is taken, unknown, comes later, or is not declared contextual.
    """
    if not written:
        return None
    scope: dict[str, Type] = {**given, "ts": BIGINT, "ds": STRING, **base}
    steps: list[DerivedColumn] = []
    for at, each in enumerate(written):
        if each.name == "*":
            continue
        if each.name in RESERVED or each.name in keys:
            problem = f"derivation {each.name!r} has the name of a key, ts or ds"
            raise DefinitionError(problem, where=each.where, hint="choose another name")
        later = [other.name for other in written[at:]]
        expression = _compiled(each, Schema.of(scope), left=left, later=later)
        fills = each.name in left
        if fills:
            expression = _filling(each, expression, left[each.name], Schema.of(scope))
        steps.append(DerivedColumn(each.name, expression, fills))
        scope[each.name] = expression.type
    return Derivations(tuple(steps), _output(written, base))


def derived_schema(derivations: Derivations | None, base: Schema) -> Schema:
    """The columns that remain, with their types."""
    if derivations is None:
        return base
    types = {**base, **{step.name: step.expression.type for step in derivations.steps}}
    return Schema.of({name: types[name] for name in derivations.output})


def renamed(written: Sequence[Derivation], base: Schema) -> frozenset[str]:
    """Base columns that a derivation merely renames: its whole text is the column's name."""
    texts = {each.expression.strip().strip("`") for each in written}
    return frozenset(texts & set(base))


def _output(written: Sequence[Derivation], base: Schema) -> tuple[str, ...]:
    own = {each.name for each in written}
    kept = [name for name in base if name not in own and name not in renamed(written, base)]
    output: list[str] = []
    for each in written:
        if each.name == "*":
            output += kept
        else:
            output.append(each.name)
    return tuple(output)


def _compiled(each: Derivation, scope: Schema, *, left: Schema, later: Sequence[str]) -> Expression:
    try:
        return compiled(each.expression, scope, where=each.where)
    except ExpressionError as error:
        wider = Schema.of({**left, **scope})
        if len(wider) > len(scope):
            _refuse_undeclared(each, scope, wider, error)
        for name in later:
            if name not in scope and f"'{name}'" in error.problem:
                hint = f"a derivation reads those before it: move {name!r} up"
                hint = "a derivation cannot read itself" if name == each.name else hint
                raise ExpressionError(error.problem, where=each.where, hint=hint) from None
        raise


def _refuse_undeclared(
    each: Derivation, scope: Schema, wider: Schema, error: ExpressionError
) -> None:
    """Refuse with a better hint, if left columns are what the expression lacks."""
    try:
        found = compiled(each.expression, wider, where=each.where)
    except DefinitionError:
        return
    lacking = sorted(name for name in found.inputs if name not in scope)
    problem = f"derivation {each.name!r} uses left column {lacking[0]!r}, which is not contextual"
    hint = f"declare it contextual on the Join: contextual={lacking}"
    raise DefinitionError(problem, where=each.where, hint=hint) from error


def _filling(each: Derivation, expression: Expression, type_: Type, scope: Schema) -> Expression:
    """The expression in the left column's own type."""
    if expression.type == type_:
        return expression
    if expression.type.is_numeric and type_.is_numeric:
        return compiled(f"CAST({each.expression} AS {type_})", scope, where=each.where)
    problem = f"derivation {each.name!r} is {expression.type}; the left column it fills is {type_}"
    raise DefinitionError(problem, where=each.where, hint=f"write CAST(... AS {type_})")
