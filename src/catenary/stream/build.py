"""A stage from its spec and three ports: what a worker of any engine does with a StageSpec's bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.codecs.topics import NoSchemas, topic_codec
from catenary.definitions import Accuracy
from catenary.plan.stage import enriching, parents, streamed_sources
from catenary.rows.query import columns_read
from catenary.schema import Schema
from catenary.state.layouts import dataset_name
from catenary.stream.lanes import Input
from catenary.stream.pipeline import Pipeline
from catenary.stream.stage import Stage
from catenary.stream.timed import TimedLookup
from catenary.stream.waiting import Parents, edge_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

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
        owner: who runs it, for people.
        phase: told what the stage is about to do.
        schemas: where the schemas of topics are kept, if any need them.

    Raises:
        LogError: if a topic is not there.
        DefinitionError, DataError: if the spec's topics cannot be decoded.
    """
    node = spec.node()
    settings = spec.settings
    if settings.timeout_millis:
        lookup = TimedLookup(lookup, settings.timeout_millis, 1 + settings.retries)
    inputs = [
        Input(
            source,
            log.partitions(resolve(topic)[0]),
            Pipeline(
                node,
                source,
                enriching(scan),
                codec_of(enriching(scan)[0], spec.schemas, resolve, schemas or NoSchemas()),
                lookup,
                settings,
            ),
        )
        for source, scan, topic in streamed_sources(node)
    ]
    edges = tuple(
        edge_of(parent, places)
        for parent in parents(node)
        if parent.accuracy is Accuracy.TEMPORAL and (places := places_of(parent, log, resolve))
    )
    return Stage(
        node,
        inputs,
        Parents(edges, log, store),
        log,
        store,
        settings,
        children=children,
        owned=owned,
        tabled=spec.tabled,
        owner=owner,
        phase=phase,
    )


def places_of(node: GroupByNode, log: Log, resolve: Resolve) -> tuple[SourcePartition, ...]:
    """All source partitions of a GroupBy, ascending."""
    topics = {resolve(topic)[0] for _, _, topic in streamed_sources(node)}
    return tuple(sorted(place for topic in topics for place in log.partitions(topic)))


def codec_of(
    scan: ScanNode, tables: Mapping[str, Schema], resolve: Resolve, schemas: Schemas
) -> Codec:
    """What reads the records of the topic of an event source: its table's columns."""
    assert scan.topic is not None, "only sources with a topic are streamed"
    topic, options = resolve(scan.topic)
    held = tables[scan.table]
    columns = {name: type_ for name, type_ in held.items() if name != scan.partition_column}
    return topic_codec(topic, Schema.of(columns), options, schemas, columns_read(scan))


def children_of(node: GroupByNode, all_: Collection[GroupByNode]) -> tuple[str, ...]:
    """Datasets of the streamed GroupBys that are enriched with this one."""
    return tuple(
        dataset_name(each)
        for each in all_
        if streamed_sources(each)
        and any(dataset_name(parent) == dataset_name(node) for parent in parents(each))
    )


__all__ = ["Resolve", "children_of", "codec_of", "places_of", "stage_of"]
