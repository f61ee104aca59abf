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

from catenary.codecs import CODECS, codec
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

    check_options(topic, options)
    if options.get("format", "rows") == "rows":
        return _Maker(topic, options, schemas).of(schema, columns)
    times = options.get("times", "ms")
    made = _Maker(topic, options, schemas, DAYS if times == "ms" else DAYS | MICROS)
    from catenary.codecs.debezium import DebeziumCodec

    return DebeziumCodec(projected(schema, columns), made.of, wrapped=made.name == "json")


def check_options(topic: str, options: Mapping[str, str], *, where: str | None = None) -> None:
    """Refuse what can be seen to be wrong in a topic's options before any schema is asked for.

    Raises:
        UnsupportedError: for a codec, format or times that are not known or do not go together, or an
            option that is nearly one.
    """

    def refused(problem: str, hint: str) -> UnsupportedError:
        return UnsupportedError(f"topic {topic!r}: {problem}", where=where, hint=hint)

    for name in options:
        # Others may belong to the log, or to those who wrote the address for something else.
        meant = get_close_matches(name, OPTIONS, n=1, cutoff=0.7)
        if meant and name not in OPTIONS:
            raise refused(f"there is no option {name!r}", f"did you mean {meant[0]!r}?")
    name, form = options.get("codec", "json"), options.get("format", "rows")
    if name not in CODECS:
        raise refused(f"there is no codec {name!r}", nearest(name, CODECS))
    if form not in FORMATS:
        raise refused(f"there is no format {form!r}", nearest(form, FORMATS))
    if form == "rows":
        return
    times = options.get("times", "ms")
    if times not in TIMES:
        raise refused(f"there are no times in {times!r}", nearest(times, TIMES))
    if name not in ("json", "avro"):
        raise refused(f"Debezium's envelopes are not read from {name}", "they come in json or avro")


def schema_file_of(options: Mapping[str, str]) -> str | None:
    """The file that the option `schema` names; None without one, or where it is written out."""
    said = options.get("schema")
    return None if said is None or _is_written_out(said) else said


def _is_written_out(said: str) -> bool:
    return said.lstrip()[:1] in ("{", "[", '"')


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
        return said if _is_written_out(said) else self._schemas.text(said)
