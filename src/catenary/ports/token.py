"""Positions in logs: what an answer must reflect, and what a stage has committed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from catenary.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIGITS: Final = 19
_SHOWN: Final = 200


class SourcePartition(NamedTuple):
    """One partition of one topic; never a day of a table."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True)
class Token:
    """The offset to be read next, per source partition; partitions that are not named are free.

    It is one more than the offset of the last record that is meant.

    >>> a, b = Token({SourcePartition("t", 0): 3}), Token({SourcePartition("t", 0): 5})
    >>> str(a.merge(b))
    't/0:5'
    >>> Token.parse("t/0:5") == b
    True
    """

    positions: Mapping[SourcePartition, int] = field(default_factory=dict[SourcePartition, int])

    def merge(self, other: Token) -> Token:
        """What reflects both: the greater position of each partition."""
        merged = dict(self.positions)
        for place, offset in other.positions.items():
            merged[place] = max(offset, merged.get(place, 0))
        return Token(merged)

    def reached_by(self, other: Mapping[SourcePartition, int]) -> bool:
        """Whether `other` has committed all of this, of the partitions that it names."""
        return all(other[place] >= at for place, at in self.positions.items() if place in other)

    def __str__(self) -> str:
        return ",".join(f"{place}:{at}" for place, at in sorted(self.positions.items()))

    @staticmethod
    def parse(text: str) -> Token:
        """The token that `str` wrote.

        Raises:
            DataError: for anything else.
        """
        positions: dict[SourcePartition, int] = {}
        for part in filter(None, text.split(",")):
            place, _, offset = part.rpartition(":")
            topic, _, partition = place.rpartition("/")
            if not (topic and _is_number(partition) and _is_number(offset)):
                raise DataError(
                    f"{part[:_SHOWN]!r} is no position of a token",
                    hint="a token is topic/partition:offset, comma-separated, as publish prints it; the offset is"
                    " that of the last record, plus 1",
                )
            positions[SourcePartition(topic, int(partition))] = int(offset)
        return Token(positions)


def _is_number(text: str) -> bool:
    """Whether it is one that a partition or an offset can be, of 64 bits."""
    return text.isdecimal() and len(text) <= _DIGITS
