"""The windows that all contestants compute: (name, length, hop), in milliseconds; None for all time."""

HOUR = 3_600_000
DAY = 24 * HOUR
WINDOWS = (
    ("1h", HOUR, 300_000),
    ("1d", DAY, HOUR),
    ("7d", 7 * DAY, HOUR),
    ("30d", 30 * DAY, DAY),
    ("all", None, None),
)
