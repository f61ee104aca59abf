"""Derivations over finished features (semantics 19)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.rows.query import evaluated

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from catenary.plan.nodes import Derivations, DerivedColumn


def derived(derivations: Derivations, rows: pa.Table) -> pa.Table:
    """The columns that remain: base columns that are kept, and derived ones.

    Args:
        derivations: in order; a name means the nearest earlier derivation, else a column of `rows`.
        rows: base columns, and what else expressions may use: keys, `ts`, `ds`, left columns.
    """
    for together in _independent(derivations.steps):
        wanted = [(step.name, step.expression) for step in together]
        for name, column in zip((name for name, _ in wanted), evaluated(wanted, rows), strict=True):
            at = rows.schema.get_field_index(name)
            rows = rows.append_column(name, column) if at < 0 else rows.set_column(at, name, column)
    return rows.select(list(derivations.output))


def _independent(steps: tuple[DerivedColumn, ...]) -> Iterator[list[DerivedColumn]]:
    """Runs of steps that do not read each other, so that each run is evaluated in one pass."""
    together: list[DerivedColumn] = []
    names: set[str] = set()
    for step in steps:
        if names & step.expression.inputs:
            yield together
            together, names = [], set()
        together.append(step)
        names.add(step.name)
    if together:
        yield together
