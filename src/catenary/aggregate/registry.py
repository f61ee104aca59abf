"""Every operation by its name; what planning asks for types, and engines for the work.

Light to import: no operation holds Arrow or compiled loops until its `sweep` is called.

Held to account by: ``tests/unit/aggregate/test_operations_types.py``.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from catenary.aggregate.operations.average import Average
from catenary.aggregate.operations.base import LABELS, Operation
from catenary.aggregate.operations.count import Count
from catenary.aggregate.operations.extremes import Max, Min
from catenary.aggregate.operations.histogram import Histogram
from catenary.aggregate.operations.moments import Kurtosis, Skew
from catenary.aggregate.operations.ranked import BottomK, TopK, UniqueTopK
from catenary.aggregate.operations.sum import Sum
from catenary.aggregate.operations.timed import First, FirstK, Last, LastK
from catenary.aggregate.operations.unique_count import UniqueCount
from catenary.aggregate.operations.variance import Stddev, Variance
from catenary.errors import DefinitionError, UnsupportedError, nearest
from catenary.schema import map_of

if TYPE_CHECKING:
    from catenary.aggregate.feature import Feature
    from catenary.schema import Type

_OPERATIONS: Final[tuple[Operation[Any], ...]] = (
    Count(),
    Sum(),
    Average(),
    Variance(),
    Stddev(),
    Skew(),
    Kurtosis(),
    Min(),
    Max(),
    First(),
    Last(),
    FirstK(),
    LastK(),
    TopK(),
    BottomK(),
    UniqueTopK(),
    UniqueCount(),
    Histogram(),
)
_BY_NAME: Final = {each.name: each for each in _OPERATIONS}

_NOT_YET: Final = {
    "bounded_unique_count": "unique_count counts distinct values exactly, without a bound",
    "approx_unique_count": "unique_count counts distinct values exactly",
    "approx_percentile": "top_k and bottom_k give the exact ends; average and stddev the middle",
    "approx_frequent_k": "histogram with k gives the most frequent values exactly",
    "approx_histogram_k": "histogram with k gives the greatest counts exactly",
}


def names() -> tuple[str, ...]:
    """The names of all operations, in the order of the registry."""
    return tuple(_BY_NAME)


def operation(name: str) -> Operation[Any]:
    """The operation of that name, for its types and its sweep.

    Raises:
        UnsupportedError: for an operation that is known and not there; says what to use instead.
        DefinitionError: for an unknown name, with the nearest known one.
    """
    found = _BY_NAME.get(name)
    if found is not None:
        return found
    if name in _NOT_YET:
        problem = f"operation {name!r} is not there yet"
        raise UnsupportedError(problem, hint=_NOT_YET[name])
    problem = f"there is no operation {name!r}"
    raise DefinitionError(problem, hint=nearest(name, _BY_NAME))


def operation_of(feature: Feature) -> Operation[Any]:
    """The feature's operation with the feature's `k`, as the per-event form and the codec need it.

    Raises:
        UnsupportedError, DefinitionError: as `operation`.
    """
    found = operation(feature.operation)
    return replace(found, k=feature.k) if found.needs_k else found


def column_type(feature: Feature, input_type: Type, bucket: Type | None = None) -> Type:
    """The type of the feature's output column, buckets included; checks `k`, `sample` and `default`.

    Args:
        feature: what is computed.
        input_type: of the feature's input column.
        bucket: of its bucket column; None for a feature without buckets.

    Raises:
        UnsupportedError: for an operation, an input type or a bucket type that is not supported.
        DefinitionError: for an unknown operation, and parameters or a default that do not fit.

    >>> from catenary.aggregate.feature import Feature
    >>> from catenary.schema import INT, STRING
    >>> str(column_type(Feature("f", "last_k", "x", k=3, bucket="b"), INT, STRING))
    'map<string,array<int>>'
    """
    assert (feature.bucket is None) == (bucket is None), "a bucket column comes with its type"
    result = operation(feature.operation).output_type(input_type, feature)
    if bucket is not None:
        if bucket.name not in LABELS.names:
            raise UnsupportedError(
                f"feature {feature.name!r}: bucket column {feature.bucket!r} is {bucket}",
                hint=f"buckets are {LABELS.text}; cast the column in the source's selects",
            )
        result = map_of(bucket, result)
    if feature.default is not None:
        _check_default(feature, result)
    return result


def _check_default(feature: Feature, result: Type) -> None:
    """Refuse a default that is not a value of the output column."""
    problem = f"feature {feature.name!r}: default={feature.default!r} is not a value of {result}"
    if result.name == "map":
        hint = "it would replace the whole map; coalesce the map's elements in a derivation instead"
        raise DefinitionError(problem, hint=hint)
    if result.item is None:
        fits = _is_value(feature.default, result)
    else:
        item = result.item
        fits = isinstance(feature.default, tuple) and all(
            _is_value(each, item) for each in feature.default
        )
    if not fits:
        raise DefinitionError(problem, hint=_default_hint(result))


def _is_value(default: object, type_: Type) -> bool:
    """Whether a Python value is a non-null value of a scalar type."""
    if type_.is_integer:
        return _is_number(default) and isinstance(default, int) and _holds(type_, default)
    if type_.is_float:
        return _is_number(default) and math.isfinite(default)  # pyright: ignore[reportArgumentType]
    if type_.name == "boolean":
        return isinstance(default, bool)
    return type_.name == "string" and isinstance(default, str)


def _is_number(default: object) -> bool:
    return isinstance(default, (int, float)) and not isinstance(default, bool)


_BITS: Final = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}


def _holds(type_: Type, number: int) -> bool:
    half = 1 << _BITS[type_.name] - 1
    return -half <= number < half


def _default_hint(result: Type) -> str:
    if result.item is not None:
        return f"give a tuple of {result.item} values, such as () for an empty list"
    if result.name in ("date", "timestamp", "binary"):
        return "no default can be written for this type; use coalesce in a derivation"
    return f"give a value of {result}, or none"
