"""Tell the flights story: a chain of depth 3 over a year of real flights, checked in SQL.

Everything is written to one folder, which can be looked into and deleted. The exit code is 0 only if
every value agrees with an independent computation.
"""

from pathlib import Path
from typing import Annotated

import typer

from catenary.cli.opening import Json


def command(
    *,
    folder: Annotated[Path, typer.Option(help="where everything is written")] = Path(
        "catenary-demo"
    ),
    sabotage: Annotated[
        bool, typer.Option("--sabotage", help="hide one arrival from one side: it must be found")
    ] = False,
    json: Json = False,
) -> None:
    """Run the story."""
    from catenary.demo.run import run_demo

    code = run_demo(folder, json=json, sabotage=sabotage)
    if code:
        raise typer.Exit(code)
