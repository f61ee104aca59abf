"""How a stage reads its parents: the same lookup that models use, as of each row's own time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from catenary.plan.nodes import JoinNode


@dataclass(frozen=True)
class Looked:
    """What a Join knew.

    Attributes:
        columns: the Join's features after derivations, one row per row that asked.
        status: int64, the union of the statuses of the row's parts (`ports.statuses`).
        parts: the same per part, by the GroupBy's name.
        failed: row to the reason why it has no answer (a derivation raised).
    """

    columns: pa.Table
    status: np.ndarray
    parts: dict[str, np.ndarray]
    failed: dict[int, str]


class Lookup(Protocol):
    """Reads Joins as of given instants."""

    def join(self, join: JoinNode, rows: pa.Table, at: np.ndarray) -> Looked:
        """The Join's features for each row.

        Args:
            join: whose parts are read.
            rows: the left's columns.
            at: int64 milliseconds, per row; events strictly before it count.

        Raises:
            RunError: if a store cannot be reached; never for the sake of one row.
        """
        ...
