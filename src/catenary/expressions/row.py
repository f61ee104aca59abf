"""One row at a time: an expression becomes the source of a Python function, compiled once.

    CASE WHEN a > 10 THEN a * 2.0D ELSE b END

    def evaluate(row):
        a = row['a']; b = row['b']
        v0 = None if a is None else (a > 10)
        if v0:
            v1 = None if a is None else float(a)
            ...

Arms of CASE and later arguments of COALESCE run only when they are needed; that is speed, not
meaning, for no function here raises. NaN in a column counts as null, and a NaN result is null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from catenary.expressions import convert
from catenary.expressions.tree import Call, Column, Literal, Node

RowFunction = Callable[[Mapping[str, object]], object]
_DEEP: Final = 60


def compiled(node: Node) -> RowFunction:
    """The function from a row to the node's value."""
    writer = _Writer()
    result = writer.value(node)
    if node.type.is_float:
        writer.line(f"return {result} if {result} == {result} else None")
    else:
        writer.line(f"return {result}")
    source = "def evaluate(row):\n" + "\n".join(writer.lines)
    exec(compile(source, "<expression>", "exec"), writer.names)
    return writer.names["evaluate"]


def constant(node: Node) -> object:
    """The value of a node that reads no column; a NaN stays one, for it is not a result yet."""
    writer = _Writer()
    result = writer.value(node)
    source = "def evaluate():\n" + "\n".join([*writer.lines, f"    return {result}"])
    exec(compile(source, "<expression>", "exec"), writer.names)
    return writer.names["evaluate"]()


def scalar(call: Call) -> Callable[..., object]:
    """The call's own function over argument values, for batches without a Polars form."""
    names = _names()
    inputs = [f"a{at}" for at in range(len(call.args))]
    row = call.function.row_of(call)
    if isinstance(row, str):
        body = row.format(*inputs)
    else:
        names["function"] = row
        body = f"function({', '.join(inputs)})"
    if call.function.strict and inputs:
        nulls = " or ".join(f"{each} is None" for each in inputs)
        body = f"None if {nulls} else {body}"
    return eval(f"lambda {', '.join(inputs)}: {body}", names)


def _names() -> dict[str, Any]:
    return {"convert": convert, "datetime": datetime, "UTC": UTC}


class _Writer:
    """Statements of one function, and the names that they use."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names = _names()
        self.depth = 1
        self.count = 0
        self.columns: dict[str, str] = {}

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def name(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def bound(self, value: object) -> str:
        name = self.name("k")
        self.names[name] = value
        return name

    def value(self, node: Node) -> str:
        """Writes what computes a node; gives the name (or plain literal) that holds it."""
        if isinstance(node, Column):
            return self.column(node)
        if isinstance(node, Literal):
            return self.literal(node)
        if node.function.name == "case" and self.depth < _DEEP:
            return self.case(node)
        if node.function.name == "coalesce" and self.depth < _DEEP:
            return self.coalesce(node)
        return self.call(node)

    def column(self, node: Column) -> str:
        known = self.columns.get(node.name)
        if known is None:
            known = self.columns[node.name] = self.name("c")
            # Columns are read at the top, so that every arm of a CASE sees them.
            top = [f"    {known} = row[{node.name!r}]"]
            if node.type.is_float:
                top.append(f"    if {known} != {known}: {known} = None")
            self.lines[:0] = top
        return known

    def literal(self, node: Literal) -> str:
        value = node.value
        if value is None or isinstance(value, (bool, str)):
            return repr(value) if value is None or isinstance(value, bool) else self.bound(value)
        if isinstance(value, int):
            return f"({value})"
        return self.bound(value)

    def call(self, node: Call) -> str:
        args = [self.value(each) for each in node.args]
        row = node.function.row_of(node)
        text = (
            row.format(*args) if isinstance(row, str) else f"{self.bound(row)}({', '.join(args)})"
        )
        if node.function.strict:
            pairs = zip(args, node.args, strict=True)
            nulls = dict.fromkeys(name for name, each in pairs if not _never_null(each))
            if nulls:
                text = f"None if {' or '.join(f'{each} is None' for each in nulls)} else {text}"
        result = self.name("v")
        self.line(f"{result} = {text}")
        return result

    def case(self, node: Call) -> str:
        result = self.name("v")
        before = self.depth
        for at in range(0, len(node.args) - 1, 2):
            if self.depth >= _DEEP:
                rest = Call(node.function, node.args[at:], node.type)
                self.line(f"{result} = {self.call(rest)}")
                self.depth = before
                return result
            test = self.value(node.args[at])
            self.line(f"if {test}:")
            self.arm(result, node.args[at + 1])
            self.line("else:")
            self.depth += 1
        self.line(f"{result} = {self.value(node.args[-1])}")
        self.depth = before
        return result

    def arm(self, result: str, node: Node) -> None:
        self.depth += 1
        self.line(f"{result} = {self.value(node)}")
        self.depth -= 1

    def coalesce(self, node: Call) -> str:
        result = self.name("v")
        before = self.depth
        self.line(f"{result} = {self.value(node.args[0])}")
        for at, each in enumerate(node.args[1:], 1):
            if self.depth >= _DEEP:
                rest = Call(node.function, node.args[at:], node.type)
                self.line(f"if {result} is None:")
                self.depth += 1
                self.line(f"{result} = {self.call(rest)}")
                break
            self.line(f"if {result} is None:")
            self.depth += 1
            self.line(f"{result} = {self.value(each)}")
        self.depth = before
        return result


def _never_null(node: Node) -> bool:
    if isinstance(node, Literal):
        return node.value is not None
    if isinstance(node, Column) or node.function.nullable:
        return False
    return not node.function.strict or all(_never_null(each) for each in node.args)
