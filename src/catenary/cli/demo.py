"""Tell the flights story: a chain of depth 3 over a year of real flights, checked in SQL.

Everything is written to one folder, which can be looked into and deleted; with --log or --store, what
happens live lies on servers. The exit code is 0 only if
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
    log: Annotated[str, typer.Option(help="topics: in the folder, or kafka://host:port")] = "log",
    store: Annotated[
        str, typer.Option(help="state: in the folder, or redis://host:port/db")
    ] = "store",
    sabotage: Annotated[
        bool, typer.Option("--sabotage", help="hide one arrival from one side: it must be found")
    ] = False,
    json: Json = False,
) -> None:
    """Run the story."""
    from catenary.demo.run import run_demo

    code = run_demo(folder, log=log, store=store, json=json, sabotage=sabotage)
    if code:
        raise typer.Exit(code)
