"""Names of columns in a plan: what is reserved, and how a joined column is called (semantics 18)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from catenary.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterable

RESERVED: Final = frozenset({"ts", "ds"})
"""Columns that every row has: its instant in milliseconds, and its partition."""

_FOREIGN: Final = re.compile(r"[^A-Za-z0-9_]")


def joined_name(prefix: str | None, group_by: str, column: str) -> str:
    """The Join's column for a part's column.

    >>> joined_name(None, "feats.user_clicks", "amount_sum_7d")
    'feats_user_clicks_amount_sum_7d'
    >>> joined_name("seller", "user", "age")
    'seller_user_age'
    """
    text = f"{group_by}_{column}" if prefix is None else f"{prefix}_{group_by}_{column}"
    return _FOREIGN.sub("_", text)


def quoted(name: str) -> str:
    """A column's name as an expression, also where it is a word of SQL or holds odd characters.

    >>> quoted("order")
    '`order`'
    """
    return "`" + name.replace("`", "``") + "`"


def refuse_repeated(names: Iterable[str], *, where: str, what: str, hint: str) -> None:
    """Refuse two columns of one name (semantics 16).

    Raises:
        DefinitionError: naming the first that comes twice.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            problem = f"{what} would have two columns {name!r}"
            raise DefinitionError(problem, where=where, hint=hint)
        seen.add(name)
