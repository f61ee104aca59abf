"""What verbs share: the options that name a project, and the project that they open."""

from pathlib import Path
from typing import Annotated

import typer

from catenary.app.settings import Settings
from catenary.app.wiring import Project

Root = Annotated[Path, typer.Option("--root", help="the project's folder, with catenary.toml")]
Definitions = Annotated[
    str | None,
    typer.Option("--definitions", help="file or folder of definitions, from the root on"),
]
Start = Annotated[str | None, typer.Option("--start", help="first day, such as 2024-01-31")]
End = Annotated[str | None, typer.Option("--end", help="last day, included")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]


def opened(root: Path, **flags: str | int | None) -> Project:
    """The project at `root`; flags that were given win over its settings."""
    return Project(Settings.load(root, flags={k: v for k, v in flags.items() if v is not None}))
