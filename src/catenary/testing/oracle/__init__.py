"""The slow, obvious computation of every feature, to which the real one is held.

    tables ──► scan ──► rows ──► fold (per key, read time, window) ──► join ──► derive
                ▲                                                               │
                └───────────────────────── a chain ◄────────────────────────────┘

Plain loops over all rows, written from `docs/semantics.md` alone, in exact arithmetic (`int` and
`Fraction`). It shares nothing with the engine: not its windows, not its kernel, not its plan. Only
the expression language is the same, by way of one row at a time; what that language means is held
to Spark's own answers elsewhere.

Held to account by: ``tests/unit/testing`` (hand-computed cases, and what it must not import).
"""

from catenary.testing.oracle.answers import Oracle

__all__ = ["Oracle"]
