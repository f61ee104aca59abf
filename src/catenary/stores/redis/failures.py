"""What an error of the client library means: whether it passes, and what is to be done about it.

away (refused, cut off, loading, a replica now) ──► passes ──► UnreachableError, stages wait
hindered (a slot moves, another's script runs, too few replicas) ──► passes ──► UnreachableError
refused (memory, disk, password, …) ──► StorageError, stages end
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from catenary.errors import RunError, StorageError, UnreachableError

if TYPE_CHECKING:
    from catenary.stores.redis.address import Address

_RIGHTS: Final = "+@read +@write +@scripting +@pubsub +@connection +info +time +cluster|slots"
"""What a user of the server must be allowed to do."""
_HINDERED: Final = {
    "BUSY ": "another client's script has been running for long: SCRIPT KILL ends it",
    "NOREPLICAS ": "connect as many replicas as its min-replicas-to-write says",
}
"""What it says when it cannot do anything just now, for which the library has no classes; and what to do."""


class GoneError(StorageError):
    """A dataset is not the one any more that was opened."""


class LeaseOverError(UnreachableError):
    """A snapshot is not kept any more: its server was away meanwhile, or its reader was."""


def passes(failed: RunError) -> bool:
    """Whether the same call may be answered soon; a lease that has ended stays so."""
    return isinstance(failed, UnreachableError) and not isinstance(failed, LeaseOverError)


class Failures:
    """Says what the client library's errors mean.

    Args:
        errors: the library's.
        address: of the servers.
    """

    def __init__(self, errors: Any, address: Address) -> None:
        self._errors = errors
        self._address = address
        self._moving = (
            errors.AskError,  # and MovedError: sent on twice, by servers that do not agree yet
            errors.TryAgainError,
        )
        self._away = (
            errors.ClusterError,
            errors.ConnectionError,
            errors.TimeoutError,
            errors.ReadOnlyError,
            errors.RedisClusterException,
        )

    def of(self, error: Exception) -> RunError:
        """What to say of an error."""
        text = str(error)
        where = self._address.shown
        if hint := self._hindered(error, text):
            return UnreachableError(
                f"the store's server cannot answer now: {text}",
                where=where,
                hint=f"{hint}; stages go on by themselves then",
            )
        if isinstance(error, self._away) and not isinstance(
            error, self._errors.AuthenticationError
        ):
            return UnreachableError(
                f"the store's server cannot be reached: {text}",
                where=where,
                hint=self._reached_by(text),
            )
        if text.startswith("CATENARYGONE"):
            return GoneError(
                "a dataset is gone, or is another one than was opened: the server was emptied, or"
                " lost what it held",
                where=where,
                hint="upload again and start the stages anew; appendonly yes keeps rows on disk",
            )
        if text.startswith("CATENARYOVER"):
            return LeaseOverError(
                "a snapshot was not read for too long, or the server was restarted meanwhile",
                where=where,
                hint="read again",
            )
        return StorageError(
            f"the store's server refused: {text}", where=where, hint=self._refused(error, text)
        )

    def _hindered(self, error: Exception, text: str) -> str:
        """What to do about a server that is there and can do nothing just now; empty if it is not so."""
        if isinstance(error, self._moving):
            return "a slot of the cluster is on its way to another server: let the move end"
        return next((hint for begin, hint in _HINDERED.items() if text.startswith(begin)), "")

    def _reached_by(self, text: str) -> str:
        """What to do about a server that cannot be reached."""
        secured = self._address.shown.startswith("rediss:")
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return "name who vouches for the server's certificate: rediss://…?ca=/path/to/ca.pem"
        if secured and ("SSL" in text or "Timeout" in text):
            return "see that this port speaks TLS, as rediss:// says; else write redis://"
        if not secured and ("reset by peer" in text or "closed by server" in text):
            return "see that it runs; where this port speaks TLS, write rediss://"
        return "start it, or correct store= in catenary.toml; stages go on once it answers"

    def _refused(self, error: Exception, text: str) -> str:
        """What to do about a server that refuses."""
        if isinstance(error, self._errors.OutOfMemoryError):
            return "nothing was written; raise maxmemory, or remove datasets of old definitions"
        if isinstance(error, self._errors.AuthenticationError):
            return "write redis://user:password@host:port/0, with that user's password"
        if isinstance(error, self._errors.NoPermissionError):
            prefix = self._address.prefix
            return f"nothing was written; the user needs ~{prefix}:* &{prefix}:* {_RIGHTS}"
        if text.startswith("SELECT"):
            return "a cluster has database 0 alone: leave the number out of the address"
        if text.startswith("MISCONF"):
            return "nothing was written; its disk refuses: make room for its snapshots"
        return "nothing was written; the server's log says more"
