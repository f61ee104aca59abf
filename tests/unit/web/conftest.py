"""Two servers over one project, started when they are first asked for: one as it comes, one with keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.unit.web.serving import KEYS, sample, served

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.unit.web.serving import Served


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def server(project: Path) -> Generator[Served]:
    with served(project, "--time-limit-ms", "4000") as found:
        yield found


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """Two workers, keys, narrow limits, and a log of all requests."""
    project = sample(tmp_path_factory.mktemp("guarded"))
    with (project / "catenary.toml").open("a") as settings:
        settings.write(
            'body_limit = "64KB"\nbatch_limit = 50\ntime_limit_ms = 3000\n'
            'request_log = "shop/requests"\nsample_percent = 100\n'
        )
        settings.write(KEYS)
    with served(project, "--workers", "2", "--log-format", "json", CLIENT_KEY="secret-b") as found:
        yield found
