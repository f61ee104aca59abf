"""What verbs share: the options that name a project, and the project that they open."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from catenary.app.wiring import Project

if TYPE_CHECKING:
    from catenary.app.live import Live

Root = Annotated[Path, typer.Option("--root", help="the project's folder, with catenary.toml")]
Definitions = Annotated[
    str | None,
    typer.Option("--definitions", help="file or folder of definitions, from the root on"),
]
StoreAt = Annotated[
    str | None,
    typer.Option("--store", help="where state lies: a folder, or redis://host:port/db"),
]
AT_HELP = "an instant: 2024-01-31T12:00:00Z, or milliseconds since 1970; UTC where it names no zone"
Conf = Annotated[
    list[str] | None, typer.Option("--conf", help="a chain setting, such as max_wait_ms=500")
]
Start = Annotated[str | None, typer.Option("--start", help="first day, such as 2024-01-31")]
End = Annotated[str | None, typer.Option("--end", help="last day, included")]
Partitions = Annotated[
    int | None,
    typer.Option(help="how many a topic is made with, which it keeps; 1 unless given"),
]
KEY_HELP = (
    "name=value; repeat for further columns: keys, and what derivations read of the left;"
    " name=null for a null, of any type but text; bytes as base64"
)
Traces = Annotated[
    str | None, typer.Option(help="where spans are sent, such as http://localhost:4318")
]
LogFormat = Annotated[
    Literal["plain", "json"], typer.Option("--log-format", help="of what is said on stderr")
]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]


def opened(root: Path, **flags: str | int | None) -> Project:
    """The project at `root`; flags that were given win over its settings."""
    return Project.open(root, **{name: each for name, each in flags.items() if each is not None})


def lived(
    root: Path,
    *,
    names: Sequence[str] | None = None,
    needed: Sequence[str] | None = None,
    conf: Sequence[str] = (),
    **flags: Any,
) -> "Live":
    """The live half of the project at `root`, of all its definitions, or of some: see `Live.open`."""
    from catenary.app.live import Live

    given = {name: each for name, each in flags.items() if each is not None}
    return Live.open(root, names or None, needed=needed, conf=pairs(conf), **given)


def instant(text: str) -> int:
    """The instant that `--at` names, in milliseconds.

    Raises:
        DataError: if it names none.
    """
    from catenary.errors import DataError, DefinitionError
    from catenary.windows import parse_instant

    try:
        return parse_instant(text)
    except DefinitionError as error:
        raise DataError(f"--at: {error.problem}", hint=error.hint) from None


def pairs(conf: Sequence[str]) -> dict[str, object]:
    """Settings of a chain, as `--conf name=value` gives them."""
    found: dict[str, object] = {}
    for each in conf:
        name, _, value = each.partition("=")
        found[name] = value
    return found
