"""What all contestants do alike: the windows that they compute, and the entities that they fetch."""

import random

HOUR = 3_600_000
DAY = 24 * HOUR
# Name, length, hop, in milliseconds; None for all time.
WINDOWS = (
    ("1h", HOUR, 300_000),
    ("1d", DAY, HOUR),
    ("7d", 7 * DAY, HOUR),
    ("30d", 30 * DAY, DAY),
    ("all", None, None),
)

# Of the store that is fetched from, and how many requests only warm it up.
ENTITIES = 10_000
WARM = 500


def asked() -> list[int]:
    """The entities that contestants fetch, one a request; the first `WARM` warm up."""
    return random.Random(7).choices(range(ENTITIES), k=WARM + 5_000)
