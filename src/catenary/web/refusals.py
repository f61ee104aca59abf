"""What a request is refused with: a status, and what was wrong, where, and how to mend it.

    {"errors": ["…"], "error": {"kind": …, "problem": …, "where": …, "hint": …}}

`errors` is what Chronon's service answers; `error` has the same in parts.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from catenary.errors import CatenaryError, DataError, NotYetError, RunError, UnreadableError

Fields = tuple[tuple[bytes, bytes], ...]
JSON: Final = ((b"content-type", b"application/json"),)


class Reply(NamedTuple):
    """An answer as it is sent: status, headers (names in small letters) and body."""

    status: int
    headers: Fields
    body: bytes

    def head(self) -> Fields:
        """All headers that say what the body is."""
        return (*self.headers, (b"content-length", b"%d" % len(self.body)))


class RefusedError(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        problem, where, hint: as in `CatenaryError`.
        kind: the kind of error, for programs.
        headers: that go with the status.
    """

    def __init__(
        self,
        status: int,
        problem: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        kind: str = "RequestError",
        headers: Fields = (),
    ) -> None:
        super().__init__(problem)
        self.status = status
        self._headers = headers
        self._parts = {"kind": kind, "problem": problem, "where": where, "hint": hint}

    def reply(self) -> Reply:
        """What is sent."""
        return Reply(self.status, (*JSON, *self._headers), self._body())

    def _body(self) -> bytes:
        text = "; ".join(str(each) for each in list(self._parts.values())[1:] if each)
        return msgspec.json.encode({"errors": [text], "error": self._parts})


def refusal_of(error: Exception) -> RefusedError:
    """The refusal that says what an error says; one that nobody expected is the service's mistake."""
    if isinstance(error, RefusedError):
        return error
    if not isinstance(error, CatenaryError):
        problem = "the service made a mistake; its log says more"
        return RefusedError(500, problem, kind="InternalError")
    return RefusedError(
        _status(error),
        error.problem,
        where=error.where,
        hint=error.hint,
        kind=type(error).__name__,
    )


def _status(error: CatenaryError) -> int:
    if isinstance(error, NotYetError):
        return 504
    if isinstance(error, RunError):
        return 503
    return 422 if isinstance(error, DataError) and not isinstance(error, UnreadableError) else 500
