"""Values that the laws of operations draw; each bound with its reason.

Narrowing a bound is a decision, not a fix: whoever does it says here why the product need not hold
beyond it.
"""

from __future__ import annotations

import math
import os
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st

from catenary.aggregate import registry
from catenary.aggregate.feature import Feature
from catenary.schema import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    STRING,
    TIMESTAMP,
    Type,
)

if TYPE_CHECKING:
    from catenary.aggregate.operations.base import Operation

Event = tuple[int, Any]
"""(ts, value)."""

# Few by default, so that all laws together take seconds; a long night sets thousands.
LAWS = settings(max_examples=int(os.environ.get("CATENARY_TEST_EXAMPLES", "20")), deadline=None)

# A handful of events meets every tie, cut and cancellation; more would only shrink more slowly.
EVENTS_MAX = 8
# More than a few winners is never out of reach of EVENTS_MAX; 1 is the smallest list there is.
K = st.integers(1, 4)
# A few instants, so that equal times are common; before 1970 too, where division rounds otherwise.
TIMES = st.integers(-3, 3) | st.sampled_from([-(2**53), 2**53])

# Powers of two that absorb one another, the ends of the range, subnormals, values whose sums
# overflow midway, both zeros and all that is not finite; then any double at all.
_DOUBLES = [
    0.0, -0.0, 1.0, -1.0, 0.1, -0.3, 2.0**-53, 2.0**-1000, 1e16, -1e16, 1e308, -1e308,
    1.7976931348623157e308, 5e-324, -5e-324, 2.2250738585072014e-308,
    math.inf, -math.inf, math.nan,
]  # fmt: skip
# The ends of 64 bits, so that sums leave them and come back; the first integer no double holds.
_INTEGERS = [0, 1, -1, 7, 2**53 + 1, 2**62, 2**63 - 1, -(2**63)]
# The last two order one way by UTF-8 bytes and the other by UTF-16 units.
_TEXTS = ["", "a", "ab", "B", "é", "a\0", "\ufffd", "\U0001f600"]

VALUES: dict[Type, st.SearchStrategy[Any]] = {
    BIGINT: st.sampled_from(_INTEGERS) | st.integers(-100, 100) | st.integers(-(2**63), 2**63 - 1),
    DOUBLE: st.sampled_from(_DOUBLES) | st.floats(),
    FLOAT: st.floats(width=32),
    # No lone surrogates: UTF-8, and so Arrow, cannot hold them.
    STRING: st.sampled_from(_TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    BOOLEAN: st.booleans(),
    BINARY: st.binary(max_size=3),
    # Python's own range, years 1 to 9999, which is Spark's too.
    DATE: st.sampled_from([date.min, date.max, date(1970, 1, 1)]) | st.dates(),
    # UTC repeats no hour: `fold` says nothing about an instant, and Arrow does not hold it.
    TIMESTAMP: st.sampled_from([datetime(1970, 1, 1, tzinfo=UTC)])
    | st.datetimes(timezones=st.just(UTC)).map(lambda instant: instant.replace(fold=0)),
}


def types_of(operation: Operation[Any]) -> list[Type]:
    """The drawn types that the operation takes."""
    return [each for each in VALUES if each.name in operation.inputs.names]


def events_of(type_: Type) -> st.SearchStrategy[list[Event]]:
    """Events in the order in which they arrive; one in ten is null."""
    values = VALUES[type_]
    return st.lists(st.tuples(TIMES, st.one_of(*[values] * 9, st.none())), max_size=EVENTS_MAX)


@st.composite
def features(draw: st.DrawFn, name: str) -> Feature:
    """A feature of the named operation, with what parameters it takes."""
    operation = registry.operation(name)
    k = draw(K if operation.needs_k else st.none() | K) if operation.takes_k else None
    sample = operation.takes_sample and draw(st.booleans())
    return Feature("f", name, "x", k=k, sample=sample)
