"""Aggregations: enums by number, arguments as text in a map, windows in hours and days.

A window without a bound means all of the past; two of one length in other units are two columns.

Held to account by: ``tests/unit/interop/test_compiled.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from catenary.aggregate import registry
from catenary.definitions import Aggregation, Operation, TimeUnit, Window
from catenary.definitions.origin import placed
from catenary.errors import CatenaryError, DefinitionError

if TYPE_CHECKING:
    from catenary.interop.thrift import Struct

OPERATIONS: Final = (
    "min", "max", "first", "last", "unique_count", "approx_unique_count", "count", "sum", "average",
    "variance", "skew", "kurtosis", "approx_percentile", "last_k", "first_k", "top_k", "bottom_k",
    "histogram", "approx_histogram_k", "bounded_unique_count",
)  # fmt: skip
"""The operations by their number."""
UNITS: Final = (TimeUnit.HOURS, TimeUnit.DAYS)
"""The units of time by their number."""
_UNBOUNDED: Final = (1 << 31) - 1


def aggregations(group_by: Struct) -> list[Aggregation]:
    """The GroupBy's aggregations; one with windows of several kinds is several of ours.

    Raises:
        DefinitionError: for what is malformed.
        UnsupportedError: for an operation or a form of one that is not there.
    """
    return [
        each for given in group_by.structs("aggregations", "Aggregation") for each in _split(given)
    ]


def _split(given: Struct) -> list[Aggregation]:
    given.refuse(
        "elementWise", "operations by element are not there yet", "select the elements as columns"
    )
    column = given.text("inputColumn") or given.lacks("inputColumn")
    operation = _operation(given)
    with placed(given.place()):
        return [
            Aggregation(column, operation, windows=windows, buckets=given.texts("buckets"))
            for windows in _windows(given)
        ]


def _operation(given: Struct) -> Operation:
    number = given.number("operation")
    at = given.place("operation")
    if number is None or not 0 <= number < len(OPERATIONS):
        problem = f"operation={number} is none of the {len(OPERATIONS)} that are known"
        raise DefinitionError(problem, where=at)
    name = OPERATIONS[number]
    try:
        registry.operation(name)
    except CatenaryError as error:
        raise type(error)(error.problem, where=at, hint=error.hint) from None
    arguments = dict(given.mapping("argMap") or {})
    k = arguments.pop("k", None)
    takes_k = name.endswith("_k") or name == "histogram"
    if arguments or (k is not None and not takes_k):
        unknown = next(iter(arguments), "k")
        problem = f"operation {name!r} has no argument {unknown!r}"
        raise DefinitionError(problem, where=given.place("argMap"))
    if k is not None and not (k.isascii() and k.isdecimal()):
        raise DefinitionError(f"k={k!r} is no number", where=given.place("argMap"))
    if name == "histogram":
        return Operation(name, k=int(k or 0) or None)  # 0 keeps all, as it does there
    if takes_k and k is None:
        problem = f"operation {name!r} has no k"
        raise DefinitionError(problem, where=given.place("argMap"), hint='write {"k": "3"}')
    with placed(at):
        return Operation(name, k=None if k is None else int(k))


def _windows(given: Struct) -> list[list[Window]]:
    """The windows of each of our aggregations: one without any means all of the past."""
    groups: list[list[Window]] = []
    for each in given.structs("windows", "Window"):
        length, unit = each.number("length"), each.number("timeUnit")
        if unit is None or not 0 <= unit < len(UNITS):
            problem = f"timeUnit={unit} is neither 0 (hours) nor 1 (days)"
            raise DefinitionError(problem, where=each.place("timeUnit"))
        if length is None or not 0 < length < _UNBOUNDED:
            groups.append([])
            continue
        window = Window(length, UNITS[unit])
        last = groups[-1] if groups else []
        if last and all(one.length_ms != window.length_ms for one in last):
            last.append(window)
        else:
            groups.append([window])
    return groups or [[]]
