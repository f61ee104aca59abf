"""Aggregations to features: types, windows and hops are checked (semantics 2, 3 and 16)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catenary.aggregate.feature import Feature
from catenary.aggregate.registry import column_type
from catenary.definitions import Accuracy
from catenary.errors import CatenaryError, DefinitionError, nearest
from catenary.windows import DAY_MS, format_length

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from catenary.definitions import Aggregation, Window
    from catenary.plan.nodes import ScanNode
    from catenary.schema import Schema, Type


def features_of(aggregations: Iterable[Aggregation]) -> tuple[tuple[Feature, Aggregation], ...]:
    """One feature per output column, each with the aggregation that wrote it."""
    return tuple(
        (_feature(each, name, window, bucket), each)
        for each in aggregations
        for name, window, bucket in each.columns()
    )


def feature_type(feature: Feature, aggregation: Aggregation, schema: Schema) -> Type:
    """The type of the feature's column over rows of `schema`.

    Raises:
        DefinitionError: for an unknown input or bucket, and parameters that do not fit.
        UnsupportedError: for an operation or a type that is not there.
    """
    where = aggregation.where
    for what, name in (("input_column", feature.input), ("bucket", feature.bucket)):
        if name is not None and name not in schema:
            problem = f"{what}={name!r} of {feature.name!r} is not among the sources' columns"
            raise DefinitionError(problem, where=where, hint=nearest(name, schema))
    bucket = None if feature.bucket is None else schema[feature.bucket]
    try:
        return column_type(feature, schema[feature.input], bucket)
    except CatenaryError as error:
        # The registry knows operations and types, and not where they were written.
        raise type(error)(error.problem, where=where, hint=error.hint) from None


def check_windows(
    aggregation: Aggregation, accuracy: Accuracy, sources: Sequence[ScanNode]
) -> None:
    """Refuse windows that cannot be read with this accuracy from these sources.

    A hop is at most as long as its window: a longer one would let the window grow to more than twice
    its length. It need not divide it.

    Raises:
        DefinitionError: naming the window.
    """
    for window in aggregation.windows:
        hop_ms = aggregation.hop_ms(window)
        if hop_ms > window.length_ms and aggregation.hop is not None:
            problem = f"hop={aggregation.hop} is longer than window {window}"
            hint = f"use a hop of at most {window}, such as {format_length(window.default_hop_ms)}"
            raise DefinitionError(problem, where=aggregation.where, hint=hint)
        if accuracy is Accuracy.SNAPSHOT and window.length_ms % DAY_MS:
            problem = f"window {window} is not whole days, and the GroupBy is read at midnights"
            problem += " (snapshot accuracy)"
            hint = (
                "use whole days such as 1d; or accuracy=Accuracy.TEMPORAL, if its rows are events"
            )
            raise DefinitionError(problem, where=aggregation.where, hint=hint)
    if aggregation.windows and any(source.time is None for source in sources):
        problem = f"windows={[str(each) for each in aggregation.windows]} over rows without a time"
        hint = "give the EntitySource a Query(time_column=...), or leave the windows out"
        raise DefinitionError(problem, where=aggregation.where, hint=hint)


def reach_ms(features: Sequence[Feature], sources: Sequence[ScanNode]) -> int | None:
    """How far before a read events may count; see `GroupByNode.reach_ms`."""
    if all(source.is_snapshot for source in sources):
        return 0
    reach = 0
    for feature in features:
        if feature.window_ms is None or feature.hop_ms is None:
            return None
        reach = max(reach, feature.window_ms + feature.hop_ms)
    return reach or None


def _feature(
    aggregation: Aggregation, name: str, window: Window | None, bucket: str | None
) -> Feature:
    operation = aggregation.operation
    return Feature(
        name=name,
        operation=operation.name,
        input=aggregation.input_column,
        window_ms=None if window is None else window.length_ms,
        hop_ms=None if window is None else aggregation.hop_ms(window),
        bucket=bucket,
        k=operation.k,
        sample=operation.sample,
        default=aggregation.default,
    )
