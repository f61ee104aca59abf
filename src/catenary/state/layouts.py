"""A plan's GroupBy as its dataset sees it: name, layout of partials, columns that are folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.aggregate.layout import Layout
from catenary.schema import BIGINT

if TYPE_CHECKING:
    from catenary.plan.nodes import GroupByNode


def dataset_name(node: GroupByNode) -> str:
    """Of the GroupBy's dataset: a changed definition builds beside the old one (semantics 27)."""
    return f"{node.name}@{node.fingerprint}"


def layout_of(node: GroupByNode) -> Layout:
    """What its tiles hold."""
    schema = node.sources[0].schema
    types = {name: BIGINT if name == "ts" else schema[name] for name in inputs_of(node)}
    return Layout.of(node.features, passthrough_of(node), types)


def passthrough_of(node: GroupByNode) -> tuple[str, ...]:
    """The columns of the latest row, the one that chooses first (semantics 11)."""
    if node.features:
        return ()
    chosen = (node.latest_by,) if node.latest_by is not None else ()
    return (*chosen, *(name for name in node.passthrough if name not in chosen))


def inputs_of(node: GroupByNode) -> tuple[str, ...]:
    """The columns that are folded or passed through."""
    if not node.features:
        return passthrough_of(node)
    names = (name for each in node.features for name in (each.input, each.bucket) if name)
    return tuple(dict.fromkeys(names))
