"""What is appended to topics: rows from files, and dead letters."""

from __future__ import annotations

import logging
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from catenary.app.frames import times
from catenary.errors import DataError, MissingTableError, nearest
from catenary.plan.stage import streamed_sources
from catenary.rows.columns import normal_column, plain, unlikely_time
from catenary.windows import unlikely

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from catenary.app.live import Live
    from catenary.schema import Schema
    from catenary.stream.letters import Letter

_SHOWN = 3
_log: Final = logging.getLogger(__name__)


def read_rows(live: Live, topic: str, file: Path) -> pa.Table:
    """The rows of a file, in the topic's columns.

    Raises:
        DataError: if no definition follows the topic; for rows that do not fit it, with their lines.
        MissingTableError: if there is no such file.
        UnreadableError: for a file that is damaged, or no Parquet though its name says so.
    """
    _, schema = live.topic(topic)
    if file.suffix == ".parquet":
        rows = _parquet(_there(file))
        return fitting(rows, topic, schema, times_of(live, topic), where=str(file))
    from catenary.codecs import codec

    data = sys.stdin.buffer.read() if str(file) == "-" else _there(file).read_bytes()
    lines = [line for line in data.splitlines() if line.strip()]
    decoded = codec("json", schema).decode(pa.array(lines, pa.large_binary()))
    wrong = {each.row: each.reason for each in decoded.rejected} | _misread(lines, schema)
    if wrong:
        first = [f"row {row + 1}: {wrong[row]}" for row in sorted(wrong)[:_SHOWN]]
        raise DataError(
            f"{len(wrong)} of {len(lines)} rows do not fit {topic}: " + "; ".join(first),
            where=str(file),
            hint="nothing was appended; mend them and publish again",
        )
    return decoded.rows


def times_of(live: Live, topic: str) -> frozenset[str]:
    """The columns of a topic that are, as they stand, the time of a source which follows it."""
    from catenary.app.logs import resolve

    found = (
        scan.root.time.bare_column
        for node in live.stages
        for _, scan, address in streamed_sources(node)
        if resolve(address)[0] == topic and scan.root.time is not None
    )
    return frozenset(name for name in found if name is not None)


def warn_of_times(rows: pa.Table, topic: str, columns: Iterable[str]) -> None:
    """Say on the log which columns of instants hold what can hardly be milliseconds."""
    for name in sorted(columns):
        if name in rows.column_names and pa.types.is_integer(rows.schema.field(name).type):
            first = unlikely_time(rows.column(name))
            if first is not None:
                _log.warning("%s: %s", topic, unlikely(name, first))


def fitting(
    rows: object,
    topic: str,
    schema: Schema,
    instants: Collection[str],
    *,
    lacking: bool = False,
    where: str | None = None,
) -> pa.Table:
    """Rows in the form that a topic's columns have.

    Args:
        rows: an Arrow table or a frame.
        topic: whose rows they are to be.
        schema: its columns.
        instants: those that are times; timestamps become milliseconds where these are whole numbers.
        lacking: whether columns may be missing, as a schema of its own has defaults for them.
        where: to name in errors.

    Raises:
        DataError: for anything else, a missing column, or values that do not fit; nothing is appended.
    """
    if not hasattr(rows, "__arrow_c_stream__"):
        raise DataError(
            f"rows for {topic} are {type(rows).__name__}, not a table",
            hint="give an Arrow table or a frame; pa.Table.from_pylist makes one of mappings",
        )
    given: pa.Table = rows if isinstance(rows, pa.Table) else pa.table(rows)
    for name in schema:
        if name not in given.column_names and not lacking:
            problem = f"the rows lack the column {name!r} of {topic}"
            raise DataError(problem, where=where, hint=nearest(name, given.column_names))
    for at, name in enumerate(given.column_names):
        if name in schema:
            column = plain(given.column(at))
            if name in instants and schema[name].is_integer and pa.types.is_temporal(column.type):
                column = times(column, name)
            column = normal_column(column, schema[name], name)
            given = given.set_column(at, name, column)
    return given


def append_letters(
    live: Live,
    topic: str,
    letters: Mapping[str, Sequence[Letter]],
    *,
    partitions: int | None = None,
) -> None:
    """Append dead letters to a topic, for whoever looks after them: a JSON object each.

    Args:
        live: the project's live half.
        topic: its address, or its name in the project's log; in a folder it is made if need be.
        letters: by stage.
        partitions: how many the topic is made with, on a broker, too; in a folder one unless given.

    Raises:
        LogError: if the topic is not there on a broker, or has another number than is given.
    """
    import json

    from catenary.app.logs import makes_topics, open_log, resolve

    settings, name = live.project.settings, resolve(topic)[0]
    values = [
        json.dumps({"stage": stage, **each.facts()}).encode()
        for stage, found in letters.items()
        for each in found
    ]
    with closing(open_log(settings, [topic])) as log:
        if partitions is not None:
            log.create(name, partitions=partitions)
        elif makes_topics(settings, topic) and name not in log.topics():
            log.create(name)
        log.append(name, values)


def _misread(lines: Sequence[bytes], schema: Schema) -> dict[int, str]:
    """Row to what the codec would not say of it: that it is no JSON, or has a member of no column.

    A stage leaves out what it does not know, as producers of later versions may send it. Whoever types
    a file meant a column: a misspelt one must not become a null.
    """
    import msgspec

    members = msgspec.json.Decoder(dict[str, msgspec.Raw])
    found: dict[int, str] = {}
    for row, line in enumerate(lines):
        try:
            unknown = [name for name in members.decode(line) if name not in schema]
        except msgspec.ValidationError:
            continue  # JSON, but no object: the codec says so
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            found[row] = f"this is not JSON: {error}"
            continue
        if unknown:
            found[row] = f"there is no column {unknown[0]!r}, {nearest(unknown[0], schema)}"
    return found


def _parquet(file: Path) -> pa.Table:
    import pyarrow.parquet as pq

    from catenary.tables.parquet.files import unreadable

    try:
        return pq.ParquetFile(file).read()
    except (pa.ArrowException, OSError) as error:
        raise unreadable(file, error, hint="nothing was appended; write the file again") from error


def _there(file: Path) -> Path:
    if not file.is_file():
        raise MissingTableError(f"there is no file {str(file)!r}")
    return file
