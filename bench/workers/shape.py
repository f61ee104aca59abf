"""What all contestants do alike: the windows that they compute, what they stream, the entities that they fetch."""

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

# Of what is streamed: a column of the events, what is computed of it, hours; all windows end at AT_MS.
FOLDS = (
    ("x", "sum", 1),
    ("n", "count", 2),
    ("x", "average", 6),
    ("x", "sum", 12),
    ("n", "count", 24),
)
AT_MS = 19_676 * DAY

# Of the store that is fetched from, and how many requests only warm it up.
ENTITIES = 10_000
WARM = 500


def asked() -> list[int]:
    """The entities that contestants fetch, one a request; the first `WARM` warm up."""
    return random.Random(7).choices(range(ENTITIES), k=WARM + 5_000)


# Of features over HTTP: entities, connections of the client; the cores of the two that servers and contestants have.
SERVED = 1_000
CONNECTIONS = 16
SERVERS = 0
CONTESTANTS = 1


def served(many: int) -> list[int]:
    """The entities that are asked for over HTTP."""
    return random.Random(8).choices(range(SERVED), k=many)
