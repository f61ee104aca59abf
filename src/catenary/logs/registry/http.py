"""A registry that is asked over HTTP, by the interface that Confluent's and others' have.

    schema(7) ──► memory ──► folder ──► GET /schemas/ids/7 ──► again after a while, a few times

What an id means never changes, so it is kept for good; that nobody knows an id is believed for a while,
since a record may come before its schema does. Passwords are never shown.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from catenary.codecs.framing import Registered
from catenary.errors import (
    DefinitionError,
    RegistryError,
    SettingsError,
    StorageError,
    UnknownSchemaError,
)
from catenary.logs.registry.protos import descriptors

if TYPE_CHECKING:
    from pathlib import Path

_BACKOFFS_S: Final = (0.05, 0.1, 0.2)
_TIMEOUT_S: Final = 5.0
_UNKNOWN_S: Final = 30.0
_MOST_BYTES: Final = 16 << 20
_DEEPEST: Final = 32
_CODECS: Final = {"AVRO": "avro", "JSON": "json", "PROTOBUF": "protobuf"}
_REFUSED: Final = (401, 403)


class HttpRegistry:
    """Schemas by id and by subject, from a server. Threads may share it.

    Args:
        address: `http://host:8081`, with `user:password@` where the server asks for that.
        cache: a folder in which schemas are kept; none if not given.
        timeout_s: how long one answer may take.

    Raises:
        DefinitionError: if that is no address.
    """

    def __init__(
        self, address: str, *, cache: Path | None = None, timeout_s: float = _TIMEOUT_S
    ) -> None:
        parts = urlsplit(address)
        try:
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise DefinitionError("a registry's address has no port that is one") from error
        if not host:
            raise DefinitionError("a registry's address names no host", hint="write http://host:8081")  # fmt: skip
        shown = f"[{host}]" if ":" in host else host
        place = shown if port is None else f"{shown}:{port}"
        self._url = urlunsplit((parts.scheme, place, parts.path.rstrip("/"), "", ""))
        self._headers = {
            "Accept": "application/vnd.schemaregistry.v1+json, application/json",
            "User-Agent": "catenary",
        }
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        self._cache = cache
        self._timeout_s = timeout_s
        self._known: dict[int, Registered] = {}
        self._unknown: dict[int, float] = {}
        self._lock = threading.Lock()

    def schema(self, id_: int) -> Registered:
        """The schema of an id.

        Raises:
            UnknownSchemaError: if the registry has none.
            RegistryError: if it does not answer.
            SettingsError: if it refuses who asks.
        """
        with self._lock:
            known = self._known.get(id_)
            if known is not None:
                return known
            if time.monotonic() < self._unknown.get(id_, 0.0):
                raise self._none(f"id {id_}", f"/schemas/ids/{id_}")
            told = self._kept(id_)
            if told is None:
                told = self._fetched(id_)
            found = self._known[id_] = self._registered(id_, told)
            return found

    def latest(self, subject: str) -> Registered:
        """The newest schema of a subject, asked each time; raises as `schema`."""
        path = f"/subjects/{quote(subject, safe='')}/versions/latest"
        told = self._get(path, f"subject {subject!r}")
        id_ = told.get("id")
        if not isinstance(id_, int) or not 0 <= id_ < 1 << 32:
            raise RegistryError(f"the registry's answer has no id of 32 bits: {self._url}{path}")
        return self._registered(id_, told)

    def _fetched(self, id_: int) -> dict[str, Any]:
        try:
            told = self._get(f"/schemas/ids/{id_}", f"id {id_}")
        except UnknownSchemaError:
            self._unknown = {
                each: until for each, until in self._unknown.items() if until > time.monotonic()
            }
            self._unknown[id_] = time.monotonic() + _UNKNOWN_S
            raise
        told["imports"] = self._imports(told)
        self._keep(id_, told)
        return told

    def _imports(self, told: dict[str, Any]) -> dict[str, str]:
        """The texts of what a schema refers to, of that too, and so on; those that are needed first."""
        found: dict[str, str] = {}

        def visit(of: dict[str, Any], depth: int) -> None:
            for each in cast("list[dict[str, Any]]", of.get("references") or []):
                name = str(each.get("name"))
                if name in found or depth > _DEEPEST:
                    continue
                subject = quote(str(each.get("subject")), safe="")
                path = f"/subjects/{subject}/versions/{each.get('version')}"
                inner = self._get(path, f"subject {each.get('subject')!r}")
                visit(inner, depth + 1)
                found[name] = str(inner.get("schema", ""))

        visit(told, 0)
        return found

    def _registered(self, id_: int, told: dict[str, Any]) -> Registered:
        kind = str(told.get("schemaType") or "AVRO")
        text = told.get("schema")
        if kind not in _CODECS or not isinstance(text, str):
            raise DefinitionError(f"the registry's schema {id_} is of type {kind!r}, which is not read")  # fmt: skip
        imports = told["imports"] if "imports" in told else self._imports(told)
        codec = _CODECS[kind]
        if codec == "protobuf":
            return Registered(id_, codec, text, descriptors(text, imports))
        return Registered(id_, codec, text, imports=tuple(imports.values()))

    def _kept(self, id_: int) -> dict[str, Any] | None:
        if self._cache is None:
            return None
        try:
            told: object = json.loads((self._cache / f"{id_}.json").read_text())
        except (OSError, ValueError):
            return None  # never fetched, or torn by a crash: it is fetched again
        return (
            cast("dict[str, Any]", told) if isinstance(told, dict) and "imports" in told else None
        )

    def _keep(self, id_: int, told: dict[str, Any]) -> None:
        if self._cache is None:
            return
        made = self._cache / f".{id_}.{os.getpid()}.{threading.get_ident()}"
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            made.write_text(json.dumps(told))
            made.replace(self._cache / f"{id_}.json")
        except OSError as error:
            raise StorageError(
                f"a schema cannot be kept: {error}",
                where=str(self._cache),
                hint="make room, or set another registry_cache",
            ) from error

    def _get(self, path: str, what: str) -> dict[str, Any]:
        """The object that the server answers with."""
        why = ""
        for wait_s in (0.0, *_BACKOFFS_S):
            time.sleep(wait_s)
            asked = urllib.request.Request(self._url + path, headers=self._headers)
            try:
                with urllib.request.urlopen(asked, timeout=self._timeout_s) as answer:
                    told: object = json.loads(answer.read(_MOST_BYTES))
            except urllib.error.HTTPError as error:
                with error:
                    if error.code == 404 and _is_unknown(error.read(_MOST_BYTES)):
                        raise self._none(what, path) from error
                if error.code in _REFUSED:
                    raise SettingsError(
                        f"the registry refuses who asks (HTTP {error.code}): {self._url}{path}",
                        hint="write user:password@ before the host, as in http://user:password@host:8081",
                    ) from error
                why = f"HTTP {error.code}"
            except (OSError, http.client.HTTPException) as error:
                why = str(getattr(error, "reason", error)) or type(error).__name__
            except ValueError:
                why = "its answer is no JSON"
            else:
                if isinstance(told, dict):
                    return cast("dict[str, Any]", told)
                why = "its answer is no object"
        raise RegistryError(
            f"the schema registry does not answer for {what} ({why}): {self._url}{path}",
            hint="start it, or mend the address; records wait meanwhile, none is lost",
        )

    def _none(self, what: str, path: str) -> UnknownSchemaError:
        return UnknownSchemaError(
            f"the registry has no schema of {what}: {self._url}{path}",
            hint="register it, or mend the address; then replay the dead letters",
        )


def _is_unknown(data: bytes) -> bool:
    """Whether a registry says so, and not some other server that knows no such page."""
    try:
        told: object = json.loads(data)
    except ValueError:
        return False
    code = cast("dict[str, object]", told).get("error_code") if isinstance(told, dict) else None
    return isinstance(code, int) and str(code).startswith("404")
