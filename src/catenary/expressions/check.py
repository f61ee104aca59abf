"""From terms to typed nodes: names looked up, functions chosen, casts written out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from catenary.errors import CatenaryError, ExpressionError, UnsupportedError, nearest
from catenary.expressions import types
from catenary.expressions.functions.casts import cast
from catenary.expressions.functions.catalogue import FUNCTIONS
from catenary.expressions.functions.collections import field_of
from catenary.expressions.tree import Call, Column, Literal, Node, Term
from catenary.expressions.udf import USER_FUNCTIONS
from catenary.schema import Type

if TYPE_CHECKING:
    from collections.abc import Mapping

_ELSEWHERE: Final = {
    "aggregations": [
        "count",
        "sum",
        "avg",
        "mean",
        "min",
        "max",
        "first",
        "last",
        "first_value",
        "last_value",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "variance",
        "var_pop",
        "var_samp",
        "skewness",
        "kurtosis",
        "collect_list",
        "collect_set",
        "approx_count_distinct",
        "percentile",
        "percentile_approx",
        "median",
        "mode",
        "max_by",
        "min_by",
        "corr",
        "any",
        "some",
        "every",
        "bool_and",
        "bool_or",
        "count_if",
        "array_agg",
        "histogram_numeric",
        "any_value",
        "listagg",
        "string_agg",
    ],
    "generators, which give several rows,": [
        "explode",
        "explode_outer",
        "posexplode",
        "posexplode_outer",
        "inline",
        "inline_outer",
        "stack",
        "json_tuple",
    ],
    "window functions": [
        "row_number",
        "rank",
        "dense_rank",
        "ntile",
        "lag",
        "lead",
        "cume_dist",
        "percent_rank",
        "nth_value",
    ],
    "functions that take a lambda": [
        "transform",
        "filter",
        "exists",
        "forall",
        "aggregate",
        "reduce",
        "zip_with",
        "map_filter",
        "transform_keys",
        "transform_values",
        "map_zip_with",
        "array_sort",
    ],
}
_ELSEWHERE_HINT: Final = {
    "aggregations": "aggregate with a GroupBy's Aggregation",
    "generators, which give several rows,": "a select gives one row per row",
    "window functions": "aggregate with a GroupBy's Aggregation",
    "functions that take a lambda": "register a user function for it",
}


@dataclass(frozen=True, slots=True)
class Checker:
    """Reads the terms of one text against one schema."""

    text: str
    schema: Mapping[str, Type]
    where: str | None

    def node(self, term: Term) -> Node:
        """The typed node that a term means."""
        if term.kind == "literal":
            assert term.type is not None
            return Literal(term.value, term.type)
        if term.kind == "name":
            return self.column(term)
        try:
            args = tuple(self.node(each) for each in term.args)
        except RecursionError:
            problem = "the expression is nested too deeply"
            raise ExpressionError(problem, where=self.where, hint="split it into steps") from None
        try:
            if term.kind == "cast":
                assert term.type is not None
                return cast(args[0], term.type)
            if term.kind == "field":
                return field_of((args[0], Literal(term.value, Type("string"))))
            return self.call(str(term.value), args)
        except CatenaryError as error:
            if "position" in error.problem and self.text in error.problem:
                raise
            problem = f"{error.problem}, at position {term.at} of {self.text!r}"
            raise type(error)(problem, where=self.where, hint=error.hint) from None

    def column(self, term: Term) -> Node:
        """The column of that name; as in Spark, letter case is only looked at if it must be."""
        name = str(term.value)
        if name in self.schema:
            return Column(name, self.schema[name])
        alike = [each for each in self.schema if each.lower() == name.lower()]
        if len(alike) == 1:
            return Column(alike[0], self.schema[alike[0]])
        what = "ambiguous column" if alike else "unknown column"
        problem = f"{what} {name!r} at position {term.at} of {self.text!r}"
        raise ExpressionError(problem, where=self.where, hint=nearest(name, self.schema))

    def call(self, written: str, args: tuple[Node, ...]) -> Node:
        """The call of a function on typed nodes."""
        name = written.lower()
        function = USER_FUNCTIONS.get(name) or FUNCTIONS.get(name)
        if function is None:
            raise _unknown(name)
        if function.rewrite is not None:
            return function.rewrite(args)
        if function.resolve is not None:
            fixed, type_ = function.resolve(name, args)
            return Call(function, fixed, type_)
        for signature in function.signatures:
            found = types.match(signature, args)
            if found is not None:
                return Call(function, *found)
        given = ", ".join(str(each.type) for each in args)
        problem = f"{name}({given}) does not fit {name}({'; '.join(function.signatures)})"
        decimal = any(each.type == types.DECIMAL for each in args)
        hint = types.DECIMAL_HINT if decimal else "write the cast: CAST(x AS type)"
        raise ExpressionError(problem, hint=hint)


def _unknown(name: str) -> UnsupportedError:
    for kind, names in _ELSEWHERE.items():
        if name in names:
            problem = f"{name} is not scalar: {kind} do not belong in an expression"
            return UnsupportedError(problem, hint=_ELSEWHERE_HINT[kind])
    known = [each for each in (*FUNCTIONS, *USER_FUNCTIONS) if each.isidentifier()]
    hint = nearest(name, known)
    if hint.startswith("known"):
        hint = "docs/expressions.md lists what is there; register_function adds your own"
    return UnsupportedError(f"function {name!r} is not there", hint=hint)


def check(text: str, term: Term, schema: Mapping[str, Type], where: str | None) -> Node:
    """The typed tree of a term.

    Raises:
        ExpressionError: for an unknown column, or types that do not fit.
        UnsupportedError: for a function, cast or type that is not there, by name.
    """
    node = Checker(text, schema, where).node(term)
    if types.has_decimal(node):
        raise types.refuse_decimal(text, where)
    return node
