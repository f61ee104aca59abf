"""Where a topic lies: one parser for all the ways in which that is written.

    kafka://host:port/topic?schema=…     host and port may be left out
    kafka://topic/key=value/…            Chronon's form; host= and port= say where
    topic/host=…/port=…                  likewise; naming a host means Kafka
    log:///folder/topic?codec=…          the embedded log; folders are a part of the topic's name
    topic                                whatever log the project has

Options are what the topic's codec and log understand; here they are only told apart from names. No
password is among them: an address stands in definitions and in messages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from catenary.errors import DefinitionError, UnsupportedError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES = ("kafka", "log")
_SECRET = re.compile(r"(kafka\.[\w.]*(?:password|secret|key\.pem)[\w.]*)=", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """A topic's address.

    Attributes:
        scheme: the kind of log, `"kafka"` or `"log"`; empty: not said.
        host: empty if not said.
        port: None if not said.
        folder: what stands before the topic's name; empty if nothing does.
        topic: the topic's name.
        options: the rest, by name.
    """

    scheme: str
    host: str
    port: int | None
    folder: str
    topic: str
    options: Mapping[str, str] = field(default_factory=dict[str, str])


def parse(text: str, *, where: str | None = None) -> Address:
    """Read a topic's address.

    Raises:
        DefinitionError: if it is none; says what is wrong with it.
        UnsupportedError: for a kind of log that is not known.

    >>> parse("kafka://broker:9092/payments?schema=payment.avsc").port
    9092
    >>> parse("payments/host=broker/port=9092").host
    'broker'
    >>> parse("log:///shop/payments").folder
    'shop'
    """
    return _Parser(text, where).address()


def parse_broker(text: str, *, where: str | None = None) -> Address:
    """Read a broker's address, which is a topic's without the topic.

    Raises:
        DefinitionError: if it is none, or names no broker.
        UnsupportedError: for a kind of log that is not known.

    >>> parse_broker("kafka://broker:9092").host
    'broker'
    """
    base, _, query = text.partition("?")
    topic = f"{base.rstrip('/')}/_" + (f"?{query}" if query else "")
    try:
        found = parse(topic, where=where)
    except (DefinitionError, UnsupportedError) as error:
        why = error.problem.removeprefix(f"topic {topic!r}: ")
        raise type(error)(why, where=where, hint=error.hint) from None
    if not (found.scheme == "kafka" and found.host):
        raise DefinitionError("it names no broker", where=where)
    return found


class _Parser:
    """One address; every error shows it whole."""

    def __init__(self, text: str, where: str | None) -> None:
        self._text = text
        self._where = where

    def address(self) -> Address:
        self._refuse_secrets()
        scheme, separator, rest = self._text.partition("://")
        if not separator:
            scheme, rest = "", self._text
            self._check_plain(rest)
        elif scheme not in _SCHEMES:
            raise UnsupportedError(
                f"topic {self._text!r} lies in a {scheme!r} log, which is not known",
                where=self._where,
                hint=nearest(scheme, _SCHEMES),
            )
        path, _, query = rest.partition("?")
        names, options = self._segments(path, scheme)
        self._add(options, query.split("&") if query else [])
        if scheme == "kafka":
            host, port, names = self._broker(names)
        else:
            host, port = "", None
        return self._placed(scheme, host, port, names, options)

    def _refuse_secrets(self) -> None:
        """Refuse what everybody would see who sees the address; it is not shown here either."""
        text = unquote(self._text)
        found = _SECRET.search(text)
        if found is not None:
            what = f"an address holds {found[1]}, which is a secret"
        elif re.match(r"kafka://[^/?]*@", text):
            what = "an address holds a user before its host, as Kafka's do not"
        else:
            return
        raise DefinitionError(
            what,
            where=self._where,
            hint="write it without kafka. as a line of the file that the setting kafka_config names:"
            " sasl.username=…, sasl.password=…",
        )

    def _check_plain(self, text: str) -> None:
        """Refuse what has no `://` and looks as if it should have."""
        first, _, rest = text.partition("?")[0].partition("/")
        head, colon, tail = first.partition(":")
        if not colon or "=" in first:
            return
        rest = "/".join(each for each in (tail, rest.lstrip("/")) if each)
        if head in _SCHEMES:
            slashes = "//" if head == "kafka" else "///"
            raise self._wrong("it is nearly an address", f"write {head}:{slashes}{rest}")
        raise self._wrong("a name has no colon", f"if {head!r} is a broker, write kafka://{text}")

    def _segments(self, path: str, scheme: str) -> tuple[list[str], dict[str, str]]:
        """Names, and Chronon's options behind them."""
        if scheme == "log":
            if not path.startswith("/"):
                meant = f"log:///{path}"
                raise self._wrong(
                    "an embedded log has no host", f"write {meant}, with three slashes"
                )
            path = path[1:]
        segments = path.split("/")
        named = next((at for at, each in enumerate(segments) if "=" in each), len(segments))
        options: dict[str, str] = {}
        self._add(options, segments[named:])
        names = [unquote(each) for each in segments[:named]]
        if not all(names):
            raise self._wrong("a name in it is empty", "write kafka://host:port/topic or a topic")
        if not names:
            raise self._wrong("it names no topic", "the topic comes before its options")
        return names, options

    def _add(self, options: dict[str, str], pairs: list[str]) -> None:
        for pair in pairs:
            name, separator, value = pair.partition("=")
            if not (name and separator):
                raise self._wrong(
                    f"{pair!r} is no option",
                    "options are name=value; write a slash within a value as %2F, or use ?name=value",
                )
            if unquote(name) in options:
                raise self._wrong(f"option {name!r} is given twice", "give it once")
            options[unquote(name)] = unquote(value)

    def _broker(self, names: list[str]) -> tuple[str, int | None, list[str]]:
        """Host and port that stand before the topic."""
        if len(names) == 1:
            if ":" in names[0]:
                raise self._wrong("it names no topic", "write kafka://host:port/topic")
            return "", None, names
        if len(names) > 2:
            raise self._wrong("a Kafka topic has no folder", "write kafka://host:port/topic")
        if "," in names[0]:
            raise self._wrong("it names several brokers", "name one; it tells where the others are")
        host, separator, port = names[0].rpartition(":")
        if not separator or names[0].endswith("]"):
            return names[0], None, names[1:]
        return host, self._port(port), names[1:]

    def _port(self, text: str) -> int:
        if not (text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 16):
            raise self._wrong(f"{text!r} is no port", "a port is a number from 1 to 65535")
        return int(text)

    def _placed(
        self, scheme: str, host: str, port: int | None, names: list[str], options: dict[str, str]
    ) -> Address:
        """The address, with Chronon's `host=` and `port=` in their place."""
        if scheme != "log":
            for name in ("host", "port"):
                if name in options and (host or port):
                    raise self._wrong(f"{name} is given twice", "give it once")
            host = options.pop("host", host)
            port = self._port(options.pop("port")) if "port" in options else port
            if port is not None and not host:
                raise self._wrong("it names a port without a host", "add host=…")
            if host and not scheme:
                scheme = "kafka"
        if scheme == "kafka" and len(names) > 1:
            raise self._wrong("a Kafka topic has no folder", "write topic/host=…/port=…")
        return Address(scheme, host, port, "/".join(names[:-1]), names[-1], options)

    def _wrong(self, why: str, hint: str) -> DefinitionError:
        return DefinitionError(f"topic {self._text!r}: {why}", where=self._where, hint=hint)
