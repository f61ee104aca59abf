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

from catenary.app.api_keys import TABLE, ApiKey, parse
from catenary.errors import DefinitionError, SettingsError, UnsupportedError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE: Final = "catenary.toml"
PREFIX: Final = "CATENARY_"
_NOT_SETTINGS: Final = (f"{PREFIX}TEST_",)
_CHOICES: Final = {
    "compression": ("zstd", "lz4", "snappy", "none"),
    "durability": ("power", "process"),
}
_KINDS: Final[dict[type[int | float | str], str]] = {
    int: "a whole number",
    float: "a number",
    str: "text",
}
_SIZES: Final = ("memory_limit", "fetch_limit", "body_limit")
_OPTIONAL_SIZES: Final = ("memory_limit", "fetch_limit")
_RANGES: Final[dict[str, tuple[int, int | None]]] = {
    "threads": (1, None),
    "step_days": (0, None),
    "port": (0, 65_535),
    "workers": (1, None),
    "batch_limit": (1, None),
    "time_limit_ms": (1, None),
    "spin_us": (0, 10_000),
    "sample_percent": (0, 100),
}
"""The least and the greatest value of numbers."""
_SERVERS: Final = {"log": "kafka", "store": "redis"}
"""Settings that name a folder, or a server by an address with this scheme."""
_SECRET: Final = re.compile(r"((?:password|secret|key\.pem)[\w.]*=)[^&]*", re.IGNORECASE)
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
        registry: where schemas of records are kept by id: an http address, with `user:password@` if it
            asks for that, or a folder; empty for none.
        registry_cache: folder in which fetched schemas are kept; empty for memory only.
        fetch_limit: such as `"1GB"`: memory that the features of one answer may take; empty for any.
        query_shift_ms: 0, or below it: chained rows read their parents as of so much earlier. Values
            depend on it, so it is one for all of a project.
        host, port: where `catenary serve` listens; port 0 is any that is free.
        workers: processes of `catenary serve`.
        body_limit: of a request to it, such as `"16MB"`.
        batch_limit: rows that a request may ask for.
        time_limit_ms: that a request may take, its body included.
        spin_us: how long a worker of `catenary serve` looks for the next request before it sleeps.
        request_log: the topic that sampled requests are logged to; empty for none.
        sample_percent: of the keys, whose requests are logged.
        traces: where OpenTelemetry spans are sent (an OTLP address); empty for nowhere.
        api_keys: who may ask; anybody if there are none.
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
    registry: str = ""
    registry_cache: str = ""
    fetch_limit: str = "1GB"
    query_shift_ms: int = 0
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    body_limit: str = "16MB"
    batch_limit: int = 10_000
    time_limit_ms: int = 10_000
    spin_us: int = 100
    request_log: str = ""
    sample_percent: float = 0.0
    traces: str = ""
    api_keys: tuple[ApiKey, ...] = ()
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
            given = _read(path)
            if TABLE in given:
                held = replace(held, api_keys=parse(given.pop(TABLE), where=str(path)))
            for name, value in given.items():
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
        wanted: type[int | float | str] = type(getattr(Settings(), name))
        if isinstance(value, Path):
            value = str(value)
        if wanted is float and type(value) is int:
            value = float(value)
        if not isinstance(value, wanted) or isinstance(value, bool):
            kind = _KINDS[wanted]
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

    @property
    def fetch_bytes(self) -> int | None:
        """`fetch_limit` in bytes; None for any."""
        return parse_bytes(self.fetch_limit) if self.fetch_limit else None


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
    >>> shown("kafka://host?kafka.sasl.password=secret&kafka.sasl.username=me")
    'kafka://host?kafka.sasl.password=***&kafka.sasl.username=me'
    """
    if not isinstance(value, str):
        return value
    return _SECRET.sub(r"\1***", re.sub(r"(://[^@/:]*:).*@", r"\1***@", value))


def names() -> tuple[str, ...]:
    """The names of all settings."""
    others = ("root", TABLE, "origins")
    return tuple(each.name for each in fields(Settings) if each.name not in others)


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
    wanted = type(getattr(Settings(), name)) if name in names() else str
    if wanted is int and re.fullmatch(r"-?\d+", text):
        return int(text)
    if wanted is float and re.fullmatch(r"-?\d+(\.\d*)?", text):
        return float(text)
    return text


def _check(name: str, value: str | float, origin: str) -> None:
    """Hold a value to its range."""
    if name in _SIZES and (value or name not in _OPTIONAL_SIZES):
        try:
            parse_bytes(str(value))
        except SettingsError as error:
            problem = f"{name}={error.problem}"
            raise SettingsError(problem, where=origin, hint=error.hint) from None
    if name == "query_shift_ms":
        from catenary.plan.settings import ChainSettings

        try:
            ChainSettings.parse({name: value})
        except SettingsError as error:
            raise SettingsError(error.problem, where=origin, hint=error.hint) from None
    scheme = _SERVERS.get(name)
    if scheme and re.fullmatch(r"[\w.-]+:\d+", str(value)):
        problem = f"{name}={value!r} is a server's host and port, not a folder"
        raise SettingsError(problem, where=origin, hint=f"write {scheme}://{value}")
    if scheme and re.match(rf"{scheme}s?(:(?!//)|//)", str(value)):
        problem = f"{name}={value!r} is neither a folder nor a server's address"
        raise SettingsError(problem, where=origin, hint=f"write {scheme}://host:port")
    if name == "log" and is_address(str(value)):
        from catenary.logs.addresses import parse_broker

        try:
            parse_broker(str(value))
        except (DefinitionError, UnsupportedError) as error:
            problem = f"log={shown(value)!r} names no log: {error.problem}"
            hint = error.hint or "write a folder, or kafka://host:port"
            raise SettingsError(problem, where=origin, hint=hint) from None
    known = _CHOICES.get(name)
    if known is not None and value not in known:
        problem = f"{name}={value!r} is not known"
        raise SettingsError(problem, where=origin, hint=nearest(str(value), known))
    least, most = _RANGES.get(name, (None, None))
    if least is not None and isinstance(value, (int, float)) and value < least:
        problem = f"{name}={value} is less than {least}"
        raise SettingsError(problem, where=origin)
    if most is not None and isinstance(value, (int, float)) and value > most:
        problem = f"{name}={value} is more than {most}"
        raise SettingsError(problem, where=origin)
