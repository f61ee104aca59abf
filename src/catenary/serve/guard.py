"""Derivations that raise: which rows fail, and the others' values all the same (semantics 25)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from catenary.errors import CatenaryError, RunError

if TYPE_CHECKING:
    from collections.abc import Callable


def guarded(
    work: Callable[[int, int], pa.Table], count: int, schema: pa.Schema, where: str
) -> tuple[pa.Table, dict[int, str]]:
    """The work's rows, with nulls where it raises, and the reasons.

    Args:
        work: from a first row and a number of rows to those rows.
        count: of all rows.
        schema: of the result.
        where: whose work it is, for the reasons.

    Raises:
        RunError: if the work does: that is never a row's failure.
    """
    failed: dict[int, str] = {}

    def attempt(first: int, many: int) -> list[pa.Table]:
        try:
            return [work(first, many)]
        except RunError:
            raise
        except Exception as error:
            if many <= 1:
                failed.update({first: reason_of(error, where)} if many else {})
                return [nulls(schema, many)]
            half = many // 2
            return [*attempt(first, half), *attempt(first + half, many - half)]

    found = attempt(0, count)
    if len(found) == 1:
        return found[0], failed
    return pa.concat_tables([each.cast(schema) for each in found]), failed


def reason_of(error: Exception, where: str) -> str:
    """What happened, and where."""
    problem = error.problem if isinstance(error, CatenaryError) else str(error)
    return f"{where}: {type(error).__name__}: {problem}"


def nulls(schema: pa.Schema, count: int) -> pa.Table:
    """Rows of nulls."""
    return pa.Table.from_arrays([pa.nulls(count, each.type) for each in schema], schema=schema)


def without(rows: pa.Table, refused: np.ndarray) -> pa.Table:
    """The rows, with nulls in place of those that are refused."""
    if not refused.any():
        return rows
    return rows.take(pa.array(np.arange(len(refused)), mask=refused))
