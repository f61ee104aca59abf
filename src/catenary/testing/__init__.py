"""For tests of definitions: rows stated inline, features asserted, no files, in milliseconds.

    events(...) / entities(...) ──► features / read ──► rows to assert on
                                ──► check ──► the same rows, held to the oracle

`features` and `read` run the embedded engine over tables in memory. `check` does so too and
compares every value with `catenary.testing.oracle`, which computes them in plain loops.
"""

from catenary.testing.answers import features, read
from catenary.testing.builders import entities, events
from catenary.testing.checks import check, differences
from catenary.testing.rows import Rows

__all__ = ["Rows", "check", "differences", "entities", "events", "features", "read"]
