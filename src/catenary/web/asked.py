"""What a request asks beside its rows: as of when, by which token, for how long, in which form.

Each is given in the query or, by another name, in a header; the query wins.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from catenary.app.requests import among
from catenary.errors import CatenaryError, nearest
from catenary.web.refusals import RefusedError
from catenary.windows import parse_instant

if TYPE_CHECKING:
    from collections.abc import Collection

    from catenary.ports import Token

ARROW: Final = "application/vnd.apache.arrow.stream"
JSON: Final = "application/json"
_UNTOLD: Final = "application/x-www-form-urlencoded"
"""What `curl -d` and urllib say of a body of which they were told nothing."""
LONGEST_S: Final = 86_400
HEADERS: Final = {
    "at": b"catenary-at",
    "min_token": b"catenary-min-token",
    "timeout": b"catenary-timeout",
}
_IN_HEADERS: Final = frozenset(HEADERS.values())


class Headers(dict[bytes, bytes]):
    """A request's headers, by their names in small letters."""

    def text(self, name: bytes) -> str | None:
        """A header's value; None if it is not there."""
        value = self.get(name)
        return None if value is None else value.decode("latin-1")


@dataclass(frozen=True)
class Wishes:
    """What was asked.

    Attributes:
        at_ms: as of when; None for now.
        min_token: what the answer must reflect.
        timeout_s: how long that may take; None for as long as a request may.
    """

    at_ms: int | None = None
    min_token: Token | None = None
    timeout_s: float | None = None


NOTHING: Final = Wishes()


def wishes(query: bytes, headers: Headers, topics: frozenset[str]) -> Wishes:
    """What the query and the headers ask.

    Raises:
        RefusedError: 400, for a name that is unknown or given twice, or a value that does not fit.
    """
    found = NOTHING
    if not _IN_HEADERS.isdisjoint(headers):
        for name, header in HEADERS.items():
            value = headers.text(header)
            if value is not None:
                found = _with(found, name, value, topics)
    if not query:
        return found
    asked = _of_query(query, topics)
    if found is NOTHING:
        return asked
    return Wishes(
        found.at_ms if asked.at_ms is None else asked.at_ms,
        found.min_token if asked.min_token is None else asked.min_token,
        found.timeout_s if asked.timeout_s is None else asked.timeout_s,
    )


@lru_cache(maxsize=1024)
def _of_query(query: bytes, topics: frozenset[str]) -> Wishes:
    """What a query asks; clients ask the same again and again."""
    found = NOTHING
    given: set[str] = set()
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name not in HEADERS:
            raise _wrong(f"there is no {name!r}", "query", nearest(name, HEADERS))
        if name in given:
            raise _wrong(f"{name!r} is given twice", "query", "give it once")
        given.add(name)
        found = _with(found, name, value, topics)
    return found


def _with(before: Wishes, name: str, text: str, topics: Collection[str]) -> Wishes:
    if name == "at":
        return replace(before, at_ms=_instant(text))
    if name == "min_token":
        return replace(before, min_token=_token(text, topics))
    return replace(before, timeout_s=_seconds(text))


def is_arrow(content_type: str | None) -> bool:
    """Whether a body holds Arrow data rather than JSON.

    Raises:
        RefusedError: 415, if it holds neither.
    """
    if content_type is None or content_type == JSON:
        return False
    kind = content_type.partition(";")[0].strip().lower()
    if kind in (JSON, _UNTOLD, ""):
        return False
    if kind == ARROW:
        return True
    raise RefusedError(
        415,
        f"a body of {kind!r} is not read",
        where="header Content-Type",
        hint=f"send {JSON}, a list of key objects, or {ARROW}, a table of keys",
    )


def wants_arrow(accept: str | None, given: bool) -> bool:
    """Whether the answer is to be Arrow data: as accepted, else in the form of the request."""
    if accept is None:
        return given
    kinds = [each.partition(";")[0].strip().lower() for each in accept.split(",")]
    if ARROW in kinds:
        return True
    return given and JSON not in kinds


def _instant(text: str) -> int:
    try:
        return parse_instant(text)
    except CatenaryError as error:
        raise _wrong(f"at: {error.problem}", "at", error.hint) from None


def _token(text: str, topics: Collection[str]) -> Token:
    try:
        return among(topics, text)
    except CatenaryError as error:
        raise _wrong(f"min_token: {error.problem}", "min_token", error.hint) from None


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= LONGEST_S:
        raise _wrong(f"timeout={text!r} is no number of seconds", "timeout", "write 0.5 or 10")
    return found


def _wrong(problem: str, where: str, hint: str | None) -> RefusedError:
    return RefusedError(400, problem, where=where, hint=hint)
