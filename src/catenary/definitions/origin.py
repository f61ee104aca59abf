"""Where a definition was written, for error messages; never a source of names."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

from catenary.errors import DefinitionError

_PACKAGE: Final = str(Path(__file__).resolve().parents[1])
_OURS: Final = tuple(f"{_PACKAGE}/{room}/" for room in ("definitions", "errors"))
_READ_FROM: Final[ContextVar[str | None]] = ContextVar("read_from", default=None)


@contextmanager
def placed(place: str) -> Generator[None]:
    """What is defined in here was written at `place`: in another file than the code that defines it."""
    token = _READ_FROM.set(place)
    try:
        yield
    finally:
        _READ_FROM.reset(token)


def written_at() -> str:
    """`file:line` of the innermost caller outside this room (and outside generated code).

    Within `placed` it is that place.
    """
    place = _READ_FROM.get()
    if place is not None:
        return place
    frame = sys._getframe(1)  # pyright: ignore[reportPrivateUsage] - the only way to a line
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith(_OURS) and not name.startswith("<string"):
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return "?"


def as_tuple(value: object, kind: type, *, what: str, where: str) -> tuple[object, ...]:
    """`value` as a tuple of `kind`; one bare value is a tuple of one.

    Raises:
        DefinitionError: if an element has another type.
    """
    if value is None:
        return ()
    if isinstance(value, kind):
        return (value,)
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        problem = (
            f"{what}={value!r} ({type(value).__name__}) is not {kind.__name__} or a list of them"
        )
        raise DefinitionError(problem, where=where)
    items: Iterable[object] = value  # pyright: ignore[reportAssignmentType] - has __iter__, see above
    found = tuple(items)
    for item in found:
        if not isinstance(item, kind):
            problem = f"{what} holds {item!r} ({type(item).__name__}), expected {kind.__name__}"
            raise DefinitionError(problem, where=where)
    return found
