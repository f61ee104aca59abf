"""Which log a topic lies in: its address says so, or the setting `log` does for those that don't.

    log = "log"                     the embedded log in that folder
    log = "kafka://host:port"       a Kafka cluster
    kafka://host:port/topic?…       this topic lies there, whatever the setting says

Options that begin with `kafka.` are the client's (`kafka.security.protocol=SSL`); so are the lines of the
file that the setting `kafka_config` names, which is where passwords belong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from catenary.app.settings import is_address, shown
from catenary.errors import DefinitionError, SettingsError
from catenary.logs.addresses import parse, parse_broker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from catenary.app.settings import Settings
    from catenary.logs.addresses import Address
    from catenary.ports import Log

_KAFKA: Final = "kafka"
_PREFIX: Final = "kafka."
_PORT: Final = 9092
_PROBED: Final = "probe"
"""Says of a file that the client is to look where such files use to be."""


@dataclass(frozen=True)
class Place:
    """Where a log is.

    Attributes:
        broker: `host:port` of a Kafka cluster; empty for the embedded log.
        options: of its client.
    """

    broker: str = ""
    options: Mapping[str, str] = field(default_factory=dict[str, str])


def resolve(address: str) -> tuple[str, Mapping[str, str]]:
    """A topic's name in its log, and its options."""
    found = parse(address)
    name = f"{found.folder}/{found.topic}" if found.folder else found.topic
    return name.strip("/"), found.options


def open_log(settings: Settings, addresses: Iterable[str] = ()) -> Log:
    """The log of a project: one, or several as one.

    Args:
        settings: of the project.
        addresses: of its topics; others lie where `log` says.

    Raises:
        SettingsError: for a setting that names no log, or an address that needs one.
        DefinitionError: for a topic that is said to lie in two places.
        UnsupportedError: if Kafka is meant and its client is not installed.
    """
    rest = _of_settings(settings)
    by_topic: dict[str, Place] = {}
    for address in addresses:
        name, place = resolve(address)[0], place_of(settings, address)
        if by_topic.setdefault(name, place) != place:
            raise DefinitionError(
                f"topic {name!r} lies in two places: {address!r} is one of them",
                hint="write the same host, port and kafka.… options wherever it is named",
            )
    if all(place == rest for place in by_topic.values()):
        return _opened(settings, rest)
    from catenary.logs.routed import RoutedLog

    logs: list[tuple[Place, Log]] = [(rest, _opened(settings, rest))]
    own: dict[str, Log] = {}
    for name, place in by_topic.items():
        log = next((log for held, log in logs if held == place), None)
        if log is None:
            log = _opened(settings, place)
            logs.append((place, log))
        own[name] = log
    return RoutedLog(logs[0][1], own)


def place_of(settings: Settings, address: str) -> Place:
    """Where a topic lies.

    Raises:
        SettingsError: if its address leaves to the setting `log` what that does not say.
    """
    found = parse(address)
    rest = _of_settings(settings)
    if found.host:
        return _broker(settings, found)
    if found.scheme == _KAFKA and not rest.broker:
        raise SettingsError(
            f"topic {address!r} names no broker, and the setting log={shown(settings.log)!r} none either",
            hint=f"write kafka://host:port/{found.topic}, or set log = 'kafka://host:port'",
        )
    if found.scheme == "log" and rest.broker:
        raise SettingsError(
            f"topic {address!r} lies in the embedded log, but log={shown(settings.log)!r} is a broker",
            hint="leave 'log:///' out of the address: the setting then says where it lies",
        )
    return Place(rest.broker, {**rest.options, **_options(settings, found)})


def makes_topics(settings: Settings, address: str) -> bool:
    """Whether a topic that is not there is made when it is first needed: not in a shared cluster."""
    return not place_of(settings, address).broker


def _of_settings(settings: Settings) -> Place:
    """Where topics lie whose addresses don't say."""
    if not is_address(settings.log):
        return Place()
    return _broker(settings, parse_broker(settings.log, where=settings.origins.get("log")))


def _broker(settings: Settings, found: Address) -> Place:
    """The cluster that an address names."""
    port = _PORT if found.port is None else found.port
    return Place(f"{found.host}:{port}", {**_of_file(settings), **_options(settings, found)})


def _options(settings: Settings, found: Address) -> dict[str, str]:
    """The client's, among an address's options."""
    return {
        name.removeprefix(_PREFIX): _located(settings, name, value)
        for name, value in found.options.items()
        if name.startswith(_PREFIX)
    }


def _located(settings: Settings, name: str, value: str) -> str:
    """An option's value; a file that it names lies below the project's folder, wherever one stands."""
    if not name.endswith(".location") or value == _PROBED:
        return value
    return str((settings.root / value).resolve())


def _of_file(settings: Settings) -> dict[str, str]:
    """The client's options in the file that `kafka_config` names: `name=value` lines, # for comments."""
    if not settings.kafka_config:
        return {}
    path, where = settings.path("kafka_config"), settings.origins.get("kafka_config")
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise SettingsError(
            f"kafka_config={str(path)!r} cannot be read: {error}", where=where
        ) from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if not separator:
            raise SettingsError(
                f"line {number} of {path.name} is no option",
                where=f"{path}:{number}",
                hint="write name=value, such as security.protocol=SASL_SSL",
            )
        found[name.strip()] = _located(settings, name.strip(), value.strip())
    return found


def _opened(settings: Settings, place: Place) -> Log:
    if place.broker:
        from catenary.logs.kafka import KafkaLog

        return KafkaLog(place.broker, place.options)
    from catenary.logs.embedded import EmbeddedLog

    return EmbeddedLog(settings.path("log"), durability=settings.survives)
