"""One value explained: what made it online, what the backfill says, and where the two part.

    JOIN, feature, key, instant ──► fetched value, statuses        ┐
                                ──► the engine's value             ├──► equal, or the first event that
        GroupBy ──► upload, tiles ──► records of the log ─┐        │    one side has and the other has not
                ──► rows of the tables ───────────────────┴─ compared
        its chain's parents, as of that event, the same way

Nothing is changed but the tables that the engine needs anyway.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from catenary.app.letters import dead_letters
from catenary.app.requests import request_types
from catenary.app.wiring import engine
from catenary.definitions import Accuracy
from catenary.errors import CatenaryError, DataError, LogError, nearest
from catenary.plan import GroupByNode, JoinNode
from catenary.plan.stage import enriching, streamed_sources
from catenary.ports import SourcePartition, statuses
from catenary.serve.requests import Asked
from catenary.state.keys import encode_key
from catenary.state.layouts import dataset_name, inputs_of, layout_of
from catenary.state.records import ANCIENT_MS
from catenary.state.tracing import packed, trace
from catenary.stream.traced import ORIGIN
from catenary.windows import DAY_MS, ds_start_ms, floor_ms, format_instant, window_start_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from catenary.app.live import Live
    from catenary.plan.nodes import Derivations
    from catenary.serve.answers import Answer
    from catenary.state.records import Upload
    from catenary.state.tracing import TracedTile
    from catenary.stream.stage import Stage

Event = dict[str, Any]

ONLINE: Final = "the stream has it, the tables have not"
TABLES: Final = "the tables have it, the stream has not"


@dataclass(frozen=True)
class Tile:
    """A tile behind a value.

    Attributes:
        origin: `head`, `closed`, `late` or `upload`.
        start_ms, end_ms: the event times that it covers.
        statuses: what its rows said of themselves, the worst first.
        collapsed: whether a window may begin inside it.
    """

    origin: str
    start_ms: int
    end_ms: int
    statuses: tuple[str, ...]
    collapsed: bool


@dataclass(frozen=True)
class Why:
    """What is behind one column of one GroupBy, as of an instant.

    Attributes:
        join: what was read: a Join, or the GroupBy itself.
        feature: its column.
        keys: of the read.
        at_ms: events strictly before it count.
        value: what the store answers.
        statuses: what it says of the answer, the worst first; empty when all is well.
        reason: why it has no answer, as `fetch` tells it; empty if there is nothing to tell.
        backfill: what the engine computes from the tables.
        backfill_error: why it cannot, if so.
        differs: whether the two do; where the tables end before events that the stream has, whether
            they do in what both could have.
        made_of: the columns that a derivation reads, explained; empty for a column of a GroupBy.
        group_by: whose column it is; empty for a derivation.
        start_ms: where the window begins; None without a window.
        upload: the cut-off of the upload that was read; None for none.
        tiles: of the store, in the window, by time.
        records: the events of the log behind it, with topic, partition and offset, by time.
        rows: the events of the tables, by time; None if the engine cannot tell.
        tables_end_ms: where the tables behind its topics end, if events of the stream lie beyond: the
            backfill has yet to see these.
        beyond: how many of `records` they are.
        dead_letters: how many records of the GroupBy's topics are set aside.
        log_error: why the log has no records of it, if so.
        no_key: whether the key is null, so that neither side looks anything up.
        first: the first event that one side has and the other has not; None if there is none.
        first_says: which side has it, or which of the upload's tiles is not what the tables give.
        parents: if the GroupBy is chained: what its rows read, as of `first`, or of the last event.
    """

    join: str
    feature: str
    keys: Mapping[str, Any]
    at_ms: int
    value: object
    statuses: tuple[str, ...]
    backfill: object
    backfill_error: str
    differs: bool
    reason: str = ""
    made_of: tuple[Why, ...] = ()
    group_by: str = ""
    start_ms: int | None = None
    upload: int | None = None
    tiles: tuple[Tile, ...] = ()
    records: tuple[Event, ...] = ()
    rows: tuple[Event, ...] | None = None
    tables_end_ms: int | None = None
    beyond: int = 0
    dead_letters: int = 0
    log_error: str = ""
    no_key: bool = False
    first: Event | None = None
    first_says: str = ""
    parents: tuple[Why, ...] = ()

    def facts(self) -> dict[str, Any]:
        """All of it, for programs."""
        return asdict(self)


@dataclass(frozen=True)
class _Column:
    """A GroupBy's column as a Join reads it."""

    group_by: GroupByNode
    own: str
    keys: tuple[str, ...]


@dataclass(frozen=True)
class _Read:
    """One read of a definition, answered by both sides.

    Attributes:
        output: the engine's; None if it could not tell, which `error` explains.
    """

    node: JoinNode | GroupByNode
    request: Event
    at_ms: int
    answer: Answer
    output: pa.Table | None
    error: str


class Explainer:
    """Explains values of a project's features.

    Args:
        live: its plan, log and store.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._stages: dict[str, Stage] = {}

    @cached_property
    def _job(self) -> Any:
        project = self._live.project
        return project.job(self._live.plan, project.tables, project.warehouse)

    def explain(
        self, name: str, feature: str, request: Mapping[str, Any], at_ms: int, *, depth: int = 1
    ) -> Why:
        """Explain one value.

        Args:
            name: a Join or a GroupBy.
            feature: one of its columns.
            request: key columns, and whatever derivations read.
            at_ms: the instant.
            depth: how many edges of a chain to follow.

        Raises:
            DataError: for an unknown name or column, or a key that is missing.
        """
        request_types(self._live.plan, name)  # names the nearest definition if there is none
        node = self._live.plan.node(name)
        known = _names(node)
        if feature not in known:
            raise DataError(f"{name} has no feature {feature!r}", hint=nearest(feature, known))
        return self._explain(self._read(node, dict(request), at_ms), feature, depth)

    def _read(self, node: JoinNode | GroupByNode, request: Event, at_ms: int) -> _Read:
        """What both sides answer: all columns at once."""
        answer = self._live.fetcher.fetch(node, [request], at=[at_ms])
        rows = Asked.of(node).rows([request]).append_column("ts", pa.array([at_ms], pa.int64()))
        try:
            output, _ = engine().features(self._job, node, rows)
        except CatenaryError as error:
            return _Read(node, request, at_ms, answer, None, str(error))
        return _Read(node, request, at_ms, answer, output, "")

    def _explain(self, read: _Read, feature: str, depth: int) -> Why:
        node = read.node
        columns = _columns(node)
        derived = _inputs(node.derivations, feature)
        value = read.answer.columns.column(feature)[0].as_py()
        backfill = None if read.output is None else read.output.column(feature)[0].as_py()
        seen: dict[str, Any] = {
            "join": node.name,
            "feature": feature,
            "keys": read.request,
            "at_ms": read.at_ms,
            "value": value,
            "backfill": backfill,
            "backfill_error": read.error,
            "differs": not read.error and not _same(value, backfill),
            "reason": read.answer.reasons.get(0, ""),
        }
        if derived is not None:
            parts = tuple(
                self._explain(read, each, depth) for each in sorted(derived & columns.keys())
            )
            said = sorted({word for each in parts for word in each.statuses})
            if any(each.beyond for each in parts):
                seen["differs"] = any(each.differs for each in parts)
            return Why(**seen, statuses=tuple(said), made_of=parts)
        return self._of_column(columns[feature], seen, read, depth)

    def _of_column(
        self,
        column: _Column,
        seen: dict[str, Any],
        read: _Read,
        depth: int,
    ) -> Why:
        node, at_ms = column.group_by, read.at_ms
        if isinstance(read.node, JoinNode):
            at_ms += read.node.shift_ms
        said = statuses.listed(int(read.answer.parts[node.name][0]))
        if node.accuracy is Accuracy.SNAPSHOT:
            at_ms = floor_ms(at_ms, DAY_MS)
        start_ms = _start(node, column.own, at_ms)
        entity = encode_key([read.request.get(name) for name in column.keys])
        if entity is None:
            return Why(**seen, statuses=said, group_by=node.name, no_key=True)
        upload, tiles = self._stored(node, entity, at_ms, start_ms)
        since = min([start_ms, *(each.start_ms for each in tiles)])
        records, letters, lacking = self._records(node, entity, since, at_ms)
        rows = self._rows(node, entity, since, at_ms)
        ends = self._ends(node)
        both = [each for each in records if each["ts"] < ends.get(each["source"], each["ts"] + 1)]
        first, says = (None, "") if rows is None else _parting(node, upload, tiles, both, rows)
        shown = [each for each in records if each["ts"] >= start_ms]
        beyond = len(shown) - sum(each["ts"] >= start_ms for each in both)
        if beyond and not read.error:
            seen["differs"] = first is not None
        last = records[-1] if records else None
        followed = first if first is not None and "offset" in first else last
        return Why(
            **seen,
            statuses=said,
            group_by=node.name,
            start_ms=None if start_ms == ANCIENT_MS else start_ms,
            upload=None if upload is None else upload.cutoff_ms,
            tiles=tuple(
                Tile(x.origin, x.start_ms, x.end_ms, statuses.listed(x.status), x.collapsed)
                for x in tiles
            ),
            records=tuple(shown),
            rows=None if rows is None else tuple(x for x in rows if x["ts"] >= start_ms),
            tables_end_ms=min(ends.values(), default=None) if beyond else None,
            beyond=beyond,
            dead_letters=letters,
            log_error=lacking,
            first=first,
            first_says=says,
            parents=self._parents(node, followed, depth) if followed and depth else (),
        )

    def _stored(
        self, node: GroupByNode, entity: bytes, at_ms: int, start_ms: int
    ) -> tuple[Upload | None, list[TracedTile]]:
        dataset = self._live.store.dataset(dataset_name(node))
        if dataset is None:
            return None, []
        with dataset.snapshot() as snapshot:
            upload, tiles = trace(layout_of(node), snapshot, entity, at_ms)
        return upload, [each for each in tiles if each.end_ms > start_ms]

    def _records(
        self, node: GroupByNode, entity: bytes, start_ms: int, at_ms: int
    ) -> tuple[list[Event], int, str]:
        """The log's events of the key, how many dead letters there are, and which topic is lacking."""
        if node.name not in {each.name for each in self._live.stages}:
            return [], 0, ""
        letters = sum(each.is_open for each in dead_letters(self._live, dataset_name(node)))
        try:
            stage = self._stage(node)
        except LogError as error:  # a topic that nothing was published to has no records
            return [], letters, error.problem
        events: list[Event] = stage.events(entity, start_ms, at_ms).to_pylist()
        return events, letters, ""

    def _rows(
        self, node: GroupByNode, entity: bytes, start_ms: int, at_ms: int
    ) -> list[Event] | None:
        """The tables' events of the key; None if the engine cannot tell."""
        try:
            rows: list[Event] = engine().events(self._job, node, entity, at_ms).to_pylist()
        except CatenaryError:
            return None  # the same that `backfill_error` tells
        return [each for each in rows if each["ts"] >= start_ms]

    def _ends(self, node: GroupByNode) -> dict[int, int]:
        """Of each source that follows a topic, where its table's days end; none of one without days."""
        found: dict[int, int] = {}
        for source, scan, _ in streamed_sources(node):
            root = scan.root
            tables = self._live.project.tables
            days = tables.table(root.table, partition_column=root.partition_column).partitions()
            if days:
                found[source] = ds_start_ms(days[-1]) + DAY_MS
        return found

    def _parents(self, node: GroupByNode, event: Event, depth: int) -> tuple[Why, ...]:
        """What a row of a chain read, as of its own time; the first Join on its way."""
        scans = enriching(node.sources[event["source"]])
        if len(scans) < 2:
            return ()
        query, join = scans[1], scans[1].parent
        assert join is not None, "every scan after the first reads a Join"
        left = self._stage(node).left(event["source"], event["partition"], event["offset"])
        names = {name for _, each in query.selects for name in each.inputs}
        names |= {name for each in query.wheres for name in each.inputs}
        known = _names(join)
        features = [name for name in sorted(names) if name in known]
        if not features:
            return ()
        asked = {name: value for name, value in left.items() if name in Asked.of(join).types}
        read = self._read(join, asked, event["ts"])
        return tuple(self._explain(read, each, depth - 1) for each in features)

    def _stage(self, node: GroupByNode) -> Stage:
        found = self._stages.get(node.name)
        if found is None:
            found = self._stages[node.name] = self._live.stage(node)
        return found


def _columns(node: JoinNode | GroupByNode) -> dict[str, _Column]:
    """The columns of GroupBys that a definition gives, before its own derivations."""
    if isinstance(node, GroupByNode):
        keys = tuple(name for name, _ in node.keys)
        return {name: _Column(node, name, keys) for name in node.base_schema}
    return {
        joined: _Column(part.group_by, own, part.left_keys)
        for part in node.parts
        for own, joined in part.columns
    }


def _names(node: JoinNode | GroupByNode) -> list[str]:
    """All of them, and its derivations' own."""
    return [*_columns(node), *(node.derivations.output if node.derivations else ())]


def _inputs(derivations: Derivations | None, feature: str) -> set[str] | None:
    """The columns that a derived column is made of, transitively; None if it is not derived."""
    found: set[str] | None = None
    for step in reversed(derivations.steps if derivations else ()):
        if step.name == feature or (found is not None and step.name in found):
            found = (found or set()) | set(step.expression.inputs)
    return found


def _start(node: GroupByNode, column: str, at_ms: int) -> int:
    """Where the column's window begins; of a GroupBy's derived column, that of the longest one."""
    wanted = _inputs(node.derivations, column) or {column}
    starts = [
        ANCIENT_MS
        if each.window_ms is None or each.hop_ms is None
        else window_start_ms(at_ms, each.window_ms, each.hop_ms)
        for each in node.features
        if each.name in wanted
    ]
    return min(starts, default=ANCIENT_MS)


def _parting(
    node: GroupByNode,
    upload: Upload | None,
    tiles: Sequence[TracedTile],
    records: Iterable[Event],
    rows: Iterable[Event],
) -> tuple[Event | None, str]:
    """The first event that one side has and the other has not."""
    cutoff = ANCIENT_MS if upload is None else upload.cutoff_ms
    streamed = [each for each in records if each["ts"] >= cutoff or _is_late(each, upload)]
    names = [*dict.fromkeys((*inputs_of(node), "ts"))]
    mine = Counter(_key(each, names) for each in streamed)
    late = Counter(_key(each, names) for each in streamed if each["ts"] < cutoff)
    uploaded: list[Event] = []
    found: list[tuple[int, int, Event, str]] = []
    for each in rows:
        key = _key(each, names)
        if each["ts"] >= cutoff:
            if mine[key]:
                mine[key] -= 1
            else:
                found.append((each["ts"], 1, each, TABLES))
        elif late[key]:
            late[key] -= 1
            mine[key] -= 1
        else:
            uploaded.append(each)
    for each in streamed:
        key = _key(each, names)
        if mine[key]:
            mine[key] -= 1
            found.append((each["ts"], 0, each, ONLINE))
    found += _tiles_parting(node, [x for x in tiles if x.origin == "upload"], uploaded, names)
    if not found:
        return None, ""
    _, _, event, says = min(found, key=lambda each: each[:2])
    return event, says


def _tiles_parting(
    node: GroupByNode, tiles: Sequence[TracedTile], rows: Sequence[Event], names: Sequence[str]
) -> list[tuple[int, int, Event, str]]:
    """The upload's tiles that are not what the tables' rows fold to: single events are not in it."""
    layout = layout_of(node)
    found: list[tuple[int, int, Event, str]] = []
    rest = list(rows)
    for tile in tiles:
        inside = [each for each in rest if tile.start_ms <= each["ts"] < tile.end_ms]
        rest = [each for each in rest if not tile.start_ms <= each["ts"] < tile.end_ms]
        span = f"{said_instant(tile.start_ms)} to {said_instant(tile.end_ms)}"
        if not inside:
            event = {"ts": tile.start_ms}
            found.append(
                (tile.start_ms, 0, event, f"the upload has events {span}, the tables none")
            )
            continue
        if packed(layout, inside, names) != tile.packed:
            says = f"the upload's tile {span} is not what the tables' {len(inside)} rows give"
            found.append((inside[0]["ts"], 0, inside[0], says))
    found += [(each["ts"], 1, each, "the tables have it, the upload has not") for each in rest[:1]]
    return found


def _is_late(event: Event, upload: Upload | None) -> bool:
    """Whether a record from before the cut-off is beyond what the upload's tables held."""
    place = SourcePartition(event["topic"], event["partition"])
    included = None if upload is None else upload.includes(place)
    return included is not None and event["offset"] >= included


def _key(event: Event, names: Iterable[str]) -> tuple[str, ...]:
    """An event by its values; by their text, for lists have no hash and NaN equals nothing."""
    return tuple(repr(event[name]) for name in names if name not in ORIGIN)


def _same(mine: object, theirs: object) -> bool:
    return repr(mine) == repr(theirs)


def said_instant(ms: int) -> str:
    """An instant for people."""
    return "the beginning" if ms == ANCIENT_MS else format_instant(ms)
