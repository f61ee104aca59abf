"""A Join's output rows: the left's rows, the parts' columns beside them, derivations over both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from catenary.rows.derive import derived

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.plan.nodes import JoinNode, PartNode


def reads_of(part: PartNode, left: pa.Table) -> pa.Table:
    """The left's keys under the GroupBy's names, with `ts` and `ds`."""
    keys = [name for name, _ in part.group_by.keys]
    columns = [left.column(name) for name in (*part.left_keys, "ts", "ds")]
    return pa.table(columns, names=[*keys, "ts", "ds"])


def renamed(part: PartNode, columns: pa.Table) -> pa.Table:
    """A part's columns under their joined names."""
    return columns.select([own for own, _ in part.columns]).rename_columns(
        [joined for _, joined in part.columns]
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
    base = {name: part.column(name) for part in parts for name in part.column_names}
    if join.derivations is None:
        features = base
    else:
        # A feature hides a left column of its name: a derivation fills that column afterwards.
        context = {name: left.column(name) for name in left.column_names if name not in base}
        rows = derived(join.derivations, pa.table({**context, **base}))
        features = {name: rows.column(name) for name in rows.column_names}
    if carried is None:
        carried = [*(name for name, _ in join.left.selects), "ts"]
    output: dict[str, pa.ChunkedArray] = {}
    for name in carried:
        column = left.column(name)
        output[name] = pc.coalesce(column, features[name]) if name in features else column
    for name, column in features.items():
        output.setdefault(name, column)
    return pa.table(output)
