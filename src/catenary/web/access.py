"""Who may ask for what: bearer keys, known by their digests only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catenary.app.api_keys import digest
from catenary.web.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from catenary.app.api_keys import ApiKey

_SCHEME: Final = "bearer "
_ASK: Final = ((b"www-authenticate", b"Bearer"),)


class Access:
    """The keys that are known.

    Args:
        keys: of the settings.
        environment: where those are that the settings only name.

    Raises:
        SettingsError: if the environment lacks one.
    """

    def __init__(self, keys: Iterable[ApiKey], environment: Mapping[str, str]) -> None:
        self._keys = {key.digest(environment): key for key in keys}

    def check(self, authorization: str | None, definition: str | None = None) -> ApiKey:
        """Let a request pass, for a definition if one is named.

        Keys are compared by looking their digest up, which takes no longer for one that is nearly right.

        Raises:
            RefusedError: 401 without a key that is known, 403 if it is not for this definition.
        """
        given = authorization or ""
        if given[: len(_SCHEME)].lower() != _SCHEME:
            raise RefusedError(
                401,
                "the request has no API key",
                where="header Authorization",
                hint="send Authorization: Bearer KEY",
                headers=_ASK,
            )
        key = self._known(given[len(_SCHEME) :].strip(" \t"))
        if key is None:
            raise RefusedError(
                401, "the API key is not known", where="header Authorization", headers=_ASK
            )
        if definition is not None and not allows(key, definition):
            raise RefusedError(
                403,
                f"the API key of {key.name!r} is not for {definition!r}",
                hint="it is for those that GET /v1/joins and /v1/groupbys list",
            )
        return key

    def _known(self, secret: str) -> ApiKey | None:
        """The key, whose signs beyond ASCII are sent as Latin-1 by some clients, as UTF-8 by others.

        Args:
            secret: its bytes, as Latin-1.
        """
        key = self._keys.get(digest(secret.encode("latin-1")))
        return self._keys.get(digest(secret.encode())) if key is None else key


def allows(key: ApiKey | None, definition: str) -> bool:
    """Whether a key, or no key where none are asked for, is for a definition."""
    return key is None or key.definitions is None or definition in key.definitions
