"""Catenary: define a feature once, compute it point-in-time correctly, chain it to any depth.

Names are imported when they are first used, so that `import catenary` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from catenary.app.backfill import backfill, plan_of
    from catenary.app.live import Live
    from catenary.app.wiring import Project
    from catenary.definitions import (
        Accuracy,
        Aggregation,
        Derivation,
        EntitySource,
        EventSource,
        GroupBy,
        Join,
        JoinPart,
        JoinSource,
        MetaData,
        Operation,
        Query,
        TimeUnit,
        Window,
        load,
    )
    from catenary.expressions import register_function

__all__ = [
    "Accuracy",
    "Aggregation",
    "Derivation",
    "EntitySource",
    "EventSource",
    "GroupBy",
    "Join",
    "JoinPart",
    "JoinSource",
    "Live",
    "MetaData",
    "Operation",
    "Project",
    "Query",
    "TimeUnit",
    "Window",
    "backfill",
    "load",
    "plan_of",
    "register_function",
]

_ELSEWHERE: Final = {
    "Live": "catenary.app.live",
    "Project": "catenary.app.wiring",
    "backfill": "catenary.app.backfill",
    "plan_of": "catenary.app.backfill",
    "register_function": "catenary.expressions",
}


def __getattr__(name: str) -> object:
    """Import a public name from where it lives."""
    if name not in __all__:
        problem = f"module 'catenary' has no attribute {name!r}"
        raise AttributeError(problem)
    found = getattr(import_module(_ELSEWHERE.get(name, "catenary.definitions")), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
