"""How randomised tests run: the same on every machine, as many examples as asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from catenary.expressions.udf import USER_FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

# Timing varies with the machine's load and says nothing about a law, so there is no deadline; cases
# are large by design. `print_blob` prints what reproduces a failure.
settings.register_profile(
    "catenary",
    max_examples=int(os.environ.get("CATENARY_TEST_EXAMPLES", "200")),
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("catenary")

# Written for another library, which is not installed here.
collect_ignore_glob = ["golden/chronon/repo/*"]


@pytest.fixture(autouse=True)
def _forgotten_functions() -> Iterator[None]:
    """A test's user functions end with it: stages would import its module in their own processes."""
    known = USER_FUNCTIONS.copy()
    yield
    USER_FUNCTIONS.clear()
    USER_FUNCTIONS.update(known)
