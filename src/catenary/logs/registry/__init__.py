"""Where schemas of records are kept by id: a registry that is asked over HTTP, or a folder.

    http://user:password@host:8081 ──► HttpRegistry
    schemas                        ──► FolderRegistry

Both fill the shape that codecs ask: a schema by its id, the newest schema of a subject.

Held to account by: ``tests/unit/logs/test_registry.py``, against a server on this machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.logs.registry.folder import FolderRegistry, schema_file, schema_text
from catenary.logs.registry.http import HttpRegistry

if TYPE_CHECKING:
    from pathlib import Path

    from catenary.codecs.framing import Registry

__all__ = ["FolderRegistry", "HttpRegistry", "open_registry", "schema_file", "schema_text"]


def open_registry(address: str, root: Path, *, cache: Path | None = None) -> Registry:
    """The registry at an address.

    Args:
        address: `http://…` or `https://…`, with `user:password@` if it asks for that; or a folder.
        root: what a folder is relative to.
        cache: a folder in which schemas that were fetched are kept; none if not given.

    Raises:
        DefinitionError: for a folder that is not there, or an address that is none.
    """
    if address.startswith(("http://", "https://")):
        return HttpRegistry(address, cache=cache)
    return FolderRegistry(root / address)
