"""The shape of an operation: pure functions over one partial, in two forms that agree.

    values ──insert──► partial ◄──merge── partial          per event: slow, obvious, what laws say
                          │ ▲
                     finish encode/decode
                          ▼
    column + slices ──sweep──► results                     columnar: compiled, what engines run

A partial is never changed: every function returns a new one. Nulls (None and NaN) never enter it and
-0.0 enters as 0.0 (semantics 10, 14); infinities enter, and `finish` makes a non-finite number null.
`finish` gives None for "no value"; a feature's `default` is the caller's, who alone knows whether the
key was null, and asks `is_empty` whether any non-null input was seen.

Read next: ``sum.py`` (a whole operation), ``../registry.py`` (where it gets its line).
Held to account by: ``tests/property/test_operation_laws.py``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from catenary.aggregate.codec import Reader, Scalar, Writer
from catenary.errors import DataError, DefinitionError, UnsupportedError

if TYPE_CHECKING:
    import pyarrow as pa

    from catenary.aggregate.feature import Feature
    from catenary.schema import Type

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Inputs:
    """The input types that an operation takes.

    Attributes:
        names: of the types.
        text: the same, for people.
    """

    names: frozenset[str]
    text: str


_INTEGERS: Final = frozenset({"tinyint", "smallint", "int", "bigint"})
_NUMBERS: Final = _INTEGERS | {"float", "double", "boolean"}
_ORDERED: Final = _NUMBERS | {"string", "date", "timestamp"}
_SCALARS: Final = _ORDERED | {"binary"}

NUMBERS: Final = Inputs(_NUMBERS, "numbers and booleans")
ORDERED: Final = Inputs(_ORDERED, "numbers, booleans, strings, dates and timestamps")
SCALARS: Final = Inputs(_SCALARS, "numbers, booleans, strings, binaries, dates and timestamps")
LABELS: Final = Inputs(_INTEGERS | {"string", "boolean"}, "strings, integers and booleans")
ANYTHING: Final = Inputs(_SCALARS | {"struct", "void"}, "anything but arrays and maps")


@dataclass(frozen=True, slots=True)
class Operation(ABC, Generic[P]):
    """One operation; the registry hands it out.

    Attributes:
        name: in the registry.
        tag: the second byte of its partials; never reused.
        inputs: the types it takes.
        removable: whether `remove` is there. It is where the partial holds all that the values left
            behind; a partial that keeps only the winners (MIN, LAST, TOP_K, …) cannot give back the
            runner-up, and stays small instead.
        takes_k: whether a `k` may be given.
        needs_k: whether it must be.
        takes_sample: whether there is a sample form.
        k: how many values are kept, of an operation that needs it; the per-event form and the codec
            ask for it, types and the sweep do not.
    """

    name: ClassVar[str]
    tag: ClassVar[int]
    inputs: ClassVar[Inputs]
    removable: ClassVar[bool]
    takes_k: ClassVar[bool] = False
    needs_k: ClassVar[bool] = False
    takes_sample: ClassVar[bool] = False

    k: int | None = None

    # -- types ---------------------------------------------------------------------------------

    def output_type(self, input_type: Type, feature: Feature) -> Type:
        """The type of a result over values of `input_type`, buckets left aside.

        Raises:
            UnsupportedError: for an input type that it does not take.
            DefinitionError: for a `k` that is missing, not positive or has no meaning, and for a
                sample form that there is none of.
        """
        self._check_parameters(feature)
        if input_type.name not in self.inputs.names:
            raise UnsupportedError(
                f"{self.name} does not take {input_type}: column {feature.input!r}",
                hint=f"{self.name} takes {self.inputs.text}; {_way_out(input_type)}",
            )
        return self._result(input_type)

    @abstractmethod
    def _result(self, input_type: Type) -> Type:
        """The output type over an input type that is taken."""

    def _check_parameters(self, feature: Feature) -> None:
        if feature.k is None and self.needs_k:
            problem = f"{self.name} needs k, the number of values to keep"
            raise DefinitionError(problem, hint=f"write Operation.{self.name.upper()}(5)")
        if feature.k is not None and not self.takes_k:
            problem = f"{self.name} takes no k; k={feature.k} was given"
            raise DefinitionError(problem, hint=f"write Operation.{self.name.upper()}")
        if feature.k is not None and feature.k < 1:
            problem = f"{self.name}: k={feature.k} is not positive"
            raise DefinitionError(problem)
        if feature.sample and not self.takes_sample:
            problem = f"{self.name} has no sample form"
            raise DefinitionError(problem, hint="variance and stddev have one")

    # -- per event -----------------------------------------------------------------------------

    @abstractmethod
    def empty(self) -> P:
        """The partial of no values; neutral in `merge`."""

    def is_empty(self, partial: P) -> bool:
        """Whether no non-null input was seen, or all of them were removed."""
        return partial == self.empty()

    def insert(self, partial: P, value: Scalar | None, ts: int) -> P:
        """The partial with one more value, at `ts` ms; a null changes nothing."""
        taken = _stored(value)
        return partial if taken is None else self._insert(partial, taken, ts)

    def remove(self, partial: P, value: Scalar | None, ts: int) -> P:
        """The partial without one value that was inserted, exactly as if it had never been.

        Raises:
            UnsupportedError: where `removable` is false.
        """
        if not self.removable:
            raise UnsupportedError(
                f"{self.name} cannot take a value out of its partial",
                hint="fold the values that are left, or use an operation whose `removable` is true",
            )
        taken = _stored(value)
        return partial if taken is None else self._remove(partial, taken, ts)

    @abstractmethod
    def merge(self, a: P, b: P) -> P:
        """The partial of both multisets of values together."""

    @abstractmethod
    def finish(self, partial: P, feature: Feature) -> Any:
        """The result as a Python value; None when there is none, or it is not finite."""

    def overflowed(self, partial: P) -> bool:
        """Whether `finish` is None because an integer result does not fit 64 bits."""
        return False

    @abstractmethod
    def _insert(self, partial: P, value: Scalar, ts: int) -> P:
        """`insert` of a value that is not null."""

    def _remove(self, partial: P, value: Scalar, ts: int) -> P:
        """`remove` of a value that is not null, where `removable`."""
        raise AssertionError(f"{self.name} says that it is removable and is not")

    # -- columnar ------------------------------------------------------------------------------

    def sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        """One result per slice, `default` left aside.

        Args:
            column: the sorted values of all keys.
            bounds: the slices `[lo, hi)` into it.
            feature: for `k` and `sample`.
        """
        return self._sweep(column, bounds, feature)

    @abstractmethod
    def _sweep(self, column: Any, bounds: Any, feature: Feature) -> pa.Array:
        """`sweep`; imports the compiled loops only now, so that planning stays light."""

    # -- bytes ---------------------------------------------------------------------------------

    def encode(self, partial: P) -> bytes:
        """The partial in the layout of `codec`; equal partials have equal bytes."""
        writer = Writer(self.tag)
        self._write(writer, partial)
        return writer.finish()

    def decode(self, data: bytes) -> P:
        """The partial that `data` encodes.

        Raises:
            DataError: for another version, another operation, and for bytes that `encode` never
                writes.
        """
        reader = Reader(data, self.tag, self.name)
        partial = self._read(reader)
        reader.end()
        if self.encode(partial) != data:
            # One partial, one text of bytes: stores compare bytes to find out what changed.
            problem = f"a partial of {self.name} is damaged: it is not in normal form"
            raise DataError(problem)
        return partial

    @abstractmethod
    def _write(self, writer: Writer, partial: P) -> None:
        """The body of the bytes."""

    @abstractmethod
    def _read(self, reader: Reader) -> P:
        """The partial from the body of the bytes; order and repetition are checked by `decode`."""


def ordering(value: Scalar) -> Any:
    """What `value` is compared by: text by its UTF-8 bytes, all else by itself (semantics 13)."""
    return value.encode() if isinstance(value, str) else value


def finite(value: Scalar) -> Scalar | None:
    """The value as a result: a number that is not finite is null (semantics 14)."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _stored(value: Scalar | None) -> Scalar | None:
    """The value as a partial keeps it: None for null and NaN, 0.0 for -0.0."""
    if not isinstance(value, float):
        return value
    return None if math.isnan(value) else value + 0.0


def _way_out(input_type: Type) -> str:
    """What the author of a refused input can do about it."""
    if input_type.is_nested:
        return "select one element or member of the column, which is folded like any other"
    return "cast the column in the source's selects"
