"""Settings, each of which knows where its value came from.

    defaults  <  catenary.toml  <  CATENARY_… in the environment  <  flags

An unknown name or a value of the wrong type is an error, wherever it was written.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from catenary.errors import SettingsError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE: Final = "catenary.toml"
PREFIX: Final = "CATENARY_"
_NOT_SETTINGS: Final = (f"{PREFIX}TEST_",)
_CHOICES: Final = {
    "compression": ("zstd", "lz4", "snappy", "none"),
    "durability": ("power", "process"),
}
_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True)
class Settings:
    """What a project is told from outside its definitions.

    Attributes:
        root: the project's folder; relative paths are relative to it.
        definitions: file or folder of definitions.
        tables: folder of source tables.
        warehouse: folder of output tables.
        memory_limit: such as `"2GB"`; empty for none. What does not fit goes to disk.
        threads: how many work at once.
        step_days: how many partitions are computed at a time; 0 for as many as fit.
        spill_dir: where what does not fit goes; empty for the system's temporary folder.
        compression: of Parquet files: `zstd`, `lz4`, `snappy` or `none`.
        log: folder of the embedded log, or a Kafka cluster's address: `kafka://host:port`.
        kafka_config: file with options of Kafka's client, `name=value` a line; empty for none.
        store: folder of the embedded store, or a server's address: `redis://host:port/db`.
        durability: what an append or a commit survives: `process`, a killed process; `power`, a
            power failure, too.
        query_shift_ms: 0, or below it: chained rows read their parents as of so much earlier. Values
            depend on it, so it is one for all of a project.
        origins: where each value came from, by name.
    """

    root: Path = Path()
    definitions: str = "features"
    tables: str = "tables"
    warehouse: str = "warehouse"
    memory_limit: str = ""
    threads: int = 2
    step_days: int = 0
    spill_dir: str = ""
    compression: str = "zstd"
    log: str = "log"
    kafka_config: str = ""
    store: str = "store"
    durability: str = "power"
    query_shift_ms: int = 0
    origins: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)

    @staticmethod
    def load(
        root: str | Path = ".",
        *,
        flags: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Settings:
        """The settings of the project in `root`.

        Args:
            root: its folder; `catenary.toml` need not exist.
            flags: by name; None means not given.
            environment: the process's own unless given.

        Raises:
            SettingsError: for an unknown name, a wrong type, or a file that is no TOML.
        """
        folder = Path(root)
        held = replace(Settings(), root=folder, origins=dict.fromkeys(names(), "default"))
        path = folder / FILE
        if path.is_file():
            for name, value in _read(path).items():
                held = held.changed(name, value, origin=str(path))
        for variable, text in sorted((os.environ if environment is None else environment).items()):
            if variable.startswith(PREFIX) and not variable.startswith(_NOT_SETTINGS):
                name = variable.removeprefix(PREFIX).lower()
                held = held.changed(name, _from_text(name, text), origin=variable)
        for name, value in (flags or {}).items():
            if value is not None:
                held = held.changed(name, value, origin=f"--{name.replace('_', '-')}")
        return held

    def changed(self, name: str, value: object, *, origin: str) -> Settings:
        """These settings with another value.

        Raises:
            SettingsError: if there is no such setting, or the value does not fit it.
        """
        if name not in names():
            problem = f"there is no setting {name!r}"
            raise SettingsError(problem, where=origin, hint=nearest(name, names()))
        wanted = int if isinstance(getattr(Settings(), name), int) else str
        if isinstance(value, Path):
            value = str(value)
        if not isinstance(value, wanted) or isinstance(value, bool):
            kind = "a whole number" if wanted is int else "text"
            problem = f"{name}={value!r} ({type(value).__name__}) is not {kind}"
            raise SettingsError(problem, where=origin)
        _check(name, value, origin)
        return replace(self, **{name: value, "origins": {**self.origins, name: origin}})  # pyright: ignore[reportArgumentType] - checked against the field's type above

    def path(self, name: str) -> Path:
        """A setting that is a path, below `root` unless it is absolute."""
        return self.root / str(getattr(self, name))

    def place(self, name: str) -> str:
        """A setting that is a path or an address, as it reads from anywhere."""
        held = str(getattr(self, name))
        return held if is_address(held) else str(self.path(name).resolve())

    @property
    def survives(self) -> Literal["power", "process"]:
        """What `durability` says."""
        return "process" if self.durability == "process" else "power"

    @property
    def memory_bytes(self) -> int | None:
        """`memory_limit` in bytes; None for none."""
        return parse_bytes(self.memory_limit) if self.memory_limit else None


def is_address(text: str) -> bool:
    """Whether a setting names a server, and no folder.

    >>> is_address("redis://host:6379/0"), is_address("store")
    (True, False)
    """
    return "://" in text


def shown(value: object) -> object:
    """A setting's value for people: without the password of an address.

    >>> shown("redis://me:secret@host/0")
    'redis://me:***@host/0'
    """
    return re.sub(r"(://[^@/]*:)[^@/]*@", r"\1***@", value) if isinstance(value, str) else value


def names() -> tuple[str, ...]:
    """The names of all settings."""
    return tuple(each.name for each in fields(Settings) if each.name not in ("root", "origins"))


def parse_bytes(text: str) -> int:
    """Bytes, written as number and unit.

    Raises:
        SettingsError: if the text is not a size.

    >>> parse_bytes("2GB"), parse_bytes("512 MB")
    (2147483648, 536870912)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    if found is None or float(found[1]) == 0:
        problem = f"{text!r} is not a size"
        raise SettingsError(problem, hint="write a number and a unit: 2GB or 512MB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problem = f"{path.name} is no TOML: {error}"
        raise SettingsError(problem, where=str(path)) from error


def _from_text(name: str, text: str) -> object:
    """An environment variable's text as what the setting wants, if it can be read so."""
    if name in names() and isinstance(getattr(Settings(), name), int):
        return int(text) if re.fullmatch(r"-?\d+", text) else text
    return text


def _check(name: str, value: str | int, origin: str) -> None:
    """Hold a value to its range."""
    if name == "memory_limit" and value:
        try:
            parse_bytes(str(value))
        except SettingsError as error:
            problem = f"memory_limit={error.problem}"
            raise SettingsError(problem, where=origin, hint=error.hint) from None
    if name == "query_shift_ms":
        from catenary.plan.settings import ChainSettings

        try:
            ChainSettings.parse({name: value})
        except SettingsError as error:
            raise SettingsError(error.problem, where=origin, hint=error.hint) from None
    known = _CHOICES.get(name)
    if known is not None and value not in known:
        problem = f"{name}={value!r} is not known"
        raise SettingsError(problem, where=origin, hint=nearest(str(value), known))
    least = {"threads": 1, "step_days": 0}.get(name)
    if least is not None and isinstance(value, int) and value < least:
        problem = f"{name}={value} is less than {least}"
        raise SettingsError(problem, where=origin)
