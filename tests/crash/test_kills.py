"""A stage may be killed at any moment: the next copy goes on, and nothing is lost, doubled or wrong.

`CATENARY_TEST_KILLS` says how many kills; each phase of a micro-batch gets its share of them.
"""

from __future__ import annotations

import os

import pytest
from tests.crash.claims import NothingIsLost
from tests.crash.killing import Toll, killed

KILLS = int(os.environ.get("CATENARY_TEST_KILLS", "200"))

pytestmark = pytest.mark.crash


@pytest.fixture(scope="module")
def kills() -> int:
    return KILLS


@pytest.fixture(scope="module")
def toll(tmp_path_factory: pytest.TempPathFactory, kills: int) -> Toll:
    """All worlds, and what became of them."""
    return killed(kills, lambda: tmp_path_factory.mktemp("world"))


class TestStagesOfThisMachine(NothingIsLost):
    """Over an embedded log and LMDB."""
