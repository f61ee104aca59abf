"""Time as pure arithmetic: instants, `ds` partitions, window lengths and hops.

An instant is an `int`, milliseconds since the Unix epoch, UTC. All intervals are half-open.
Nothing here reads a clock. (semantics 1, 2 and 4)
"""

from catenary.windows.instants import (
    DAY_MS,
    FIRST_MS,
    HOUR_MS,
    LAST_MS,
    LIKELY_MS,
    MINUTE_MS,
    SECOND_MS,
    UNLIKELY_MS,
    ds_of,
    ds_range,
    ds_start_ms,
    floor_ms,
    format_instant,
    parse_instant,
    shift_ds,
    unlikely,
)
from catenary.windows.spans import (
    default_hop_ms,
    format_length,
    parse_length,
    window_start_ms,
)

__all__ = [
    "DAY_MS",
    "FIRST_MS",
    "HOUR_MS",
    "LAST_MS",
    "LIKELY_MS",
    "MINUTE_MS",
    "SECOND_MS",
    "UNLIKELY_MS",
    "default_hop_ms",
    "ds_of",
    "ds_range",
    "ds_start_ms",
    "floor_ms",
    "format_instant",
    "format_length",
    "parse_instant",
    "parse_length",
    "shift_ds",
    "unlikely",
    "window_start_ms",
]
