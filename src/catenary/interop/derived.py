"""Derivations: there, an expression reads base columns only; here, the nearest earlier derivation.

So those that read a column go before the one that replaces it, which gives the same values; where each
of two replaces what the other reads, no order does.

Held to account by: ``tests/unit/interop/test_compiled.py``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from catenary.definitions import Derivation
from catenary.definitions.origin import placed
from catenary.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catenary.interop.thrift import Struct

_QUOTED: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_WORD: Final = re.compile(r"[A-Za-z_]\w*")


def derivations(owner: Struct) -> list[Derivation]:
    """The derivations of a GroupBy or a Join, in an order in which they mean what they meant.

    Raises:
        DefinitionError: for what is malformed.
        UnsupportedError: if no order gives the same values.
    """
    left = [_derivation(each) for each in owner.structs("derivations", "Derivation")]
    found: list[Derivation] = []
    while left:
        free = [each for each in left if not _readers(each, left)]
        if not free:
            names = " and ".join(repr(each.name) for each in left)
            raise UnsupportedError(
                f"derivations {names} each replace a column that another of them reads",
                where=owner.place("derivations"),
                hint="give them names of their own",
            )
        found.append(free[0])
        left.remove(free[0])
    return found


def read_names(derivations: Iterable[Derivation]) -> set[str]:
    """All words of their expressions that may be columns, in lower case."""
    return {word for each in derivations for word in _words(each.expression)}


def _derivation(given: Struct) -> Derivation:
    name = given.text("name") or given.lacks("name")
    expression = given.text("expression") or given.lacks("expression")
    about = given.struct("metaData", "MetaData")
    text = (about.text("description") if about is not None else None) or ""
    with placed(given.place()):
        return Derivation(name, expression, description=text)


def _readers(each: Derivation, left: list[Derivation]) -> bool:
    """Whether another of them reads the column that this one replaces."""
    if each.name == "*" or each.name == each.expression.strip():
        return False
    return any(one is not each and each.name.lower() in _words(one.expression) for one in left)


def _words(expression: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(_QUOTED.sub("''", expression))}
