"""A topic's codec, from the options in its address.

| option | says |
| --- | --- |
| `codec` | `json` (the default), `avro`, `protobuf`, `arrow` |
| `format` | `rows` (the default), or `debezium`: envelopes around rows |
| `times` | Debezium's in JSON: whole numbers in columns of timestamp are `ms` (the default) or `us` |
| `schema` | the schema that bare records are written with: Avro's text, or a file of the project; of framed Avro the one that records are resolved to |
| `message` | Protobuf: the records' message, if it is not the file's first |
| `registry` | records begin with their schema's id, which is known at this address; `project`: at the project's own |
| `subject` | whose newest schema framed records are written with; the topic's name and `-value` by default |

Schemas are asked for where they are kept: that is passed in.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, Protocol

from catenary.codecs import codec
from catenary.errors import DefinitionError, UnsupportedError, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from catenary.codecs import Codec
    from catenary.codecs.framing import Headed, Registered, Registry
    from catenary.schema import Schema

OPTIONS: Final = ("codec", "format", "times", "schema", "message", "registry", "subject")
FORMATS: Final = ("rows", "debezium")
TIMES: Final = ("ms", "us")
PROJECT: Final = "project"


class Schemas(Protocol):
    """Where a topic's schemas are."""

    def text(self, name: str) -> str:
        """A schema file that is text, such as Avro's; raises as `file`."""
        ...

    def file(self, name: str) -> bytes:
        """A schema file as bytes: a FileDescriptorSet, of a `.proto` file what it compiles to.

        Raises:
            DefinitionError: if it is not there, or no schema.
        """
        ...

    def registry(self, address: str) -> Registry:
        """The registry at an address; `project` is the project's own.

        Raises:
            SettingsError: if there is none.
        """
        ...


class NoSchemas:
    """Where no schemas are kept: topics that need none can be read."""

    def text(self, name: str) -> str:
        """There is none."""
        raise DefinitionError(f"there is no schema file {name!r} here")

    def file(self, name: str) -> bytes:
        """There is none."""
        raise DefinitionError(f"there is no schema file {name!r} here")

    def registry(self, address: str) -> Registry:
        """There is none."""
        raise DefinitionError(f"there is no registry {address!r} here")


def topic_codec(
    topic: str,
    schema: Schema,
    options: Mapping[str, str],
    schemas: Schemas,
    columns: Collection[str] | None = None,
) -> Codec:
    """What reads and writes the records of a topic.

    Args:
        topic: its name in the log.
        schema: the columns of its rows.
        options: of its address; those that are not a codec's are left alone.
        schemas: where schemas are kept.
        columns: only these are kept.

    Raises:
        UnsupportedError: for a codec or a format that is not known, or an option that is nearly one.
        DefinitionError: if schemas do not fit each other or the columns.
    """
    from catenary.codecs.layout import DAYS, MICROS, projected

    for name in options:
        # Others may belong to the log, or to those who wrote the address for something else.
        meant = get_close_matches(name, OPTIONS, n=1, cutoff=0.7)
        if meant and name not in OPTIONS:
            raise UnsupportedError(
                f"topic {topic!r} has no option {name!r}", hint=f"did you mean {meant[0]!r}?"
            )
    form = options.get("format", "rows")
    if form not in FORMATS:
        raise UnsupportedError(f"there is no format {form!r}", hint=nearest(form, FORMATS))
    if form == "rows":
        return _Maker(topic, options, schemas).of(schema, columns)
    times = options.get("times", "ms")
    if times not in TIMES:
        raise UnsupportedError(f"there are no times in {times!r}", hint=nearest(times, TIMES))
    made = _Maker(topic, options, schemas, DAYS if times == "ms" else DAYS | MICROS)
    if made.name not in ("json", "avro"):
        raise UnsupportedError(
            f"Debezium's envelopes are not read from {made.name}", hint="they come in json or avro"
        )
    from catenary.codecs.debezium import DebeziumCodec

    return DebeziumCodec(projected(schema, columns), made.of, wrapped=made.name == "json")


class _Maker:
    def __init__(
        self,
        topic: str,
        options: Mapping[str, str],
        schemas: Schemas,
        forms: Mapping[str, int] | None = None,
    ) -> None:
        self._forms = forms
        self.name = options.get("codec", "json")
        self._subject = options.get("subject", f"{topic}-value")
        self._registry = options.get("registry")
        self._schema = options.get("schema")
        self._message = options.get("message")
        self._schemas = schemas

    def of(self, schema: Schema, columns: Collection[str] | None = None) -> Codec:
        """The codec of records with these columns."""
        if self._registry is not None:
            return self._framed(schema, columns)
        if self.name == "json" and self._forms:
            from catenary.codecs.json_rows import JsonCodec

            return JsonCodec(schema, forms=self._forms)
        writer = files = None
        if self._schema is not None and self.name == "protobuf":
            files = self._schemas.file(self._schema)
        elif self._schema is not None:
            writer = self._text(self._schema)
        return codec(
            self.name, schema, writer=writer, files=files, message=self._message, columns=columns
        )

    def _framed(self, schema: Schema, columns: Collection[str] | None) -> Codec:
        from catenary.codecs.framing import FramedCodec
        from catenary.codecs.layout import projected

        assert self._registry is not None, "asked for only with a registry"
        if self.name not in ("json", "avro", "protobuf"):
            raise UnsupportedError(
                f"a registry has no schemas of {self.name}", hint="its are avro, json and protobuf"
            )
        wanted = projected(schema, columns)
        reader = None
        if self.name == "avro" and self._schema is not None:
            reader = self._text(self._schema)
        if self.name == "protobuf":
            from catenary.codecs.protobuf.messages import library

            library()  # that it is not installed is no record's fault

        def reads(held: Registered, place: tuple[int, ...]) -> Headed:
            if self.name == "protobuf":
                from catenary.codecs.protobuf.codec import ProtobufCodec

                return ProtobufCodec(wanted, held.files, path=place)
            if self.name == "json":
                from catenary.codecs.json_rows import JsonCodec

                return JsonCodec(schema, wanted, self._forms)
            from catenary.codecs.avro.codec import AvroCodec

            return AvroCodec(wanted, held.text, reader, held.imports)

        def place(held: Registered) -> tuple[int, ...]:
            if self.name != "protobuf":
                return (0,)
            from catenary.codecs.protobuf.messages import place_of

            return place_of(held.files, self._message)

        registry = self._schemas.registry(self._registry)
        return FramedCodec(wanted, self.name, registry, self._subject, reads, place)

    def _text(self, said: str) -> str:
        """A schema that is written out, or in a file."""
        if said.lstrip()[:1] in ("{", "[", '"'):
            return said
        return self._schemas.text(said)
