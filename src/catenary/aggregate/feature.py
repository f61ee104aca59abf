"""One output column of the kernel: an input column, an operation, a window, perhaps a bucket."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Feature:
    """What the kernel computes for every query row.

    Attributes:
        name: the output column.
        operation: the operation's name in the registry.
        input: the events' column that is folded.
        window_ms: length of the window; None for all of the past.
        hop_ms: what the window's start is floored to; None without a window.
        bucket: the events' column by whose values the result is a map; None for none.
        k: the operation's `k`, where it takes one.
        sample: the sample form of VARIANCE and STDDEV.
        default: stands in where no non-null input was seen for a non-null key (semantics 10).
    """

    name: str
    operation: str
    input: str
    window_ms: int | None = None
    hop_ms: int | None = None
    bucket: str | None = None
    k: int | None = None
    sample: bool = False
    default: object = None
