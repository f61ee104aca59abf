"""API keys as a project's settings name them: who may ask, and for which definitions.

    [api_keys.scorer]                      in catenary.toml
    sha256 = "9f86d0…"                     the key's digest; or env = "SCORER_KEY", where the key is
    definitions = ["return_risk"]          its scope; all of them without

A key itself is never in the file, in a log or in an error.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from catenary.errors import SettingsError, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

TABLE: Final = "api_keys"
_FIELDS: Final = ("sha256", "env", "definitions")


@dataclass(frozen=True)
class ApiKey:
    """One client's key.

    Attributes:
        name: the client's, for people.
        sha256: the key's digest, 64 hexadecimal digits; empty where the key is in the environment.
        env: the variable that holds the key; empty where the digest is given.
        definitions: the Joins and GroupBys that it may ask for; None for all.
    """

    name: str
    sha256: str = ""
    env: str = ""
    definitions: frozenset[str] | None = None

    def digest(self, environment: Mapping[str, str]) -> str:
        """The key's digest.

        Raises:
            SettingsError: if the environment does not hold the key.
        """
        if not self.env:
            return self.sha256
        key = environment.get(self.env, "")
        if not key:
            raise SettingsError(
                f"the API key of {self.name!r} is to be in ${self.env}, which is not set",
                where=f"[{TABLE}.{self.name}]",
                hint=f"set {self.env}, or give sha256 = the digest of the key instead",
            )
        return digest(key.encode(errors="surrogateescape"))


def digest(key: bytes) -> str:
    """The digest by which a key is known: SHA-256 of its bytes, UTF-8, in hexadecimal digits."""
    return hashlib.sha256(key).hexdigest()


def parse(table: object, *, where: str) -> tuple[ApiKey, ...]:
    """The keys of a settings file's table.

    Raises:
        SettingsError: for anything that is not as the module's docstring shows it.
    """
    if not isinstance(table, dict):
        raise SettingsError(f"{TABLE} is no table", where=where, hint=f"write [{TABLE}.NAME]")
    held = cast("dict[str, object]", table)
    return tuple(_one(name, each, f"{where}: [{TABLE}.{name}]") for name, each in held.items())


def check_scopes(keys: Collection[ApiKey], known: Collection[str]) -> None:
    """Refuse scopes that name what is not defined.

    Raises:
        SettingsError: names the key, and the nearest definition.
    """
    for key in keys:
        for name in sorted(key.definitions or ()):
            if name not in known:
                raise SettingsError(
                    f"the API key of {key.name!r} is for {name!r}, which is not defined",
                    where=f"[{TABLE}.{key.name}]",
                    hint=nearest(name, known),
                )


def _one(name: str, given: object, where: str) -> ApiKey:
    if not isinstance(given, dict):
        problem = f"the API key {name!r} is no table"
        raise SettingsError(problem, where=where, hint='write sha256 = "…" or env = "…" below it')
    held = cast("dict[str, object]", given)
    for field in held:
        if field not in _FIELDS:
            raise SettingsError(
                f"an API key has no {field!r}", where=where, hint=nearest(field, _FIELDS)
            )
    sha256, env = held.get("sha256", ""), held.get("env", "")
    if not (isinstance(sha256, str) and isinstance(env, str)) or bool(sha256) == bool(env):
        raise SettingsError(
            f"the API key of {name!r} needs sha256 or env, one of them, as text", where=where
        )
    if sha256 and not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise SettingsError(
            f"sha256 of the API key {name!r} is not 64 hexadecimal digits",
            where=where,
            hint='printf %s "$KEY" | sha256sum',
        )
    return ApiKey(name, sha256.lower(), env, _scope(name, held.get("definitions"), where))


def _scope(name: str, given: object, where: str) -> frozenset[str] | None:
    if given is None:
        return None
    names = cast("list[object]", given) if isinstance(given, list) else [None]
    if not names or not all(isinstance(each, str) for each in names):
        raise SettingsError(
            f"definitions of the API key {name!r} is no list of names",
            where=where,
            hint='write definitions = ["return_risk"], or leave it out for all',
        )
    return frozenset(cast("list[str]", names))
