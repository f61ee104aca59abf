"""The embedded engine: one process, nothing but Python.

    plan ──► lower (which days) ──► run (step by step) ──► scan ─► parts ─► kernel ─► tables

Read next: ``engine.py``, then ``run.py``.
Held to account by: ``tests/engine/embedded`` and the oracle in ``tests/property``.
"""

from catenary.engines.embedded.engine import EmbeddedEngine

__all__ = ["EmbeddedEngine"]
