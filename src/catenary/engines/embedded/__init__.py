"""The embedded engine: one process, nothing but Python.

    plan ──► lower (which days) ──► run (step by step) ──► scan ─► parts ─► kernel ─► tables

Read next: ``engine.py``, then ``run.py``.
Held to account by: ``tests/engine/embedded`` and the oracle in ``tests/property``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catenary.engines.embedded.engine import EmbeddedEngine

__all__ = ["EmbeddedEngine"]


def __getattr__(name: str) -> object:
    # Planning asks `lower` for days and needs no engine: it is imported when it is first used.
    if name != "EmbeddedEngine":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from catenary.engines.embedded.engine import EmbeddedEngine

    return EmbeddedEngine
