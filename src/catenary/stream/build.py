"""A stage from its spec and three ports: what a worker of any engine does with a StageSpec's bytes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from catenary.codecs import codec
from catenary.definitions import Accuracy
from catenary.plan.stage import enriching, parents, streamed_sources
from catenary.rows.query import columns_read
from catenary.schema import Schema
from catenary.state.layouts import dataset_name
from catenary.stream.lanes import Input
from catenary.stream.pipeline import Pipeline
from catenary.stream.stage import Stage
from catenary.stream.waiting import Parents, edge_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from catenary.codecs import Codec
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

    Raises:
        LogError: if a topic is not there.
        DefinitionError, DataError: if the spec's topics cannot be decoded.
    """
    node = spec.node()
    own = topics_of(node, resolve)
    for topic in sorted(own):
        log.partitions(topic)  # that one is missing is said now, not in a thread
    inputs = [
        Input(
            source,
            resolve(topic)[0],
            Pipeline(
                node,
                source,
                enriching(scan),
                codec_of(enriching(scan)[0], spec.schemas, resolve),
                lookup,
                spec.settings,
            ),
        )
        for source, scan, topic in streamed_sources(node)
    ]
    edges = tuple(
        edge_of(parent, topics)
        for parent in parents(node)
        if parent.accuracy is Accuracy.TEMPORAL and (topics := topics_of(parent, resolve))
    )
    return Stage(
        node,
        inputs,
        Parents(edges, log, store),
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


def topics_of(node: GroupByNode, resolve: Resolve) -> frozenset[str]:
    """The topics that a GroupBy follows."""
    return frozenset(resolve(topic)[0] for _, _, topic in streamed_sources(node))


def codec_of(scan: ScanNode, schemas: Mapping[str, Schema], resolve: Resolve) -> Codec:
    """What reads the records of the topic of an event source: its table's columns."""
    assert scan.topic is not None, "only sources with a topic are streamed"
    _, options = resolve(scan.topic)
    held = schemas[scan.table]
    columns = {name: type_ for name, type_ in held.items() if name != scan.partition_column}
    return codec(
        options.get("codec", "json"),
        Schema.of(columns),
        writer=options.get("schema"),
        columns=columns_read(scan),
    )


def children_of(node: GroupByNode, all_: Collection[GroupByNode]) -> tuple[str, ...]:
    """Datasets of the streamed GroupBys that are enriched with this one."""
    return tuple(
        dataset_name(each)
        for each in all_
        if streamed_sources(each)
        and any(dataset_name(parent) == dataset_name(node) for parent in parents(each))
    )


__all__ = ["Resolve", "children_of", "codec_of", "stage_of", "topics_of"]
