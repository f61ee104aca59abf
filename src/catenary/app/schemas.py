"""Where the schemas of a project's topics are: files in its folder, and registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.codecs.topics import PROJECT, check_options, schema_file_of
from catenary.errors import DefinitionError, SettingsError
from catenary.logs.addresses import parse

if TYPE_CHECKING:
    from catenary.app.settings import Settings
    from catenary.codecs.framing import Registry


def check_topic(settings: Settings, address: str, *, where: str) -> None:
    """Refuse a topic's address that nothing could follow, before anything does.

    Args:
        settings: of the project, in whose folder schema files lie.
        address: of the topic.
        where: its source was written.

    Raises:
        UnsupportedError: for a kind of log, a codec or the like that is not known.
        DefinitionError: for an address that is none, or a schema file that is not there.
    """
    options = parse(address, where=where).options
    check_options(address, options, where=where)
    name = schema_file_of(options)
    if name is not None and not (settings.root / name).is_file():
        raise DefinitionError(
            f"topic {address!r}: there is no schema file {name!r}",
            where=where,
            hint="the option schema names a file, from the project's folder on",
        )


class ProjectSchemas:
    """What topics' options name; registries are opened when they are first asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: dict[str, Registry] = {}

    def text(self, name: str) -> str:
        """A schema file of the project that is text; raises as `file`."""
        from catenary.logs.registry import schema_text

        return schema_text(self._settings.root / name)

    def file(self, name: str) -> bytes:
        """A schema file of the project; a `.proto` file's descriptors.

        Raises:
            DefinitionError: if it is not there, or no schema.
        """
        from catenary.logs.registry import schema_file

        return schema_file(self._settings.root / name)

    def registry(self, address: str) -> Registry:
        """The registry at an address; `project` is the one of the settings.

        Raises:
            SettingsError: if the settings name none.
            DefinitionError: if the address is none.
        """
        from catenary.logs.registry import open_registry

        settings = self._settings
        found = settings.registry if address == PROJECT else address
        if not found:
            raise SettingsError(
                "a topic's records begin with ids of the project's registry, but it has none",
                hint="set registry in catenary.toml: an http:// address, or a folder",
            )
        if found not in self._opened:
            cache = settings.path("registry_cache") if settings.registry_cache else None
            self._opened[found] = open_registry(found, settings.root, cache=cache)
        return self._opened[found]
