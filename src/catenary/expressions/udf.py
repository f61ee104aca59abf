"""User functions: ordinary Python functions over Arrow arrays, registered by name with types.

    @register_function("double_up", ["bigint"], "bigint")
    def double_up(values: pa.Array) -> pa.Array:
        return pc.multiply(values, 2)

A batch calls the function once with whole columns, nulls included; a single row calls it with
arrays of one element. It must be pure: one row's result may depend on that row alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from typing import Any, Final, TypeVar

from catenary.errors import CatenaryError, DataError, DefinitionError
from catenary.expressions.functions.registry import Function
from catenary.expressions.identity import identity_of
from catenary.schema import Type, parse_type

F = TypeVar("F", bound=Callable[..., Any])

USER_FUNCTIONS: Final[dict[str, Function]] = {}
"""What `register_function` added, by lower-case name."""


def register_function(
    name: str,
    arguments: Sequence[str | Type],
    returns: str | Type,
    *,
    version: str | int | None = None,
) -> Callable[[F], F]:
    """Registers a function over Arrow arrays under a name that expressions can call.

    Args:
        name: as expressions write it; letter case does not matter.
        arguments: the types, such as `"bigint"`.
        returns: the result's type.
        version: to be changed when the values change; by default the function's code tells, with
            what it uses of its own module (see `identity`).

    Raises:
        DefinitionError: if the name is a built-in function's, or no identifier.
    """
    key = name.lower()
    if not key.isidentifier():
        problem = f"name={name!r} is not an identifier"
        raise DefinitionError(problem)
    if _is_built_in(key):
        problem = f"{name!r} is a built-in function"
        raise DefinitionError(problem, hint="choose another name")
    takes = [each if isinstance(each, Type) else parse_type(each) for each in arguments]
    gives = returns if isinstance(returns, Type) else parse_type(returns)

    def register(function: F) -> F:
        USER_FUNCTIONS[key] = Function(
            key,
            (f"{', '.join(map(str, takes))} -> {gives}",),
            row=partial(_one_row, key, function, tuple(takes), gives),
            batch=partial(_whole_columns, key, function, gives),
            strict=False,
            group="user",
            module=function.__module__,
            version=_versioned(function, version),
        )
        return function

    return register


def _versioned(function: Callable[..., Any], version: str | int | None) -> Callable[[], str]:
    """Told once, when it is first asked: then the module is whole, and nothing has run that fills it."""

    @cache
    def told() -> str:
        return identity_of(function) if version is None else f"v{version}"

    return told


def modules() -> tuple[str, ...]:
    """The modules that registered functions: what another process imports to have them, too."""
    return tuple(sorted({each.module for each in USER_FUNCTIONS.values()} - {"__main__"}))


def _is_built_in(name: str) -> bool:
    from catenary.expressions.functions.catalogue import FUNCTIONS

    return name in FUNCTIONS


@lru_cache(maxsize=256)
def _arrow(type_: Type) -> Any:
    from catenary.schema.arrow import to_arrow

    return to_arrow(type_)


def _one_row(
    name: str, function: Callable[..., Any], takes: tuple[Type, ...], gives: Type, *values: object
) -> object:
    import pyarrow as pa

    columns = [
        pa.array([list(value.items()) if isinstance(value, dict) and type_.name == "map" else value], _arrow(type_))
        for value, type_ in zip(values, takes, strict=True)
    ]  # fmt: skip
    result = _called(name, function, columns, 1, gives)
    value = result[0].as_py()
    return dict(value) if gives.name == "map" and value is not None else value


def _whole_columns(
    name: str, function: Callable[..., Any], gives: Type, call: Any, *expressions: Any
) -> Any:
    import polars as pl

    from catenary.expressions.batch import dtype, to_arrow_array

    takes = [each.type for each in call.args]

    def run(columns: Sequence[Any]) -> Any:
        rows = max((len(each) for each in columns), default=1)
        whole = [each if len(each) == rows else each.new_from_index(0, rows) for each in columns]
        arrays = [to_arrow_array(each, type_) for each, type_ in zip(whole, takes, strict=True)]
        result = _called(name, function, arrays, rows, gives)
        return pl.Series(values=pl.from_arrow(result), dtype=dtype(gives))

    return pl.map_batches(list(expressions), run, return_dtype=dtype(gives))


def _called(
    name: str, function: Callable[..., Any], columns: Sequence[Any], rows: int, gives: Type
) -> Any:
    """What the function gives.

    Raises:
        DataError: if it raises, or gives something else than it was registered with; says where.
    """
    import pyarrow as pa

    try:
        result = function(*columns)
    except CatenaryError:
        raise
    except Exception as error:
        problem = f"user function {name} raised {type(error).__name__}: {error}"
        hint = "mend the function: it gets nulls and any value of its columns, and is called on whole batches"
        raise DataError(problem, where=_raised_at(error), hint=hint) from error
    if isinstance(result, pa.ChunkedArray):
        result = result.combine_chunks()
    if not isinstance(result, pa.Array) or len(result) != rows:
        size = len(result) if isinstance(result, pa.Array) else type(result).__name__
        problem = f"user function {name} gave {size} for {rows} rows"
        raise DataError(problem, hint="return one Arrow array with a value per row")
    if result.type != _arrow(gives):
        problem = f"user function {name} gave {result.type}, registered as {gives}"
        raise DataError(problem, hint="cast the result, or register the type that it has")
    return result


def _raised_at(error: Exception) -> str | None:
    """File and line of the user's code in which it came about: the frame below ours."""
    own = error.__traceback__
    frame = own.tb_next if own is not None else None
    return None if frame is None else f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}"
