"""What mends a mistake of Python in a file of definitions: the nearest name, keyword or operation.

Held to account by: ``tests/unit/definitions/test_load.py``.
"""

from __future__ import annotations

import re
import sys
from inspect import signature
from typing import TYPE_CHECKING

from catenary.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PUBLIC = __name__.partition(".")[0]
_IMPORTED = re.compile(r"cannot import name '(\w+)' from '([\w.]+)'")
_KEYWORD = re.compile(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'")


def mending(error: Exception, scope: Mapping[str, object]) -> str | None:
    """A hint for an error that executing a file raised; None if nothing is known of it.

    Args:
        error: what was raised.
        scope: the names that the file had defined by then.
    """
    if isinstance(error, SyntaxError):
        return None if error.text is None else f"mend this line: {error.text.strip()}"
    if isinstance(error, ModuleNotFoundError):
        return f"install {error.name}, or put it beside the definitions"
    if isinstance(error, ImportError):
        found = _IMPORTED.search(str(error))
        return None if found is None else nearest(found[1], _names_of(sys.modules.get(found[2])))
    if isinstance(error, NameError) and error.name is not None:
        public = _names_of(sys.modules[_PUBLIC])
        if error.name in public:
            return f"write: from {_PUBLIC} import {error.name}"
        return nearest(error.name, [*_shown(scope), *public])
    if isinstance(error, AttributeError) and error.name is not None:
        return _attribute(error.name, error.obj)
    found = _KEYWORD.search(str(error)) if isinstance(error, TypeError) else None
    called = None if found is None else scope.get(found[1])
    if found is None or not callable(called):
        return None
    return nearest(found[2], [each for each in signature(called).parameters if each != "self"])


def _attribute(name: str, thing: object) -> str:
    """The nearest of what the object has; a constant, such as an operation, among constants only."""
    known = _names_of(thing)
    alike = [each for each in known if each.isupper() == name.isupper()]
    hint = nearest(name, alike or known)
    return hint if hint.startswith("known") else f"{hint} known: {', '.join(alike or known)}"


def _names_of(thing: object) -> list[str]:
    return _shown(getattr(thing, "__all__", None) or dir(thing))


def _shown(names: Iterable[str]) -> list[str]:
    return sorted(each for each in names if not each.startswith("_"))
