"""Records of one source to rows that are ready to fold.

    bytes ──decode──► left query ──► [features of a Join beside ──► JoinSource's query]… ──► rows

What fails is set aside alone: a record that does not decode, a row without a time, a row whose query
or enrichment raises. Rows keep the offset of the record that they came from.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from catenary.errors import CatenaryError, RunError
from catenary.ports import statuses
from catenary.rows.columns import dates_of, int64_values, unlikely_time
from catenary.rows.joins import beside, reads_dates
from catenary.rows.query import columns_read, filtered, projected
from catenary.schema.arrow import to_arrow
from catenary.state.fold import Batch, Mark
from catenary.state.keys import encode_key, entities
from catenary.state.layouts import inputs_of
from catenary.state.records import NOWHERE_MS
from catenary.stream.letters import Letter
from catenary.windows import unlikely

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from catenary.codecs import Codec
    from catenary.plan.nodes import GroupByNode, JoinNode, ScanNode
    from catenary.plan.settings import ChainSettings
    from catenary.ports import Looked, Lookup, Records
    from catenary.state.records import Lane

ROW: Final = "__row"
"""The place of a row's record in its batch."""
ASIDE: Final = "__aside"
"""Whether the topic's own query raised for a row: it stays to mark its key."""
_AT: Final = "__at"
_NEWEST_MS: Final = 1 << 61
_BACKOFF_S: Final = 0.05


@dataclass
class Decoded:
    """Rows of one lane after the left query.

    Attributes:
        lane: where they came from.
        records: as they were read.
        rows: the left's columns, `ts`, `ROW`, `ASIDE`.
        letters: what was set aside so far.
        remarks: what is doubtful about rows that are not set aside, in words by column.
        refused: (step, reason) if none of the rows is to be enriched.
    """

    lane: Lane
    records: Records
    rows: pa.Table
    letters: list[Letter] = field(default_factory=list[Letter])
    remarks: dict[str, str] = field(default_factory=dict[str, str])
    refused: tuple[str, str] | None = None


@dataclass
class Enriched:
    """Rows of one lane, ready to fold.

    Attributes:
        batch: the rows.
        letters: what was set aside.
        null_keys: rows that belong to no key.
        remarks: what is doubtful about rows all the same, in words by column.
        statuses: how many rows were enriched with what status, by edge.
    """

    batch: Batch
    letters: list[Letter]
    null_keys: int
    remarks: dict[str, str]
    statuses: Counter[tuple[str, str]]


class EnrichmentFailedError(RunError):
    """A row's enrichment failed, and the settings say that the stage stops then."""


class Pipeline:
    """One source of a GroupBy.

    Args:
        node: the GroupBy.
        source: the source's place among the GroupBy's.
        scans: from the topic's own query to the GroupBy's: one, and one more per Join on the way.
        codec: of the topic's records.
        lookup: how Joins are read.
        settings: what happens when an enrichment fails, and as of when parents are read.
        watch: told of each step, and shown the rows that came out of it.
    """

    def __init__(
        self,
        node: GroupByNode,
        source: int,
        scans: tuple[ScanNode, ...],
        codec: Codec,
        lookup: Lookup,
        settings: ChainSettings,
        watch: Callable[[str, pa.Table], None] | None = None,
    ) -> None:
        self._node = node
        self._source = source
        self._scans = scans
        self._codec = codec
        self._lookup = lookup
        self._settings = settings
        self._watch = watch
        self._keys = [name for name, _ in node.keys]
        self._dated = ["ds" in columns_read(scan) for scan in scans]
        self._folded = list(dict.fromkeys((*inputs_of(node), "ts")))

    @property
    def joins(self) -> tuple[JoinNode, ...]:
        """The Joins that rows are enriched with, in order."""
        return tuple(each.parent for each in self._scans if each.parent is not None)

    def decode(self, lane: Lane, records: Records) -> Decoded:
        """The rows after the topic's own query; what cannot be read is set aside."""
        found = self._codec.decode(records.values)
        done = Decoded(lane, records, found.rows)
        for each in found.rejected:
            done.letters.append(self._letter(lane, records, each.row, "decode", each.reason))
        self._watched("decoded", found.rows)
        rows = found.rows.append_column(ROW, pa.array(found.kept, pa.int64()))
        none = np.zeros(rows.num_rows, np.int64)
        rows, _, aside = self._query(self._scans[0], rows, none, none != 0, done)
        done.rows = self._timed(rows.append_column(ASIDE, pa.array(aside)), done)
        done.remarks = self._doubts(done.rows)
        self._watched("query of the topic", done.rows)
        return done

    def only(self, done: Decoded, wanted: np.ndarray) -> Decoded:
        """The rows of these places."""
        return replace(done, rows=done.rows.filter(pa.array(wanted)))

    def enrich(self, done: Decoded, inherited: int = statuses.OK) -> Enriched:
        """Read the Joins on the way, apply their queries, find the rows' entities.

        Args:
            done: rows after the topic's own query.
            inherited: a status of the whole batch, such as that parents were not waited for.

        Raises:
            EnrichmentFailedError: for a row that fails under `on_enrich_error=fail`.
            RunError: if a store cannot be reached.
        """
        counted: Counter[tuple[str, str]] = Counter()
        rows = done.rows
        aside = rows.column(ASIDE).to_numpy()
        status = np.where(aside, inherited | statuses.SET_ASIDE, inherited).astype(np.int64)
        if done.refused is not None and self.joins:
            step, reason = done.refused
            for record in rows.filter(pa.array(~aside)).column(ROW).to_pylist():
                done.letters.append(self._letter(done.lane, done.records, record, step, reason))
            status, aside = status | statuses.SET_ASIDE, np.ones(rows.num_rows, bool)
        for scan, dated in zip(self._scans[1:], self._dated[1:], strict=True):
            join = scan.parent
            assert join is not None, "every scan after the first reads a Join"
            if done.refused is not None:
                rows = _without_features(join, rows)
            else:
                found = self._with_features(join, rows, status, aside, done, counted)
                rows, status, aside = found
            self._watched(f"enriched by {join.name}", rows)
            if dated:
                rows = rows.append_column("ds", dates_of(rows.column("ts")))
            rows, status, aside = self._query(scan, rows, status, aside, done)
            self._watched(f"query of {join.name}", rows)
        return self._ready(rows, status, aside, done, counted)

    def _with_features(
        self,
        join: JoinNode,
        rows: pa.Table,
        status: np.ndarray,
        aside: np.ndarray,
        done: Decoded,
        counted: Counter[tuple[str, str]],
    ) -> tuple[pa.Table, np.ndarray, np.ndarray]:
        """The Join's output rows: its left's columns, `ts`, its features."""
        at = rows.column("ts").to_numpy()
        extra = statuses.OK
        if not self._settings.event_time_query:
            at, extra = np.full(len(at), _NEWEST_MS, np.int64), statuses.SHIFTED
        left = rows
        if reads_dates(join) and "ds" not in rows.column_names:
            left = rows.append_column("ds", dates_of(rows.column("ts")))
        looked = self._lookup.join(join, left, at)
        tries = self._settings.retries if self._settings.on_enrich_error == "retry" else 0
        for number in range(tries):
            if not _failed(looked, aside):
                break
            time.sleep(_BACKOFF_S * 2**number)
            looked = self._lookup.join(join, left, at)
        for part, bits in looked.parts.items():
            for each, many in _counts(bits):
                counted[part, statuses.worst(each)] += many
        status = status | (looked.status & statuses.INHERITED) | extra
        carried = [*(name for name, _ in join.left.selects), "ts"]
        output = beside(left, looked.columns, carried).append_column(ROW, rows.column(ROW))
        failed = _failed(looked, aside)
        if not failed:
            return output, status, aside
        return self._after_failures(failed, output, status, aside, done)

    def _after_failures(
        self,
        failed: dict[int, str],
        output: pa.Table,
        status: np.ndarray,
        aside: np.ndarray,
        done: Decoded,
    ) -> tuple[pa.Table, np.ndarray, np.ndarray]:
        """Do with rows that have no answer what the settings say."""
        policy = self._settings.on_enrich_error
        places = np.fromiter(failed, np.int64, len(failed))
        if policy == "fail":
            row = int(places[0])
            record = int(output.column(ROW)[row].as_py())
            where = f"{done.lane.place} offset {int(done.records.offsets[record])}"
            raise EnrichmentFailedError(
                f"{self._node.name}: a row cannot be enriched: {failed[row]}",
                where=where,
                hint="on_enrich_error says what to do instead: retry, dead_letter, null or drop",
            )
        status, aside = status.copy(), aside.copy()
        status[places] |= statuses.SET_ASIDE
        if policy == "null":
            return output, status, aside
        aside[places] = True
        if policy != "drop":
            for row, reason in failed.items():
                record = int(output.column(ROW)[row].as_py())
                letter = self._letter(done.lane, done.records, record, "enrich", reason)
                done.letters.append(letter)
        return output, status, aside

    def _query(
        self,
        scan: ScanNode,
        rows: pa.Table,
        status: np.ndarray,
        aside: np.ndarray,
        done: Decoded,
    ) -> tuple[pa.Table, np.ndarray, np.ndarray]:
        """The rows that meet the query's conditions, as it selects them.

        Rows that were set aside stay, whatever the conditions say: their key is to be marked. So is
        that of a row which the conditions leave out on the word of a doubtful value, and of one for
        which the query raises: what it selects without raising is kept of it.
        """
        status, aside = status.copy(), aside.copy()
        rows = rows.append_column(_AT, pa.array(np.arange(rows.num_rows)))
        kept = rows
        if scan.wheres:
            asked = rows.filter(pa.array(~aside)) if aside.any() else rows
            kept, failed = _guarded(partial(filtered, scan), asked)
            self._set_aside(asked, failed, status, aside, done)
            left_out = (status & statuses.INHERITED) != 0
            left_out[kept.column(_AT).to_numpy()] = False
            aside |= left_out
            if aside.any():
                kept = pa.concat_tables([kept, rows.filter(pa.array(aside))])
        output, failed = _selected(scan, kept)
        self._set_aside(kept, failed, status, aside, done)
        at = kept.column(_AT).to_numpy()
        return output.append_column(ROW, kept.column(ROW)), status[at], aside[at]

    def _set_aside(
        self,
        rows: pa.Table,
        failed: dict[int, str],
        status: np.ndarray,
        aside: np.ndarray,
        done: Decoded,
    ) -> None:
        """Write down for which rows a query raises; those that are aside already have a letter."""
        for row, reason in failed.items():
            at = rows.column(_AT)[row].as_py()
            if not aside[at]:
                record = rows.column(ROW)[row].as_py()
                done.letters.append(self._letter(done.lane, done.records, record, "query", reason))
                status[at] |= statuses.SET_ASIDE
                aside[at] = True

    def _timed(self, rows: pa.Table, done: Decoded) -> pa.Table:
        """Rows with a time that can be theirs; the others are set aside (semantics 7).

        A time is held against when its record was appended, not against now: whoever reads the
        record again decides alike.
        """
        times, nulls = int64_values(rows.column("ts"))
        appended = done.records.append_ms[rows.column(ROW).to_numpy()]
        ahead = (appended >= 0) & (times > appended + self._settings.max_ahead_ms)
        wrong = (times <= -NOWHERE_MS) | (times >= NOWHERE_MS) | ahead
        if nulls is not None:
            wrong |= nulls
        if not wrong.any():
            return rows
        aside = rows.column(ASIDE).to_numpy()
        for at in np.flatnonzero(wrong & ~aside).tolist():
            reason = self._untimely(rows.column("ts")[at].as_py(), int(appended[at]))
            record = rows.column(ROW)[at].as_py()
            done.letters.append(self._letter(done.lane, done.records, record, "time", reason))
        return rows.filter(pa.array(~wrong))

    def _doubts(self, rows: pa.Table) -> dict[str, str]:
        """What is doubtful about the rows' times, though they may be right."""
        time_, first = self._scans[0].time, unlikely_time(rows.column("ts"))
        return {} if first is None or time_ is None else {time_.text: unlikely(time_.text, first)}

    def _untimely(self, ts: int | None, appended_ms: int) -> str:
        """Why a time cannot be a row's."""
        if ts is None:
            return "the row has no time: its time column is null"
        if abs(ts) >= NOWHERE_MS:
            return f"the row's time, {ts} ms, lies beyond all years: are these milliseconds?"
        return (
            f"the row's time, {ts} ms, lies {ts - appended_ms} ms after its record was appended, more"
            f" than max_ahead_ms={self._settings.max_ahead_ms}: are these milliseconds?"
        )

    def _ready(
        self,
        rows: pa.Table,
        status: np.ndarray,
        aside: np.ndarray,
        done: Decoded,
        counted: Counter[tuple[str, str]],
    ) -> Enriched:
        """Rows with their entities; marks instead of rows that were set aside or doubtfully left out."""
        marks: list[Mark] = []
        if aside.any():
            lost = rows.filter(pa.array(aside))
            columns = [lost.column(name).to_pylist() for name in self._keys]
            places = done.records.offsets[lost.column(ROW).to_numpy()].tolist()
            for at, ts in enumerate(lost.column("ts").to_pylist()):
                entity = encode_key([column[at] for column in columns])
                if entity is not None:
                    marks.append(Mark(entity, ts, int(status[aside][at]), places[at]))
            rows, status = rows.filter(pa.array(~aside)), status[~aside]
        codes, known = entities(rows.select(self._keys))
        if self._watch is not None:
            words = pa.array([statuses.worst(each) for each in status.tolist()], pa.string())
            told = rows.append_column("status", words)
            self._watched("aggregated", told.filter(pa.array(codes >= 0)))
        remarks = dict(done.remarks)
        if (codes < 0).any():
            remarks |= {
                name: f"rows whose {name!r} is null, or not in their record, belong to no key"
                for name in self._keys
                if rows.column(name).null_count
            }
        offsets = done.records.offsets[rows.column(ROW).to_numpy()]
        batch = Batch(rows.select(self._folded), codes, known, status, offsets, tuple(marks))
        return Enriched(batch, done.letters, int((codes < 0).sum()), remarks, counted)

    def _watched(self, step: str, rows: pa.Table) -> None:
        """Show a step's rows to whoever watches."""
        if self._watch is not None:
            self._watch(
                step, rows.drop_columns([x for x in (ROW, ASIDE) if x in rows.column_names])
            )

    def _letter(self, lane: Lane, records: Records, row: int, step: str, reason: str) -> Letter:
        return Letter(
            topic=lane.topic,
            partition=lane.partition,
            offset=int(records.offsets[row]),
            source=self._source,
            step=step,
            reason=reason,
            key=records.keys[row].as_py(),
            value=records.values[row].as_py(),
            at_ms=time.time_ns() // 1_000_000,
            append_ms=int(records.append_ms[row]),
        )


def _guarded(
    work: Callable[[pa.Table], pa.Table], rows: pa.Table
) -> tuple[pa.Table, dict[int, str]]:
    """The work's output without the rows for which it raises, and the reasons of those."""
    failed: dict[int, str] = {}

    def attempt(first: int, some: pa.Table) -> list[pa.Table]:
        try:
            return [work(some)]
        except RunError:
            raise
        except Exception as error:
            if some.num_rows == 0:
                raise
            if some.num_rows == 1:
                reason = error.problem if isinstance(error, CatenaryError) else str(error)
                failed[first] = f"{type(error).__name__}: {reason}"
                return [work(some.slice(0, 0))]
            half = some.num_rows // 2
            return [*attempt(first, some.slice(0, half)), *attempt(first + half, some.slice(half))]

    found = attempt(0, rows)
    return found[0] if len(found) == 1 else pa.concat_tables(found), failed


def _counts(bits: np.ndarray) -> Iterator[tuple[int, int]]:
    """Each status, and how many rows have it."""
    if len(bits) and (bits == bits[0]).all():  # as in most batches
        yield int(bits[0]), len(bits)
        return
    for each, many in zip(*np.unique(bits, return_counts=True), strict=True):
        yield int(each), int(many)


def _selected(scan: ScanNode, rows: pa.Table) -> tuple[pa.Table, dict[int, str]]:
    """What a query selects of each row, and why it raises for some: there, what raises is null."""
    output, failed = _guarded(partial(projected, scan), rows)
    if not failed:
        return output, failed
    remains = [_remains(scan, rows.slice(row, 1)) for row in failed]
    raised = np.isin(np.arange(rows.num_rows), list(failed))
    order = np.concatenate([np.flatnonzero(~raised), np.fromiter(failed, np.int64)])
    return pa.concat_tables([output, *remains]).take(pa.array(np.argsort(order))), failed


def _remains(scan: ScanNode, row: pa.Table) -> pa.Table:
    """What a query selects of one row, each column by itself; null for one that raises."""
    alone = {name: replace(scan, selects=((name, each),), time=None) for name, each in scan.selects}
    alone["ts"] = replace(scan, selects=())
    columns: dict[str, pa.ChunkedArray] = {}
    for name, query in alone.items():
        found, failed = _guarded(partial(projected, query), row)
        column = found.column(name)
        columns[name] = pa.chunked_array([pa.nulls(1, column.type)]) if failed else column
    return pa.table(columns)


def _failed(looked: Looked, aside: np.ndarray) -> dict[int, str]:
    """Rows that have no answer, and why; those that were set aside before need none."""
    return {row: reason for row, reason in looked.failed.items() if not aside[row]}


def _without_features(join: JoinNode, rows: pa.Table) -> pa.Table:
    """The Join's output rows with null features: what is left to find their keys by."""
    given = {name: rows.column(name) for name in (*dict(join.left.selects), "ts", ROW)}
    for name, type_ in join.schema.items():
        given.setdefault(name, pa.chunked_array([pa.nulls(rows.num_rows, to_arrow(type_))]))
    return pa.table(given)
