"""A stage from its spec and three ports: what a worker of any engine does with a StageSpec's bytes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from catenary.codecs.topics import NoSchemas, topic_codec
from catenary.definitions import Accuracy
from catenary.errors import DefinitionError, UnsupportedError
from catenary.plan.stage import enriching, parents, streamed_sources
from catenary.rows.query import columns_read
from catenary.schema import Schema
from catenary.state.layouts import dataset_name
from catenary.stream.lanes import Input
from catenary.stream.pipeline import Pipeline
from catenary.stream.rehearsal import Rehearsal, copied
from catenary.stream.stage import Stage
from catenary.stream.timed import TimedLookup
from catenary.stream.waiting import Parents, edge_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    import pyarrow as pa

    from catenary.codecs import Codec
    from catenary.codecs.topics import Schemas
    from catenary.plan.nodes import GroupByNode, ScanNode
    from catenary.plan.stage import StageSpec
    from catenary.ports import Log, Lookup, SourcePartition, Store

    Resolve = Callable[[str], tuple[str, Mapping[str, str]]]
    """A topic's address to its name in the log, and the address's options."""


def stage_of(
    spec: StageSpec,
    log: Log,
    store: Store,
    lookup: Lookup,
    resolve: Resolve,
    *,
    children: Collection[str] = (),
    owned: Collection[SourcePartition] | None = None,
    group: str | None = None,
    owner: str = "",
    phase: Callable[[str], None] = lambda _: None,
    schemas: Schemas | None = None,
) -> Stage:
    """The stage that keeps the spec's GroupBy fresh.

    Args:
        spec: what is computed, and the chain's settings.
        log: where records are.
        store: where state goes.
        lookup: how parents are read.
        resolve: where topics are.
        children: datasets of the GroupBys that are chained on this one.
        owned: the source partitions that this copy follows; None for all.
        group: the group of copies that divides them while it runs; None for no group.
        owner: who runs it, for people.
        phase: told what the stage is about to do.
        schemas: where the schemas of topics are kept, if any need them.

    Raises:
        LogError: if a topic is not there.
        DefinitionError, DataError: if the spec's topics cannot be decoded.
    """
    node = spec.node()
    own = topics_of(node, resolve)
    for topic in sorted(own):
        log.partitions(topic)  # that one is missing is said now, not in a thread
    return Stage(
        node,
        _inputs(spec, node, lookup, resolve, schemas),
        _parents(node, log, store, resolve),
        log,
        store,
        spec.settings,
        children=children,
        owned=owned,
        # Each stage has a group of its own: two that follow one topic each need all of it.
        join=None if group is None else partial(log.join, f"{group}.{node.name}", own),
        tabled=spec.tabled,
        owner=owner,
        phase=phase,
    )


def rehearsal_of(
    spec: StageSpec,
    log: Log,
    store: Store,
    lookup: Lookup,
    resolve: Resolve,
    *,
    scratch: Store,
    show: Callable[[str, pa.Table], None],
    schemas: Schemas | None = None,
) -> Rehearsal:
    """What `stage_of` gives, but for writing anything: each step's rows are shown instead.

    Args:
        spec: what is computed, and the chain's settings.
        log: where records are.
        store: where the state is; it is read only.
        lookup: how parents are read.
        resolve: where topics are.
        scratch: an empty store, which is thrown away.
        show: told of each step, and shown the rows that came out of it.
        schemas: as of `stage_of`.

    Raises:
        LogError, DefinitionError, DataError: as `stage_of`.
    """
    node = spec.node()
    found = store.dataset(dataset_name(node))
    if found is not None:
        made = scratch.dataset(found.name, create=True)
        assert made is not None, "a store makes what it is asked to make"
        copied(found, made)
    return Rehearsal(
        node,
        _inputs(spec, node, lookup, resolve, schemas, show),
        _parents(node, log, store, resolve),
        log,
        scratch,
        spec.settings,
        tabled=spec.tabled,
        show=show,
    )


def _inputs(
    spec: StageSpec,
    node: GroupByNode,
    lookup: Lookup,
    resolve: Resolve,
    schemas: Schemas | None,
    watch: Callable[[str, pa.Table], None] | None = None,
) -> list[Input]:
    """The sources that are streamed, and what is done with their records."""
    settings = spec.settings
    if settings.timeout_millis:
        lookup = TimedLookup(lookup, settings.timeout_millis, 1 + settings.retries)
    return [
        Input(
            source,
            resolve(topic)[0],
            Pipeline(
                node,
                source,
                enriching(scan),
                codec_of(enriching(scan)[0], spec.schemas, resolve, schemas or NoSchemas()),
                lookup,
                settings,
                watch,
            ),
        )
        for source, scan, topic in streamed_sources(node)
    ]


def _parents(node: GroupByNode, log: Log, store: Store, resolve: Resolve) -> Parents:
    edges = tuple(
        edge_of(parent, topics)
        for parent in parents(node)
        if parent.accuracy is Accuracy.TEMPORAL and (topics := topics_of(parent, resolve))
    )
    return Parents(edges, log, store)


def topics_of(node: GroupByNode, resolve: Resolve) -> frozenset[str]:
    """The topics that a GroupBy follows."""
    return frozenset(resolve(topic)[0] for _, _, topic in streamed_sources(node))


def codec_of(
    scan: ScanNode, tables: Mapping[str, Schema], resolve: Resolve, schemas: Schemas
) -> Codec:
    """What reads the records of the topic of an event source: its table's columns."""
    assert scan.topic is not None, "only sources with a topic are streamed"
    topic, options = resolve(scan.topic)
    held = tables[scan.table]
    columns = {name: type_ for name, type_ in held.items() if name != scan.partition_column}
    try:
        return topic_codec(topic, Schema.of(columns), options, schemas, columns_read(scan))
    except (DefinitionError, UnsupportedError) as error:
        where = error.where or scan.where
        raise type(error)(error.problem, where=where, hint=error.hint) from error


def children_of(node: GroupByNode, all_: Collection[GroupByNode]) -> tuple[str, ...]:
    """Datasets of the streamed GroupBys that are enriched with this one."""
    return tuple(
        dataset_name(each)
        for each in all_
        if streamed_sources(each)
        and any(dataset_name(parent) == dataset_name(node) for parent in parents(each))
    )


__all__ = ["Resolve", "children_of", "codec_of", "rehearsal_of", "stage_of", "topics_of"]
