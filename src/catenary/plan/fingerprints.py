"""Fingerprints: what changes a value, in one canonical form, hashed (semantics 27).

    rows of a left ─┬─► part ──► join        names tables; two parts with one fingerprint
    group_by ───────┘                        hold the same values and are computed once

Covered: tables, expressions in canonical form with their types and the users' functions in them, windows, hops, keys, accuracy, bounds
and everything that is read through a chain. Not covered: names of definitions (they name the table
already), topics but for the accuracy that they imply, metadata, descriptions, where something was
written, and the order of what has no order: wheres, selects, aggregations, parts.

Held to account by: ``tests/unit/plan/test_fingerprints.py``.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import xxhash

from catenary.plan.nodes import GroupByNode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from catenary.aggregate.feature import Feature
    from catenary.expressions import Expression
    from catenary.plan.nodes import Derivations, JoinNode, PartNode, ScanNode

VERSION: Final = 1
"""Raised when the same canonical form begins to mean other values."""


def fingerprint(*facts: object) -> str:
    """32 hexadecimal digits that stand for the given numbers, texts, Nones and lists of those."""
    canonical = json.dumps([VERSION, *facts], separators=(",", ":"), ensure_ascii=False)
    return xxhash.xxh3_128_hexdigest(canonical.encode())


def scan_fingerprint(scan: ScanNode) -> str:
    """Of a source's rows with all of their columns."""
    selects = sorted([name, *_expression(each)] for name, each in scan.selects)
    return fingerprint("scan", _rows(scan), selects)


def group_by_fingerprint(node: GroupByNode) -> str:
    """Of a GroupBy's features by key and instant, sources and their parents included."""
    features = sorted((_feature(each) for each in node.features), key=json.dumps)
    return fingerprint(
        "group_by",
        *_grouping(node),
        features,
        # The order of columns decides between rows of one instant (semantics 11).
        list(node.passthrough),
        node.latest_by,
        _derivations(node.derivations),
    )


def part_fingerprint(
    left: ScanNode, left_keys: Sequence[str], group_by: GroupByNode, shift_ms: int = 0
) -> str:
    """Of a GroupBy's features for the rows of a left, whatever columns those carry along."""
    selects = dict(left.selects)
    keys = [_expression(selects[key]) for key in left_keys]
    return fingerprint("part", _rows(left), keys, group_by.fingerprint, *_shift(shift_ms))


def join_fingerprint(
    left: ScanNode, parts: Iterable[PartNode], derivations: Derivations | None
) -> str:
    """Of a Join's output rows."""
    joined = sorted([part.fingerprint, sorted(map(list, part.columns))] for part in parts)
    return fingerprint("join", left.fingerprint, joined, _derivations(derivations))


def column_fingerprints(node: GroupByNode | JoinNode) -> dict[str, str]:
    """For each column of the node's output, a hash of what its values depend on.

    A changed definition keeps the fingerprints of the columns that it did not change.
    """
    base = _group_by_columns(node) if isinstance(node, GroupByNode) else _join_columns(node)
    if node.derivations is not None:
        for step in node.derivations.steps:
            inputs = [[name, base.get(name)] for name in sorted(step.expression.inputs)]
            filled = base.get(step.name) if step.fills else None
            base[step.name] = fingerprint("derived", _expression(step.expression), inputs, filled)
    return {name: base[name] for name in node.schema if name in base}


def _group_by_columns(node: GroupByNode) -> dict[str, str]:
    shared = _grouping(node)
    columns = {each.name: fingerprint("feature", *shared, _feature(each)) for each in node.features}
    # Columns that pass through come from one row, which all of them decide.
    rows = [*shared, list(node.passthrough), node.latest_by]
    return columns | {name: fingerprint("latest", *rows, name) for name in node.passthrough}


def _join_columns(node: JoinNode) -> dict[str, str]:
    rows, selects = _rows(node.left), dict(node.left.selects)
    columns = {name: fingerprint("left", rows, _expression(each)) for name, each in selects.items()}
    columns["ts"] = fingerprint("left", rows, "ts")
    for part in node.parts:
        read = column_fingerprints(part.group_by)
        keys = [_expression(selects[key]) for key in part.left_keys]
        for name, joined in part.columns:
            columns[joined] = fingerprint("joined", rows, keys, read[name], *_shift(node.shift_ms))
    return columns


def _rows(scan: ScanNode) -> list[object]:
    """What decides which rows a source has, and when; not their columns."""
    return [
        scan.kind,
        # The parent's name is not part of its values; its fingerprint is all of them.
        scan.table if scan.parent is None else scan.parent.fingerprint,
        scan.partition_column if scan.parent is None else None,
        sorted(each.identity for each in scan.wheres),
        None if scan.time is None else _expression(scan.time),
        None if scan.is_snapshot else scan.late_partitions,
        scan.holds,
        scan.start,
        scan.end,
    ]


def _shift(shift_ms: int) -> list[object]:
    """Nothing where parts are read as of a row's own time: that changes no value."""
    return [["shift", shift_ms]] if shift_ms else []


def _grouping(node: GroupByNode) -> list[object]:
    """What all columns of a GroupBy share."""
    sources = sorted(each.fingerprint for each in node.sources)
    return [sources, [[name, str(type_)] for name, type_ in node.keys], node.accuracy.value]


def _feature(feature: Feature) -> list[object]:
    return [
        feature.name,
        feature.operation,
        feature.input,
        feature.window_ms,
        feature.hop_ms,
        feature.bucket,
        feature.k,
        feature.sample,
        repr(feature.default),
    ]


def _derivations(derivations: Derivations | None) -> list[object] | None:
    if derivations is None:
        return None
    steps = [[each.name, *_expression(each.expression), each.fills] for each in derivations.steps]
    return [steps, sorted(derivations.output)]


def _expression(expression: Expression) -> list[object]:
    return [expression.identity, str(expression.type)]
