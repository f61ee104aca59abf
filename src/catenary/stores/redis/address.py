"""Where a store is: an address as settings have it, what of it is shown, what the client is given."""

from __future__ import annotations

import re
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
        urls: for the client, one for each host, with the password.
        shown: for people, all in one, without.
        prefix: with which the names of all its keys begin.
        authority: file with the certificates of who vouches for the server's; empty for the system's.
    """

    urls: tuple[str, ...]
    shown: str
    prefix: str
    authority: str = ""

    @staticmethod
    def parse(text: str) -> Address:
        """Read `redis://user:password@host:port,host:port/db?prefix=…`; `&ca=FILE` of `rediss://`.

        Raises:
            SettingsError: if it is no such address.
        """
        # A password may hold what ends a host, unless it is written as %2F and so on: nothing of it is shown.
        shown = f"{text.partition('://')[0]}://{text.rpartition('@')[2].rpartition('://')[2]}"
        try:
            urls = [urlsplit(each) for each in _each(text)]
            hosts = [(each.hostname or "").encode("idna") for each in urls]
            fits = all(hosts) and all(each.port != 0 for each in urls)
            parts = urls[0]
            fits = fits and int(parts.path.strip("/") or 0) >= 0
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
        bare = tuple(urlunsplit(each._replace(query="")) for each in urls)
        return Address(bare, shown.partition("?")[0], quote(prefix, safe=""), authority)


def _each(text: str) -> list[str]:
    """An address for each host that one names.

    >>> _each("redis://me:pass,word@a:7000,b/0?prefix=p")
    ['redis://me:pass,word@a:7000/0?prefix=p', 'redis://me:pass,word@b/0?prefix=p']
    """
    scheme, _, rest = text.partition("://")
    servers = re.split("[/?#]", rest, maxsplit=1)[0]
    user, at, hosts = servers.rpartition("@")
    begin, end = f"{scheme}://{user}{at}", rest[len(servers) :]
    return [f"{begin}{host}{end}" for host in hosts.split(",")]


def _no_address(shown: str) -> SettingsError:
    return SettingsError(
        f"store={shown} is no address of a Redis server",
        hint="write redis://host:port/0, redis://user:password@host:port/0 (with %2F for a slash in the"
        " password, %40 for @), or rediss:// for TLS; commas part several hosts; ?prefix= keeps projects"
        " apart",
    )
