"""What an answer says of itself: one bit per status, united by OR on the way from row to read.

    row ──► tile ──► read ──► row of the child ──► …

Only a doubt is inherited: a value that is unknown, out of range or not yet ripe is so in the backfill,
too. (runtime, fetch; protocol 16)
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

OK: Final = 0
MISSING: Final = 1 << 0
IMMATURE: Final = 1 << 1
OVERFLOW: Final = 1 << 2
SHIFTED: Final = 1 << 3
LATE_PARENT: Final = 1 << 4
SET_ASIDE: Final = 1 << 5
STALE_BATCH: Final = 1 << 6
AS_OF_TILE: Final = 1 << 7
MISSING_UPLOAD: Final = 1 << 8
BEFORE_RETENTION: Final = 1 << 9
ERROR: Final = 1 << 10

NAMES: Final = {
    MISSING: "missing",
    IMMATURE: "immature",
    OVERFLOW: "overflow",
    SHIFTED: "shifted",
    LATE_PARENT: "late_parent",
    SET_ASIDE: "set_aside",
    STALE_BATCH: "stale_batch",
    AS_OF_TILE: "as_of_tile",
    MISSING_UPLOAD: "missing_upload",
    BEFORE_RETENTION: "before_retention",
    ERROR: "error",
}
"""Bit to name, from the mildest to the worst."""

SURE: Final = MISSING | IMMATURE | OVERFLOW
"""Statuses with which a value is what the backfill has."""

INHERITED: Final = sum(NAMES) & ~SURE & ~ERROR
"""What passes from a read into the row that was enriched with it; one without an answer is set aside."""


@lru_cache(maxsize=4096)
def worst(bits: int) -> str:
    """The name that stands for all of them.

    >>> worst(0), worst(MISSING | AS_OF_TILE)
    ('ok', 'as_of_tile')
    """
    return NAMES[1 << bits.bit_length() - 1] if bits else "ok"


@lru_cache(maxsize=4096)
def listed(bits: int) -> tuple[str, ...]:
    """All names, the worst first; empty when all is well.

    >>> listed(MISSING | AS_OF_TILE)
    ('as_of_tile', 'missing')
    """
    return tuple(name for bit, name in reversed(NAMES.items()) if bits & bit)
