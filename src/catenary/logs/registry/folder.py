"""A folder as a registry: `7.avsc` is the schema of id 7, `orders-value.avsc` the newest of a subject.

Endings: `.avsc` for Avro, `.json` for JSON Schema, `.proto` or `.desc` (a FileDescriptorSet) for Protobuf.
A subject's id is that of the file with the same contents. Files are read when they are asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catenary.codecs.framing import Registered
from catenary.errors import DefinitionError, UnknownSchemaError
from catenary.logs.registry.protos import compiled

if TYPE_CHECKING:
    from pathlib import Path

_CODECS: Final = {".avsc": "avro", ".json": "json", ".proto": "protobuf", ".desc": "protobuf"}


class FolderRegistry:
    """Schemas in a folder.

    Raises:
        DefinitionError: if there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise DefinitionError(
                f"there is no folder of schemas {str(folder)!r}",
                hint="make it, with files such as 7.avsc; or write a registry's http:// address",
            )
        self._folder = folder
        self._known: dict[int, Registered] = {}

    def schema(self, id_: int) -> Registered:
        """The schema of an id.

        Raises:
            UnknownSchemaError: if there is no file for it.
        """
        if id_ not in self._known:
            self._known[id_] = _held(self._file(str(id_)), id_)
        return self._known[id_]

    def latest(self, subject: str) -> Registered:
        """The schema of a subject, with the id under which it lies in the folder, too.

        Raises:
            UnknownSchemaError: if there is no file for it, or none that tells its id.
        """
        file = self._file(subject)
        data = file.read_bytes()
        for each in sorted(self._folder.glob(f"*{file.suffix}")):
            if _is_id(each.stem) and each.read_bytes() == data:
                return self.schema(int(each.stem))
        raise UnknownSchemaError(
            f"the schema of subject {subject!r} has no id in {str(self._folder)!r}",
            where=str(file),
            hint=f"copy {file.name} to ID{file.suffix}, with the number that readers know it by",
        )

    def _file(self, stem: str) -> Path:
        found = [self._folder / f"{stem}{ending}" for ending in _CODECS]
        for file in found:
            if file.is_file():
                return file
        what = f"id {stem}" if _is_id(stem) else f"subject {stem!r}"
        raise UnknownSchemaError(
            f"no schema of {what} is in {str(self._folder)!r}",
            hint=f"put it there as {found[0].name}",
        )


def _is_id(stem: str) -> bool:
    return stem.isascii() and stem.isdecimal() and int(stem) < 1 << 32


def _held(file: Path, id_: int) -> Registered:
    codec = _CODECS[file.suffix]
    if codec == "protobuf":
        return Registered(id_, codec, "", schema_file(file))
    return Registered(id_, codec, schema_text(file))


def schema_text(file: Path) -> str:
    """A schema that is text; raises as `schema_file`."""
    try:
        return schema_file(file).decode()
    except UnicodeDecodeError as error:
        raise DefinitionError(f"the schema file {str(file)!r} is no text: {error}") from error


def schema_file(file: Path) -> bytes:
    """A schema: text as it is, of a `.proto` file its descriptors.

    Raises:
        DefinitionError: if it is not there, or no schema.
    """
    if not file.is_file():
        raise DefinitionError(f"there is no schema file {str(file)!r}")
    return compiled(file, file.parent) if file.suffix == ".proto" else file.read_bytes()
