"""What tells one user's function from another of the same name: the code that runs, as a hash.

    function ──► its code, defaults, what it closes over, what it uses of its module ──► 32 digits

A fingerprint holds it, so that a changed body is another feature (semantics 27). Not covered: names of
files and lines, comments, the docstring, names of local variables. What it uses of other modules is
known by name alone, and so is an object that is no plain value: there `version=` says what changed.

Held to account by: ``tests/unit/expressions/test_identity.py``.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date, time, timedelta
from decimal import Decimal
from functools import partial
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PLAIN: Final = (bool, int, float, complex, str, bytes, date, time, timedelta, Decimal)
_ALONE: Final = frozenset(map(type, (None, ..., NotImplemented)))


def identity_of(function: Callable[..., Any]) -> str:
    """32 hexadecimal digits, the same in every process that runs the same Python (3.x).

    Args:
        function: what was registered. Where it is no function but a callable object, its class stands
            for the code, and its attributes for the values.
    """
    bare = function
    while isinstance(bare, partial):
        bare = cast("Callable[..., Any]", bare.func)
    facts = _Reader(bare.__module__).value(function)
    return hashlib.blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()


class _Reader:
    """Turns values into lists of texts.

    Args:
        module: whose functions, classes and objects are read; those of others are known by name.
    """

    def __init__(self, module: str) -> None:
        self._module = module
        self._read: dict[int, int] = {}
        self._around: set[int] = set()

    def value(self, value: Any) -> object:
        """A value, whatever it is."""
        kind = type(value).__qualname__
        if isinstance(value, _PLAIN) or type(value) in _ALONE:
            return [kind, repr(value)]
        if isinstance(value, (FunctionType, type)) or type(value).__module__ == self._module:
            return self._once(value)
        if id(value) in self._around:  # a list that holds itself
            return ["around"]
        self._around.add(id(value))
        try:
            return self._holding(value, kind)
        finally:
            self._around.discard(id(value))

    def _once(self, value: Any) -> object:
        """A function, a class or an object: read where it is met first, as it may use itself."""
        if isinstance(value, (FunctionType, type)) and value.__module__ != self._module:
            return ["named", _name(value)]
        if id(value) in self._read:
            return ["read", self._read[id(value)]]
        self._read[id(value)] = len(self._read)
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return ["class", self._members(value)]
        return ["object", self.value(type(value)), self._members(value)]

    def _holding(self, value: Any, kind: str) -> object:
        """A value that holds others; by name if it is none that is known."""
        if isinstance(value, (list, tuple)):
            return [kind, *map(self.value, cast("list[object]", value))]
        if isinstance(value, (set, frozenset)):  # their order changes from process to process
            return [kind, *sorted(json.dumps(self.value(each)) for each in cast("set[Any]", value))]
        if isinstance(value, dict):
            return [kind, *map(self._pair, cast("dict[object, object]", value).items())]
        if isinstance(value, re.Pattern):
            found = cast("re.Pattern[Any]", value)
            return [kind, repr(found.pattern), found.flags]
        if isinstance(value, CodeType):
            return self._code(value, None)
        if isinstance(value, partial):
            found = cast("partial[Any]", value)
            return [kind, *map(self.value, (found.func, found.args, found.keywords))]
        return ["named", _name(value)]

    def _pair(self, pair: tuple[object, object]) -> list[object]:
        return [self.value(pair[0]), self.value(pair[1])]

    def _function(self, function: FunctionType) -> list[object]:
        """A function: its code, and the values that the code is run with."""
        closed: list[object] = []
        for cell in function.__closure__ or ():
            try:
                closed.append(self.value(cell.cell_contents))
            except ValueError:  # it is not filled yet
                closed.append("empty")
        return [
            "function",
            self._code(function.__code__, function.__doc__),
            self.value(function.__defaults__),
            self.value(function.__kwdefaults__),
            closed,
            [[name, self.value(found)] for name, found in _globals_of(function)],
        ]

    def _members(self, owner: object) -> list[object]:
        """The functions and values of a class, or an object's attributes; none of what Python adds."""
        held: Mapping[str, Any] = getattr(owner, "__dict__", {})
        return [
            [name, self.value(getattr(each, "__func__", each))]
            for name, each in sorted(held.items())
            if name in ("__init__", "__call__") or not name.startswith("__")
        ]

    def _code(self, code: CodeType, docstring: str | None) -> list[object]:
        """What is run; not where it was written."""
        constants = code.co_consts
        if docstring is not None and constants and constants[0] == docstring:
            constants = constants[1:]
        return [
            code.co_code.hex(),
            code.co_exceptiontable.hex(),
            [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount],
            list(code.co_names),
            list(map(self.value, constants)),
        ]


def _globals_of(function: FunctionType) -> list[tuple[str, Any]]:
    """What the function's code and the code inside it find in their module, by name."""
    names: set[str] = set()
    pending = [function.__code__]
    while pending:
        code = pending.pop()
        names |= set(code.co_names)
        pending += [each for each in code.co_consts if isinstance(each, CodeType)]
    held = function.__globals__
    return [(name, held[name]) for name in sorted(names & held.keys())]


def _name(value: object) -> str:
    """Where a value can be found, or what it is."""
    owner = value if hasattr(value, "__qualname__") else type(value)
    name: str = getattr(owner, "__qualname__")  # noqa: B009 - any object's
    return f"{getattr(owner, '__module__', '')}.{name}"
