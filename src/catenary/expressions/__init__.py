"""The select and where language: Spark SQL scalar expressions, with one meaning everywhere.

    compile_expression(text, schema) ──► Expression ──┬─► batch.evaluate(exprs, table)   Polars
                                                      └─► expression.evaluate_row(row)    Python

Parsed and type-checked without data, so a plan finds every mistake that needs none. Each function
has one definition, with its row form and its batch form side by side (`functions/`); golden values
from real Spark hold both to account. What is not there is refused by name. (semantics 26)

Read next: ``docs/expressions.md``, ``parse.py``, ``functions/registry.py``.
Held to account by: ``tests/golden/expressions``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from catenary.expressions.tree import Node, columns_read, versions_called

if TYPE_CHECKING:
    from collections.abc import Mapping

    from catenary.expressions.row import RowFunction
    from catenary.expressions.udf import register_function
    from catenary.schema import Type

__all__ = ["Expression", "compile_expression", "register_function"]


@dataclass(frozen=True)
class Expression:
    """A checked expression.

    Attributes:
        text: as written.
        canonical: normalised SQL, the same for every way of writing the same calls; casts that the
            column types imply are written out.
        type: of its value.
        inputs: the columns that it reads.
        node: its typed tree, for the evaluators.
    """

    text: str
    canonical: str
    type: Type
    inputs: frozenset[str]
    node: Node = field(compare=False, repr=False)

    def evaluate_row(self, row: Mapping[str, object]) -> object:
        """The value for one row that holds at least `inputs`.

        Args:
            row: values as Python has them: int, float, bool, str, bytes, date, aware datetime,
                list, dict (maps and structs), None.
        """
        return self.row_function(row)

    @cached_property
    def row_function(self) -> RowFunction:
        """The generated function behind `evaluate_row`, for tight loops."""
        from catenary.expressions.row import compiled

        return compiled(self.node)

    @cached_property
    def identity(self) -> str:
        """What fingerprints cover: `canonical`, and which functions of users it calls in what version."""
        versions = versions_called(self.node)
        return " ".join(
            [self.canonical, *(f"{name}={versions[name]}" for name in sorted(versions))]
        )

    @cached_property
    def batch_form(self) -> Any:
        """The Polars expression behind `batch.evaluate`, made once."""
        from catenary.expressions.batch import expression_of

        return expression_of(self.node)

    @cached_property
    def bare_column(self) -> str | None:
        """The column that it merely names, if it does no more."""
        if len(self.inputs) != 1:
            return None
        (column,) = self.inputs
        return column if self.text.strip().strip("`") == column else None

    def __reduce__(self) -> tuple[object, ...]:
        # Generated functions don't travel; the text does, and compiles to the same.
        return compile_expression, (
            self.text,
            {each.name: each.type for each in columns_read(self.node)},
        )


def compile_expression(
    text: str, schema: Mapping[str, Type], *, where: str | None = None
) -> Expression:
    """Parses and checks one expression.

    Args:
        text: a Spark SQL scalar expression.
        schema: column types by name; what the expression may read.
        where: the place to name in errors.

    Raises:
        ExpressionError: it does not parse, names an unknown column, or its types do not fit.
        UnsupportedError: it uses what is not there, by name.

    >>> from catenary.schema import BIGINT, Schema
    >>> doubled = compile_expression("CASE WHEN n > 1 THEN n * 2 END", Schema.of(n=BIGINT))
    >>> doubled.canonical, str(doubled.type), doubled.evaluate_row({"n": 21})
    ('CASE WHEN (n > 1L) THEN (n * 2L) ELSE CAST(NULL AS bigint) END', 'bigint', 42)
    """
    from catenary.expressions.check import check
    from catenary.expressions.parse import parse

    node = check(text, parse(text, where=where), schema, where)
    return Expression(
        text, str(node), node.type, frozenset(each.name for each in columns_read(node)), node
    )


def __getattr__(name: str) -> object:
    # `register_function` brings the function list with it, which `compile_expression` does not need
    # before its first call.
    if name == "register_function":
        from catenary.expressions.udf import register_function

        return register_function
    problem = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(problem)
