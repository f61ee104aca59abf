"""What every verb says and how: lines for people, one object for programs, bars on a terminal."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from catenary.ports import Meter


def say(text: str) -> None:
    """A line, or lines, for people on stdout."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def emit(data: Mapping[str, object]) -> None:
    """One JSON object on a line of its own on stdout."""
    sys.stdout.write(json.dumps(data, ensure_ascii=False) + "\n")


def watched() -> AbstractContextManager[Meter]:
    """A meter for long work: a bar per table while stderr is a terminal, nothing elsewhere."""
    from catenary.demo.bars import bars

    return bars(sys.stderr)
