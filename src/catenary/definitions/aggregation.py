"""Windows, operations and aggregations: one feature's fold, as written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Final, TypeVar

from catenary.definitions.origin import written_at
from catenary.definitions.shown import call
from catenary.errors import DefinitionError
from catenary.windows import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, default_hop_ms, parse_length

T = TypeVar("T")

Scalar = bool | int | float | str
"""What `default=` may be."""


class TimeUnit(Enum):
    """The unit of a window's length; the value is its letter."""

    DAYS = "d"
    HOURS = "h"
    MINUTES = "m"
    SECONDS = "s"

    @property
    def ms(self) -> int:
        """Milliseconds of one unit."""
        return _UNIT_MS[self]


_UNIT_MS: Final = {
    TimeUnit.DAYS: DAY_MS,
    TimeUnit.HOURS: HOUR_MS,
    TimeUnit.MINUTES: MINUTE_MS,
    TimeUnit.SECONDS: SECOND_MS,
}


@dataclass(frozen=True, slots=True)
class Window:
    """A span of event time that counts at an instant: `Window(30, TimeUnit.DAYS)` or `"30d"`.

    Raises:
        DefinitionError: if the length is not positive.
    """

    length: int
    unit: TimeUnit

    def __post_init__(self) -> None:
        if self.length <= 0:
            raise DefinitionError(
                f"window length={self.length} is not positive", where=written_at()
            )

    @staticmethod
    def parse(text: str) -> Window:
        """The window that `"30d"`, `"12h"`, `"15m"` or `"90s"` names.

        Raises:
            DefinitionError: if the text is no length; says where it is written.
        """
        try:
            parse_length(text)
        except DefinitionError as error:
            raise DefinitionError(error.problem, where=written_at(), hint=error.hint) from None
        stripped = text.strip()
        return Window(int(stripped[:-1]), TimeUnit(stripped[-1]))

    @property
    def length_ms(self) -> int:
        """The length in milliseconds."""
        return self.length * self.unit.ms

    @property
    def default_hop_ms(self) -> int:
        """The hop to which the start is floored, unless an aggregation names another."""
        return default_hop_ms(self.length_ms)

    def __str__(self) -> str:
        return f"{self.length}{self.unit.value}"

    def __repr__(self) -> str:
        return f"Window({self.length}, TimeUnit.{self.unit.name})"


@dataclass(frozen=True, slots=True)
class Operation:
    """What is computed over a window's values; parameters are part of it.

    `Operation.SUM`, `Operation.LAST_K(5)`, `Operation.HISTOGRAM` or `Operation.HISTOGRAM_K(3)`,
    `Operation.VARIANCE` or `Operation.SAMPLE_VARIANCE`. What each computes, over which inputs, stands
    with its implementation in `catenary.aggregate.operations`.

    Attributes:
        name: the operation's name in the registry, lower case.
        k: how many values are kept, for those that keep some; None otherwise.
        sample: the sample form (divisor n - 1) of VARIANCE and STDDEV.
    """

    name: str
    k: int | None = None
    sample: bool = False

    COUNT: ClassVar[Operation]
    SUM: ClassVar[Operation]
    AVERAGE: ClassVar[Operation]
    VARIANCE: ClassVar[Operation]
    STDDEV: ClassVar[Operation]
    SAMPLE_VARIANCE: ClassVar[Operation]
    SAMPLE_STDDEV: ClassVar[Operation]
    SKEW: ClassVar[Operation]
    KURTOSIS: ClassVar[Operation]
    MIN: ClassVar[Operation]
    MAX: ClassVar[Operation]
    FIRST: ClassVar[Operation]
    LAST: ClassVar[Operation]
    UNIQUE_COUNT: ClassVar[Operation]
    HISTOGRAM: ClassVar[Operation]

    def __post_init__(self) -> None:
        if self.k is not None and self.k < 1:
            raise DefinitionError(f"{self.name}: k={self.k} is not positive", where=written_at())

    @staticmethod
    def FIRST_K(k: int) -> Operation:  # noqa: N802 - operations are spelled as constants
        """The `k` earliest values, oldest first."""
        return Operation("first_k", k=k)

    @staticmethod
    def LAST_K(k: int) -> Operation:  # noqa: N802
        """The `k` latest values, newest first."""
        return Operation("last_k", k=k)

    @staticmethod
    def TOP_K(k: int) -> Operation:  # noqa: N802
        """The `k` greatest values, descending, repeated values kept."""
        return Operation("top_k", k=k)

    @staticmethod
    def BOTTOM_K(k: int) -> Operation:  # noqa: N802
        """The `k` least values, ascending, repeated values kept."""
        return Operation("bottom_k", k=k)

    @staticmethod
    def UNIQUE_TOP_K(k: int) -> Operation:  # noqa: N802
        """The `k` greatest distinct values, descending."""
        return Operation("unique_top_k", k=k)

    @staticmethod
    def HISTOGRAM_K(k: int) -> Operation:  # noqa: N802
        """The `k` greatest counts by value; the smaller value first on ties."""
        return Operation("histogram", k=k)

    def __str__(self) -> str:
        return f"{self.name[:-2]}{self.k}" if self.name.endswith("_k") else self.name

    def __repr__(self) -> str:
        name = f"SAMPLE_{self.name.upper()}" if self.sample else self.name.upper()
        if self.k is not None:
            name = name if name.endswith("_K") else f"{name}_K"
        if not hasattr(Operation, name):
            return call("Operation", self.name, k=(self.k, None), sample=(self.sample, False))
        return f"Operation.{name}" + ("" if self.k is None else f"({self.k})")


def _several(
    name: str, given: T | Iterable[T], kinds: tuple[type[T], ...], example: str, where: str
) -> tuple[T, ...]:
    """What was given once or several times; never None, never of another type.

    Raises:
        DefinitionError: for anything else.
    """
    if isinstance(given, kinds):
        return (given,)
    found: list[T] = []
    for each in given if isinstance(given, Iterable) else (given,):
        if not isinstance(each, kinds):
            what = name.removesuffix("s")
            problem = f"{name}={given!r}: {each!r} is no {what}"
            hint = f'write {name}="{example}" or {name}=["{example}"], or leave it out for none'
            raise DefinitionError(problem, where=where, hint=hint)
        found.append(each)
    return tuple(found)


def _is_one(given: object, *kinds: type) -> bool:
    """Whether users' input has one of these types, whatever it was declared as."""
    return isinstance(given, kinds)


Operation.COUNT = Operation("count")
Operation.SUM = Operation("sum")
Operation.AVERAGE = Operation("average")
Operation.VARIANCE = Operation("variance")
Operation.STDDEV = Operation("stddev")
Operation.SAMPLE_VARIANCE = Operation("variance", sample=True)
Operation.SAMPLE_STDDEV = Operation("stddev", sample=True)
Operation.SKEW = Operation("skew")
Operation.KURTOSIS = Operation("kurtosis")
Operation.MIN = Operation("min")
Operation.MAX = Operation("max")
Operation.FIRST = Operation("first")
Operation.LAST = Operation("last")
Operation.UNIQUE_COUNT = Operation("unique_count")
Operation.HISTOGRAM = Operation("histogram")


@dataclass(frozen=True, init=False)
class Aggregation:
    """One input column folded by one operation, over each window and by each bucket.

    Args:
        input_column: a column of the GroupBy's selects.
        operation: see `Operation`.
        windows: lengths such as `"7d"`; none means all of the past.
        buckets: columns; each gives a map from the bucket's value to the result.
        default: stands in where no non-null input was seen (semantics 10).
        name: replaces the column's name; only where one column results.
        hop: replaces the windows' default hop, such as `"1m"`.

    Raises:
        DefinitionError: for values of the wrong type, a repeated window, or a name for many columns.
    """

    input_column: str
    operation: Operation
    windows: tuple[Window, ...]
    buckets: tuple[str, ...]
    default: Scalar | tuple[Scalar, ...] | None
    name: str | None
    hop: Window | None
    where: str = field(compare=False, repr=False)

    def __init__(
        self,
        input_column: str,
        operation: Operation,
        *,
        windows: str | Window | Iterable[str | Window] = (),
        buckets: str | Iterable[str] = (),
        default: Scalar | Iterable[Scalar] | None = None,
        name: str | None = None,
        hop: str | Window | None = None,
    ) -> None:
        where = written_at()
        if not _is_one(operation, Operation):
            given = getattr(operation, "__name__", repr(operation))
            raise DefinitionError(
                f"operation={given} is not an Operation",
                where=where,
                hint="write Operation.SUM, or Operation.LAST_K(5) for those that take k",
            )
        if not _is_one(input_column, str):
            raise DefinitionError(
                f"input_column={input_column!r} is no column's name",
                where=where,
                hint="write one of the source's selects, such as 'amount'",
            )
        several = _several("windows", windows, (str, Window), "7d", where)
        spans = tuple(Window.parse(each) if isinstance(each, str) else each for each in several)
        by = _several("buckets", buckets, (str,), "country", where)
        if not _is_one(hop, str, Window, type(None)):
            raise DefinitionError(f"hop={hop!r} is no length", where=where, hint='write hop="1m"')
        if len({span.length_ms for span in spans}) < len(spans):
            raise DefinitionError(
                f"windows={[str(s) for s in spans]} names one length twice", where=where
            )
        if name is not None and max(1, len(spans)) * max(1, len(by)) > 1:
            raise DefinitionError(
                f"name={name!r} is given for {max(1, len(spans)) * max(1, len(by))} columns",
                where=where,
                hint="write one Aggregation per named column",
            )
        if isinstance(default, (bool, int, float, str)) or default is None:
            fixed = default
        else:
            fixed = tuple(default)
        set_ = object.__setattr__
        set_(self, "input_column", input_column)
        set_(self, "operation", operation)
        set_(self, "windows", spans)
        set_(self, "buckets", by)
        set_(self, "default", fixed)
        set_(self, "name", name)
        set_(self, "hop", Window.parse(hop) if isinstance(hop, str) else hop)
        set_(self, "where", where)

    def __repr__(self) -> str:
        return call(
            "Aggregation",
            self.input_column,
            self.operation,
            windows=([str(each) for each in self.windows], []),
            buckets=(self.buckets, ()),
            default=(self.default, None),
            name=(self.name, None),
            hop=(None if self.hop is None else str(self.hop), None),
        )

    def columns(self) -> tuple[tuple[str, Window | None, str | None], ...]:
        """Output columns as (name, window, bucket), buckets outermost (semantics 16).

        >>> [name for name, _, _ in Aggregation("price", Operation.LAST_K(5), windows="7d").columns()]
        ['price_last5_7d']
        """
        spans: tuple[Window | None, ...] = self.windows or (None,)
        by: tuple[str | None, ...] = self.buckets or (None,)
        return tuple((self._column(span, bucket), span, bucket) for bucket in by for span in spans)

    def hop_ms(self, window: Window) -> int:
        """The hop to which the start of `window` is floored."""
        return self.hop.length_ms if self.hop is not None else window.default_hop_ms

    def _column(self, window: Window | None, bucket: str | None) -> str:
        if self.name is not None:
            return self.name
        text = f"{self.input_column}_{self.operation}"
        text += f"_{window}" if window is not None else ""
        return text + (f"_by_{bucket}" if bucket is not None else "")
