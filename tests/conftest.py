"""How randomised tests run: the same on every machine, as many examples as asked for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from catenary.expressions.udf import USER_FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from catenary.testing.services.kafka import KafkaBroker

_ROOT = Path(__file__).resolve().parents[1]

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


@pytest.fixture(scope="session")
def kafka_jars() -> Path:
    """The folder with a broker's jars, fetched if they are not there."""
    subprocess.run([_ROOT / "scripts" / "kafka.sh"], check=True, timeout=600)
    return _ROOT / "build" / "kafka"


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, kafka_jars: Path) -> Iterator[KafkaBroker]:
    """A real broker, shared by the tests of a session; whoever harms one starts one of its own."""
    from catenary.testing.services.kafka import KafkaBroker

    with KafkaBroker(tmp_path_factory.mktemp("kafka"), kafka_jars) as broker:
        yield broker
