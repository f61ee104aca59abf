"""Programs of the compiled loops, as they are made: ops beside each other, and what they point to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from catenary.errors import DefinitionError

MOST_OPS: Final = 100_000


@dataclass
class Program:
    """What a loop runs.

    Attributes:
        of: what is unfolded, for people.
        width: how many numbers an op has.
        ops: so many numbers each.
        paths: the field that each is of, for people.
        constants: what ops point to.
    """

    of: str
    width: int
    ops: list[list[int]] = field(default_factory=list[list[int]])
    paths: list[str] = field(default_factory=list[str])
    constants: bytearray = field(default_factory=bytearray)

    def slots(self, many: int, path: str) -> int:
        """Room for ops beside each other.

        Raises:
            DefinitionError: if there are too many.
        """
        first = len(self.ops)
        if first + many > MOST_OPS:
            raise DefinitionError(f"{self.of} unfolds to more than {MOST_OPS} types")
        self.ops.extend([0] * self.width for _ in range(many))
        self.paths.extend([path] * many)
        return first

    def keep(self, data: bytes) -> int:
        """Where constants stand from now on."""
        self.constants += data
        return len(self.constants) - len(data)
