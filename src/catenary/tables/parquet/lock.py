"""One writer per table: a lock that the kernel releases when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from catenary.errors import BusyError
from catenary.tables.parquet.layout import refused

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def exclusive(path: Path, *, table: str) -> Generator[None]:
    """Hold the lock file `path` meanwhile; it stays in place, since removing it would race.

    Raises:
        BusyError: at once, if another run holds it.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise refused(error, path) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode().strip() or "unknown"
            problem = f"another run is writing table {table!r}: process {holder}"
            hint = "wait for it to end; a second run then computes only what is missing"
            raise BusyError(problem, where=str(path), hint=hint) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
