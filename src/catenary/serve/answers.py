"""What a fetch answers: columns for many, a row for one, with what each row says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from catenary.ports import statuses

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pyarrow as pa

    from catenary.ports import Token


@dataclass(frozen=True)
class Answer:
    """What many requests got.

    Attributes:
        columns: the features, one row per request, in the requests' order.
        bits: int64, the statuses of each row (`ports.statuses`).
        parts: the same per part, by GroupBy.
        reasons: row to why it has no answer, or which history it would need.
        token: the positions that every row reflects, in every stage.
        at: int64, the instant of each row.
    """

    columns: pa.Table
    bits: np.ndarray
    parts: Mapping[str, np.ndarray]
    reasons: Mapping[int, str]
    token: Token
    at: np.ndarray

    def __len__(self) -> int:
        return len(self.bits)

    @cached_property
    def status(self) -> list[str]:
        """The worst status of each row."""
        return _each(self.bits, statuses.worst)

    @cached_property
    def statuses(self) -> dict[str, list[tuple[str, ...]]]:
        """All statuses, the worst first, of each row by part; empty where all is well."""
        return {name: _each(bits, statuses.listed) for name, bits in self.parts.items()}

    def rows(self) -> list[dict[str, object]]:
        """The features as Python values, a mapping per row."""
        return cast("list[dict[str, object]]", self.columns.to_pylist(maps_as_pydicts="strict"))

    def each(self) -> list[Row]:
        """All rows, each with all that it says of itself."""
        parts = {name: bits.tolist() for name, bits in self.parts.items()}
        return [
            Row(
                features,
                bits,
                {name: of_part[at] for name, of_part in parts.items()},
                self.reasons.get(at),
                self.token,
            )
            for at, (features, bits) in enumerate(zip(self.rows(), self.bits.tolist(), strict=True))
        ]

    def row(self, at: int) -> Row:
        """One row with all that it says of itself."""
        features = self.columns.slice(at, 1).to_pylist(maps_as_pydicts="strict")[0]
        parts = {name: int(bits[at]) for name, bits in self.parts.items()}
        return Row(features, int(self.bits[at]), parts, self.reasons.get(at), self.token)


class Row(dict[str, Any]):
    """What one request got: features by name, also as attributes, and what the row says of itself.

    Attributes:
        bits: its statuses (`ports.statuses`).
        reason: why it has no answer, or which history it would need; None if all is well.
        token: the positions that it reflects.

    >>> from catenary.ports import Token, statuses
    >>> row = Row({"n": 3}, statuses.AS_OF_TILE, {"clicks": statuses.AS_OF_TILE}, None, Token())
    >>> row["n"], row.n, row.status, row.statuses
    (3, 3, 'as_of_tile', {'clicks': ('as_of_tile',)})
    """

    def __init__(
        self,
        features: Mapping[str, object],
        bits: int,
        parts: Mapping[str, int],
        reason: str | None,
        token: Token,
    ) -> None:
        super().__init__(features)
        self.bits = bits
        self.reason = reason
        self.token = token
        self._parts = parts

    @property
    def status(self) -> str:
        """The worst status."""
        return statuses.worst(self.bits)

    @property
    def statuses(self) -> dict[str, tuple[str, ...]]:
        """All statuses, the worst first, by part."""
        return {name: statuses.listed(bits) for name, bits in self._parts.items()}

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the answer has no feature {name!r}") from None


def _each(bits: np.ndarray, told: Any) -> list[Any]:
    """What is told of each row's statuses; said once per distinct one."""
    known: dict[int, Any] = {}
    return [known.get(each) or known.setdefault(each, told(each)) for each in bits.tolist()]
