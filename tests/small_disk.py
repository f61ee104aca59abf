"""A file system that is really full soon: what the tests of full disks write to."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def small_disk(parent: Path, size: str, *, lazily: bool = False) -> Iterator[Path]:
    """A folder of `parent` with so much space, such as `256k`; it takes root to mount one.

    Args:
        lazily: unmount although files are open there still.
    """
    folder = parent / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    asked = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    ended = subprocess.run(asked, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        pytest.skip(f"no file system could be mounted: {ended.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", *(["-l"] if lazily else []), str(folder)], check=True)
