"""Whole tables at a time: expressions run as Polars expressions over Arrow columns.

    table ── only the columns that are read ──► Polars ── one select ──► Arrow, in the declared types
      └── bare columns pass through untouched ───────────────────────────────┘

A function without a Polars form of its own runs its row form value by value. NaN in a column
counts as null (semantics 10), and a NaN result is null; between, NaN is as Spark has it.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pyarrow as pa

from catenary.errors import CatenaryError
from catenary.expressions.row import constant, scalar
from catenary.expressions.tree import Call, Column, Literal, Node, columns_read
from catenary.schema import BOOLEAN, Type
from catenary.schema.arrow import to_arrow

if TYPE_CHECKING:
    from catenary.expressions import Expression

_FEW: Final = 10_000
_RAISED: Final = re.compile(
    r"(.*?)(?:\n  at ([^\n]*))?(?:\n  hint: ([^\n]*))?(?:\n\nThis error occurred.*)?", re.DOTALL
)
_compute: Any = importlib.import_module("pyarrow.compute")  # its functions are made at import
_DTYPES: Final[dict[str, Any]] = {
    "boolean": pl.Boolean, "tinyint": pl.Int8, "smallint": pl.Int16, "int": pl.Int32,
    "bigint": pl.Int64, "float": pl.Float32, "double": pl.Float64, "string": pl.String,
    "binary": pl.Binary, "date": pl.Date, "timestamp": pl.Datetime("us", "UTC"), "void": pl.Null,
}  # fmt: skip


def dtype(type_: Type) -> Any:
    """The Polars type that holds values of `type_`."""
    if type_.name == "array":
        assert type_.item is not None
        return pl.List(dtype(type_.item))
    if type_.name == "map":
        assert type_.item is not None
        assert type_.key is not None
        return pl.Map(dtype(type_.key), dtype(type_.item))
    if type_.name == "struct":
        return pl.Struct({each.name: dtype(each.type) for each in type_.fields})
    return _DTYPES[type_.name]


def evaluate(
    exprs: Mapping[str, Expression] | Sequence[tuple[str, Expression]], table: pa.Table
) -> pa.Table:
    """A table with one column per expression, in order, and the input's rows.

    Args:
        exprs: output name and expression; all are computed in one pass.
        table: holds every column that the expressions read.
    """
    pairs = list(exprs.items() if isinstance(exprs, Mapping) else exprs)
    columns: list[Any] = [None] * len(pairs)
    work: list[tuple[int, Expression]] = []
    clean: dict[str, pa.ChunkedArray] = {}
    for at, (_, expression) in enumerate(pairs):
        node = expression.node
        if table.num_rows == 0:
            columns[at] = pa.array([], to_arrow(node.type))
        elif isinstance(node, Column):
            columns[at] = _cleaned(node, table, clean)
        elif not expression.inputs:
            columns[at] = _repeated(expression.evaluate_row({}), node.type, table.num_rows)
        else:
            work.append((at, expression))
    if work:
        results = _selected([each for _, each in work], table, clean)
        for (at, _), array in zip(work, results, strict=True):
            columns[at] = array
    schema = pa.schema([pa.field(name, to_arrow(each.type)) for name, each in pairs])
    if not pairs:
        return table.select([])
    return pa.Table.from_arrays(columns, schema=schema)


def filter(wheres: Iterable[Expression], table: pa.Table) -> pa.Table:  # noqa: A001 - the word for it
    """The rows for which every condition is true; null counts as not true.

    Args:
        wheres: boolean expressions; none keeps every row.
        table: holds every column that they read.
    """
    named = [(str(at), each) for at, each in enumerate(wheres)]
    if not named:
        return table
    for _, each in named:
        assert each.type == BOOLEAN, "the plan checks that conditions are boolean"
    masks = evaluate(named, table)
    mask = masks.column(0)
    for at in range(1, masks.num_columns):
        mask = _compute.and_kleene(mask, masks.column(at))
    return table.filter(mask, null_selection_behavior="drop")


def _cleaned(node: Column, table: pa.Table, clean: dict[str, pa.ChunkedArray]) -> pa.ChunkedArray:
    """The column in its declared type, NaN as null."""
    known = clean.get(node.name)
    if known is not None:
        return known
    column = table.column(node.name)
    wanted = to_arrow(node.type)
    if column.type != wanted:
        column = column.cast(wanted)
    if node.type.is_float:
        odd = _compute.is_nan(column)
        if _compute.any(odd).as_py():
            column = _compute.if_else(odd, pa.scalar(None, wanted), column)
    clean[node.name] = column
    return column


def _repeated(value: object, type_: Type, rows: int) -> pa.Array:
    arrow = to_arrow(type_)
    if value is None:
        return pa.nulls(rows, arrow)
    return pa.repeat(pa.array([arrow_value(value, type_)], arrow)[0], rows)


def arrow_value(value: Any, type_: Type) -> Any:
    """A row's value as Arrow takes it: maps as pairs."""
    if value is None:
        return None
    if type_.name == "map":
        assert type_.item is not None
        return [(key, arrow_value(each, type_.item)) for key, each in value.items()]
    if type_.name == "array":
        assert type_.item is not None
        return [arrow_value(each, type_.item) for each in value]
    if type_.name == "struct":
        return {each.name: arrow_value(value[each.name], each.type) for each in type_.fields}
    return value


def _selected(
    work: list[Expression], table: pa.Table, clean: dict[str, pa.ChunkedArray]
) -> list[pa.Array]:
    read: dict[str, Column] = {}
    for each in work:
        for column in columns_read(each.node):
            read.setdefault(column.name, column)
    arrow = pa.table({name: _cleaned(column, table, clean) for name, column in read.items()})
    frame = pl.from_arrow(arrow, rechunk=False)
    assert isinstance(frame, pl.DataFrame)
    exprs = [each.batch_form.alias(str(at)) for at, each in enumerate(work)]
    # For a micro-batch, planning and handing work to threads would cost more than the work itself.
    few = table.num_rows <= _FEW
    try:
        done = frame.select_seq(exprs) if few else frame.lazy().select(exprs).collect()
    except CatenaryError as error:
        raise _as_raised(error) from error
    return [_result(done.get_column(str(at)), each.type) for at, each in enumerate(work)]


def _as_raised(error: CatenaryError) -> CatenaryError:
    """The error that a user's function raised; Polars makes it anew from its text, and adds words."""
    found = _RAISED.fullmatch(str(error))
    assert found is not None, "every text fits"
    problem, where, hint = found.groups()
    return type(error)(problem, where=where, hint=hint)


def _result(series: pl.Series, type_: Type) -> pa.Array:
    if type_.is_float and series.is_nan().any():
        series = series.fill_nan(None)
    return to_arrow_array(series, type_)


def to_arrow_array(series: pl.Series, type_: Type) -> pa.Array:
    """The series as Arrow, in exactly the declared type; plain numbers are not copied."""
    wanted = to_arrow(type_)
    array = series.to_arrow(compat_level=pl.CompatLevel.oldest())
    return array if array.type == wanted else array.cast(wanted)


def expression_of(node: Node) -> Any:
    """The Polars expression of a node."""
    if isinstance(node, Column):
        return pl.col(node.name)
    if isinstance(node, Literal):
        return _constant(node.value, node.type)
    if next(columns_read(node), None) is None:
        return _constant(constant(node), node.type)
    args = [expression_of(each) for each in node.args]
    if node.function.batch is not None:
        found = node.function.batch(node, *args)
        if found is not None:
            return found
    return _value_by_value(node, args)


def _constant(value: object, type_: Type) -> Any:
    if type_.is_nested:
        if value is None:
            return pl.lit(None, dtype=dtype(type_))
        array = pa.array([arrow_value(value, type_)], to_arrow(type_))
        return pl.lit(pl.Series(values=pl.from_arrow(array), dtype=dtype(type_))).first()
    return pl.lit(value, dtype=dtype(type_))


def _value_by_value(node: Call, args: list[Any]) -> Any:
    function = scalar(node)
    fixed = [each.value if isinstance(each, Literal) else None for each in node.args]
    moving = [at for at, each in enumerate(node.args) if not isinstance(each, Literal)]
    wanted = dtype(node.type)
    arrow = to_arrow(node.type)

    def run(columns: Sequence[pl.Series]) -> pl.Series:
        rows = max(len(each) for each in columns)
        lists = [_values(each, rows) for each in columns]
        if len(moving) == len(fixed):
            found = list(map(function, *lists))
        else:
            found = _with_fixed(function, fixed, moving, lists)
        if node.type.is_nested:
            array = pa.array([arrow_value(each, node.type) for each in found], arrow)
            return pl.Series(values=pl.from_arrow(array), dtype=wanted)
        return pl.Series(values=pl.from_arrow(pa.array(found, arrow)), dtype=wanted)

    return pl.map_batches([args[at] for at in moving], run, return_dtype=wanted)


def _values(series: pl.Series, rows: int) -> list[Any]:
    values = series.to_list()
    return values if len(values) == rows else values * rows


def _with_fixed(
    function: Callable[..., object], fixed: list[Any], moving: list[int], lists: list[list[Any]]
) -> list[object]:
    found: list[object] = []
    args = list(fixed)
    for values in zip(*lists, strict=True):
        for at, value in zip(moving, values, strict=True):
            args[at] = value
        found.append(function(*args))
    return found
