"""What the engine's tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.engine.embedded.shop import Shop, open_shop

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return open_shop(tmp_path / "shop")
