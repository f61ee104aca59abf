"""A Join's output rows: the left's rows, the parts' columns beside them, derivations over both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from catenary.rows.derive import derived

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.plan.nodes import JoinNode, PartNode


def reads_dates(join: JoinNode) -> bool:
    """Whether the parts' keys or a derivation may read the left's `ts` or `ds`."""
    return join.derivations is not None or any(
        part.group_by.derivations is not None or not {"ts", "ds"}.isdisjoint(part.left_keys)
        for part in join.parts
    )


def reads_of(part: PartNode, left: pa.Table) -> pa.Table:
    """The left's keys under the GroupBy's names, with `ts` and `ds`."""
    keys = [name for name, _ in part.group_by.keys]
    columns = [left.column(name) for name in (*part.left_keys, "ts", "ds")]
    return pa.table(columns, names=[*keys, "ts", "ds"])


def renamed(part: PartNode, columns: pa.Table) -> pa.Table:
    """A part's columns under their joined names."""
    return pa.Table.from_arrays(
        [columns.column(own) for own, _ in part.columns],
        names=[joined for _, joined in part.columns],
    )


def joined(
    join: JoinNode,
    left: pa.Table,
    parts: Sequence[pa.Table],
    *,
    carried: Sequence[str] | None = None,
) -> pa.Table:
    """The output rows: the left's columns and `ts`, then the features.

    Args:
        join: the Join.
        left: with `ts` and `ds`.
        parts: as `renamed` gives them, rows as in `left`.
        carried: the left's columns to carry along; None for all that the Join selects, and `ts`.
    """
    if carried is None:
        carried = [*(name for name, _ in join.left.selects), "ts"]
    return beside(left, features_of(join, left, parts), carried)


def features_of(join: JoinNode, left: pa.Table, parts: Sequence[pa.Table]) -> pa.Table:
    """The features alone, derivations done; a derivation that fills a left column is among them.

    Args:
        join: the Join.
        left: with `ts` and `ds`.
        parts: as `renamed` gives them, rows as in `left`.
    """
    if join.derivations is None and len(parts) == 1:
        return parts[0]
    base = {
        name: column
        for part in parts
        for name, column in zip(part.column_names, part.columns, strict=True)
    }
    if join.derivations is None:
        return pa.Table.from_arrays(list(base.values()), list(base))
    # A feature hides a left column of its name: a derivation fills that column afterwards.
    context = {name: left.column(name) for name in left.column_names if name not in base}
    return derived(join.derivations, pa.table({**context, **base}))


def beside(left: pa.Table, features: pa.Table, carried: Sequence[str]) -> pa.Table:
    """Columns of the left, filled where a feature of the same name fills them, then the features."""
    found = dict(zip(features.column_names, features.columns, strict=True))
    output: dict[str, pa.ChunkedArray] = {}
    for name in carried:
        column = left.column(name)
        output[name] = pc.coalesce(column, found[name]) if name in found else column
    for name, column in found.items():
        output.setdefault(name, column)
    return pa.Table.from_arrays(list(output.values()), list(output))
