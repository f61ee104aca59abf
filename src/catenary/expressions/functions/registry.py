"""One definition per function: its signatures, its value for one row, its Polars form for a batch.

    define("instr", "string, string -> int",
           row=lambda text, part: text.find(part) + 1,
           batch=lambda call, text, part: ...)

`row` is a template of Python source (`"({0} + {1})"`, for what must be fast) or a function.
A strict function (the rule) is null if any argument is null and is never called with a null.
Without `batch`, a batch runs `row` value by value: slower, and the same by construction.

Signatures: types by name, `T` any type, `N` a number, `I` a whole number (each the same wherever
it stands in a signature), `T...` for any number more, `int=1` for one that may be left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from catenary.expressions.tree import Call, Node
    from catenary.schema import Type

Row = str | Callable[..., object]
Batch = Callable[..., Any]
Resolve = Callable[[str, "tuple[Node, ...]"], "tuple[tuple[Node, ...], Type]"]


@dataclass(frozen=True, eq=False)
class Function:
    """What an expression can call.

    Attributes:
        name: the first name; aliases point to the same definition.
        signatures: in the order in which they are tried.
        row: a template over the arguments' values, or a function of them.
        batch: from the call and its arguments' Polars expressions to a Polars expression.
        strict: null where any argument is null.
        resolve: replaces the signatures where a type rule needs more than they can say.
        rewrite: turns the call into other nodes; then neither `row` nor `batch` is needed.
        operator: printed between its arguments.
        nullable: may be null although no argument is.
        group: the heading under which the list of functions shows it.
        module: of a user's function, the one that registered it.
        version: of a user's function, what tells it from an earlier one of that name.
    """

    name: str
    signatures: tuple[str, ...] = ()
    row: Row = ""
    batch: Batch | None = None
    strict: bool = True
    resolve: Resolve | None = None
    rewrite: Callable[[tuple[Node, ...]], Node] | None = None
    operator: bool = False
    nullable: bool = True
    group: str = ""
    module: str = ""
    version: Callable[[], str] | None = None
    aliases: tuple[str, ...] = ()
    typed_row: Callable[[Call], Row] | None = field(default=None)
    printed: Callable[[Call], str] | None = None
    elementwise_batch: Callable[..., Any] | None = None

    def row_of(self, call: Call) -> Row:
        """The row form for the call's types."""
        return self.typed_row(call) if self.typed_row is not None else self.row

    def text(self, call: Call) -> str:
        """The call as normalised SQL."""
        if self.printed is not None:
            return self.printed(call)
        parts = [str(each) for each in call.args]
        if self.operator and len(parts) == 2:
            return f"({parts[0]} {self.name} {parts[1]})"
        return f"{self.name}({', '.join(parts)})"


FUNCTIONS: Final[dict[str, Function]] = {}
"""Every name that can be called, aliases included."""


def define(name: str, *signatures: str, aliases: tuple[str, ...] = (), **rest: Any) -> Function:
    """Adds a function under its name and aliases."""
    made = Function(name, signatures, aliases=aliases, **rest)
    for each in (name, *aliases):
        assert each not in FUNCTIONS, f"{each} is defined twice"
        FUNCTIONS[each] = made
    return made
