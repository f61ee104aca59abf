"""Where a store is: an address as settings have it, what of it is shown, what the client is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from catenary.errors import SettingsError

SCHEMES: Final = ("redis", "rediss")
_PREFIX: Final = "catenary"


@dataclass(frozen=True)
class Address:
    """Where a store is.

    Attributes:
        url: for the client, with the password.
        shown: for people, without.
        prefix: with which the names of all its keys begin.
        authority: file with the certificates of who vouches for the server's; empty for the system's.
    """

    url: str
    shown: str
    prefix: str
    authority: str = ""

    @staticmethod
    def parse(text: str) -> Address:
        """Read `redis://user:password@host:port/db?prefix=…`; `&ca=FILE` of `rediss://`.

        Raises:
            SettingsError: if it is no such address.
        """
        # A password may hold what ends a host, unless it is written as %2F and so on: nothing of it is shown.
        shown = f"{text.partition('://')[0]}://{text.rpartition('@')[2].rpartition('://')[2]}"
        try:
            parts = urlsplit(text)
            host = (parts.hostname or "").encode("idna")
            fits = bool(host) and int(parts.path.strip("/") or 0) >= 0 and parts.port != 0
        except ValueError:  # a UnicodeError among them, of a host that no name can be
            raise _no_address(shown) from None
        options = parse_qs(parts.query, keep_blank_values=True)
        prefix = options.pop("prefix", [_PREFIX])[-1]
        authority = options.pop("ca", [""])[-1] if parts.scheme == "rediss" else ""
        fits = fits and "@" not in f"{parts.path}{parts.query}{parts.fragment}"
        if parts.scheme not in SCHEMES or options or not prefix or not fits:
            raise _no_address(shown)
        if authority and not Path(authority).is_absolute():
            raise SettingsError(
                f"store={shown}: ca={authority} is no absolute path",
                hint="write the whole path: processes of several folders read the setting",
            )
        url = urlunsplit(parts._replace(query=""))
        return Address(url, shown.partition("?")[0], quote(prefix, safe=""), authority)


def _no_address(shown: str) -> SettingsError:
    return SettingsError(
        f"store={shown} is no address of a Redis server",
        hint="write redis://host:port/0, redis://user:password@host:port/0 (with %2F for a slash in the"
        " password, %40 for @), or rediss:// for TLS; ?prefix= keeps projects apart",
    )
