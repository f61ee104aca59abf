"""What Chronon's driver is told: a compiled definition, properties of Spark's, and what runs of it here.

--conf-path ──► Compiled ──► Driven: live half of the project, with that definition
└──► route: which stages this command runs, and who serves the rest
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from catenary.app.live import Live, chain_of
from catenary.app.status import serving
from catenary.app.wiring import Project, planned
from catenary.errors import DataError, SettingsError, UnsupportedError, nearest
from catenary.interop import is_compiled, read
from catenary.logs.addresses import parse
from catenary.plan.settings import PREFIX, ChainSettings
from catenary.plan.stage import enriching, parents, streamed_sources
from catenary.state.layouts import dataset_name
from catenary.state.records import READERS_KEY, pack, readers_of
from catenary.stream.build import children_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from catenary.interop import Compiled
    from catenary.plan import GroupByNode

_SPARK = "spark."


@dataclass(frozen=True)
class Driven:
    """A compiled definition in a project.

    Attributes:
        compiled: what its file says.
        live: the project's live half, of this definition and what it reads.
        notes: what was given and has no effect, each with the reason.
    """

    compiled: Compiled
    live: Live
    notes: tuple[str, ...]

    @staticmethod
    def open(
        root: Path,
        conf_path: Path,
        *,
        conf: Sequence[str] = (),
        given: Mapping[str, object] | None = None,
        topics: Sequence[str] = (),
        bootstrap: str | None = None,
        kind: str | None = None,
        step_days: int | None = None,
        store: str | None = None,
    ) -> Driven:
        """A compiled definition, with the tables, the log and the store of a project.

        Args:
            root: the project's folder.
            conf_path: the compiled file, from the current folder or from the project's on.
            conf: properties, `name=value`: a chain's settings by Chronon's names or by ours, which win
                over those in the definition's customJson; and others of Spark's.
            given: further settings of the chain.
            topics: `name=address`, for topics that lie elsewhere than the definition says.
            bootstrap: `host:port` of the broker of topics for which none is written.
            kind: `GroupBy` or `Join`, if it must be the one of them.
            step_days: in place of the project's setting.
            store: likewise.

        Raises:
            DefinitionError, UnsupportedError: for a definition that does not fit, or of another kind.
            SettingsError: for a setting that does not fit.
            DataError: for a topic that the definition does not follow.
        """
        elsewhere = dict(_pair(each, "a topic's address") for each in topics)
        addresses = _Addresses(elsewhere, bootstrap)
        below = root / conf_path
        path = below if below.is_file() and not conf_path.is_file() else conf_path
        compiled = read(path, topic=addresses.of)
        addresses.check()
        found = type(compiled.definition).__name__
        if kind is not None and found != kind:
            raise UnsupportedError(
                f"{compiled.name} is a {found}, no {kind}",
                where=compiled.file,
                hint="catenary join takes Joins, the group-by commands take GroupBys",
            )
        flags = {"step_days": step_days, "store": store}
        project = Project.open(root, **{k: v for k, v in flags.items() if v is not None})
        ours = project.settings.path("definitions")
        if ours.exists() and not is_compiled(ours):
            _ = project.definitions  # what is loaded registers its functions
        chain_conf, notes = _split(conf)
        custom, custom_notes = _split(f"{k}={v}" for k, v in compiled.settings.items())
        short = {name.removeprefix(PREFIX) for name in (*chain_conf, *(given or {}))}
        kept = {k: v for k, v in custom.items() if k.removeprefix(PREFIX) not in short}
        chain = chain_of(project, {**kept, **chain_conf, **(given or {})})
        notes += custom_notes + [f"{name} has no effect here" for name in chain.without_effect]
        definitions = {compiled.name: compiled.definition}
        shift_ms = project.settings.query_shift_ms
        plan = planned(definitions, project.tables, query_shift_ms=shift_ms)
        live = Live(project, plan, chain, given=definitions)
        return Driven(compiled, live, (*compiled.notes, *notes))

    def named(self, name: str | None) -> str:
        """The definition of that name among those that are there; its own without one.

        Raises:
            DataError: if it is not there.
        """
        if name is None:
            return self.compiled.name
        known = [each.name for each in self.live.plan.nodes]
        found = written(known, name)
        if found not in known:
            problem = f"{self.compiled.file} holds no definition named {name!r}"
            raise DataError(problem, hint=nearest(found, known))
        return found

    def streamed(self) -> GroupByNode:
        """The GroupBy that is streamed.

        Raises:
            DataError: if it follows no topic.
        """
        node = next((each for each in self.live.stages if each.name == self.compiled.name), None)
        if node is None:
            raise DataError(
                f"{self.compiled.name} follows no topic, or its accuracy is snapshot",
                where=self.compiled.file,
                hint="upload it: its features change once a day",
            )
        return node


def written(known: Collection[str], name: str) -> str:
    """A name as definitions are known by: Chronon writes its first dot as a slash, too."""
    return name if name in known else name.replace("/", ".", 1)


@dataclass(frozen=True)
class Route:
    """How a GroupBy is streamed.

    Attributes:
        target: the GroupBy.
        depth: GroupBys along the longest path.
        steps: from its topics on: an address and the Joins on the way, per source.
        runs: the stages that this command runs, parents first.
        served: the other streamed ancestors, and who runs them; empty where nobody is seen to.
        uploaded: ancestors that follow no topic.
        chain: its settings.
        dry: whether rows are only shown.
    """

    target: GroupByNode
    depth: int
    steps: tuple[tuple[str, tuple[str, ...]], ...]
    runs: tuple[GroupByNode, ...]
    served: Mapping[str, str]
    uploaded: tuple[str, ...]
    chain: ChainSettings
    dry: bool

    def facts(self) -> dict[str, Any]:
        """For programs."""
        return {
            "group_by": self.target.name,
            "chained": self.depth > 1,
            "depth": self.depth,
            "engine": "embedded",
            "sources": [{"topic": topic, "joins": list(joins)} for topic, joins in self.steps],
            "runs": [each.name for each in self.runs],
            "served": dict(self.served),
            "uploaded": list(self.uploaded),
            "settings": self._changed(),
        }

    def __str__(self) -> str:
        kind = f"a chain of depth {self.depth}" if self.depth > 1 else "a simple GroupBy"
        lines = [f"{self.target.name}: {kind}, on the embedded engine"]
        for topic, joins in self.steps:
            lines.append("  " + " ──► ".join((topic, *joins, self.target.name)))
        lines += [f"  runs here: {each.name}" for each in self.runs]
        for name, owner in self.served.items():
            lines.append(f"  reads: {name}, {f'run by {owner}' if owner else 'which nobody runs'}")
        lines += [f"  reads: {name}, from its uploads" for name in self.uploaded]
        if self.depth > 1:
            patience = "they are not waited for" if self.dry else _patience(self.chain)
            lines.append(f"  parents that are behind: {patience}")
        lines += [f"  {name} = {value}" for name, value in self._changed().items()]
        return "\n".join(lines)

    def _changed(self) -> dict[str, Any]:
        """The chain's settings that are not the defaults."""
        usual = ChainSettings()
        held = {x.name: getattr(self.chain, x.name) for x in fields(usual) if x.compare}
        return {name: value for name, value in held.items() if value != getattr(usual, name)}


def route(driven: Driven, node: GroupByNode, *, alone: bool = False, dry: bool = False) -> Route:
    """What this command runs: the GroupBy, and those of its streamed ancestors that nobody runs.

    Args:
        driven: the definition.
        node: its GroupBy.
        alone: none of the ancestors, whoever runs them.
        dry: likewise: nothing is run.
    """
    live = driven.live
    ancestors = _ancestors(node)
    streamed = [each for each in live.stages if each.name in ancestors]
    served = {each.name: serving(live, each) or "" for each in streamed}
    here = [] if alone or dry else [each for each in streamed if not served[each.name]]
    ours = {each.name for each in here}
    return Route(
        target=node,
        depth=_depth(node),
        steps=tuple(
            (topic, tuple(scan.parent.name for scan in enriching(scan_) if scan.parent is not None))
            for _, scan_, topic in streamed_sources(node)
        ),
        runs=() if dry else (*here, node),
        served={name: owner for name, owner in served.items() if name not in ours},
        uploaded=tuple(name for name in ancestors if name not in served),
        chain=live.chain,
        dry=dry,
    )


def register(live: Live, names: Iterable[str]) -> None:
    """Make stages that others run hold their heads for those that are chained on them here."""
    for name in names:
        node = live.group_by(name)
        dataset = live.store.dataset(dataset_name(node), create=True)
        assert dataset is not None, "a store makes what it is asked to make"
        while True:
            with dataset.snapshot() as snapshot:
                held, before = readers_of(snapshot)
            after = held.with_children(children_of(node, live.stages))
            if after is held or dataset.commit({READERS_KEY: before}, [(READERS_KEY, pack(after))]):
                break


class _Addresses:
    """Where topics are, for definitions that say otherwise, or do not say."""

    def __init__(self, elsewhere: Mapping[str, str], bootstrap: str | None) -> None:
        self._elsewhere = elsewhere
        self._bootstrap = bootstrap
        self._seen: set[str] = set()

    def of(self, written: str) -> str:
        """The address of a topic, given the one that is written."""
        found = parse(written)
        name = f"{found.folder}/{found.topic}" if found.folder else found.topic
        self._seen.add(name)
        if name in self._elsewhere:
            return self._elsewhere[name]
        if self._bootstrap is None or found.host or found.scheme == "log":
            return written
        options = f"?{urlencode(found.options)}" if found.options else ""
        return f"kafka://{self._bootstrap}/{quote(found.topic)}{options}"

    def check(self) -> None:
        """Refuse addresses of topics that nothing follows."""
        for name in self._elsewhere:
            if name not in self._seen:
                problem = f"the definition does not follow topic {name!r}"
                raise DataError(problem, hint=nearest(name, self._seen))


def _split(conf: Iterable[str]) -> tuple[dict[str, object], list[str]]:
    """The settings of a chain among some properties, and what is to be said of the others."""
    chain: dict[str, object] = {}
    notes: list[str] = []
    for word in conf:
        name, value = _pair(word, "a property")
        if name.startswith(_SPARK) and not name.startswith(PREFIX):
            notes.append(f"{name} has no effect here: no Spark runs")
        else:
            chain[name] = value
    return chain, notes


def _pair(word: str, what: str) -> tuple[str, str]:
    name, separator, value = word.partition("=")
    if not (name and separator):
        raise SettingsError(f"{word!r} is no name=value", hint=f"{what} is given as name=value")
    return name, value


def _ancestors(node: GroupByNode) -> dict[str, GroupByNode]:
    """The GroupBys that its streamed rows are enriched with, transitively, by name."""
    found: dict[str, GroupByNode] = {}
    for each in parents(node):
        found |= {**_ancestors(each), each.name: each}
    return found


def _depth(node: GroupByNode) -> int:
    return 1 + max((_depth(each) for each in parents(node)), default=0)


def _patience(chain: ChainSettings) -> str:
    patience = chain.patience_ms
    if patience is None:
        return "each batch waits until they have caught up"
    slept = f"each batch sleeps {chain.pause_ms:,} ms" if chain.pause_ms else ""
    waits = f"each batch waits for {patience:,} ms without any advance" if patience else ""
    late = "its rows are dead letters" if chain.on_parent_late == "dead_letter" else "it proceeds"
    return ", then ".join(each for each in (slept, waits, late) if each)
