"""Show what comes from where: tables, GroupBys and Joins, or one column down to its sources.

`catenary lineage` draws the graph of all definitions; `catenary lineage flight_risk.risk` follows one
column through every chain to the source columns that it is made of.
"""

import json as json_
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from catenary.cli.console import emit, say
from catenary.cli.opening import Definitions, Json, Root, opened
from catenary.plan import lineage


class Format(Enum):
    """How lineage is written."""

    TEXT = "text"
    JSON = "json"
    MERMAID = "mermaid"


def command(
    name: Annotated[
        str | None, typer.Argument(help="a definition, or definition.column; all without")
    ] = None,
    column: Annotated[
        str | None, typer.Argument(help="one of its columns, as definition.column says it, too")
    ] = None,
    *,
    form: Annotated[Format, typer.Option("--format", help="text, json or mermaid")] = Format.TEXT,
    definitions: Definitions = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Print the lineage."""
    project = opened(root, definitions=definitions)
    asked = name if column is None else f"{name}.{column}"
    target, wanted = _split(asked, set(project.definitions))
    found = lineage(project.plan(None if target is None else [target]), wanted)
    if json:
        emit(json_.loads(found.json()))
    elif form is Format.JSON:
        say(found.json())
    else:
        say(found.mermaid() if form is Format.MERMAID else found.text())


def _split(name: str | None, known: set[str]) -> tuple[str | None, str | None]:
    """The definition and the `definition.column` that a name means; both may hold dots."""
    if name is None or name in known:
        return name, None
    owner = max((each for each in known if name.startswith(f"{each}.")), key=len, default=None)
    return (name, None) if owner is None else (owner, name)
