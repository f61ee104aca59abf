"""Compute the missing days of features and write them to the warehouse.

Only days that are missing, or whose inputs have changed, are computed; parents first, as far as they
are needed. A run that stopped is resumed by running the same command again.
"""

from pathlib import Path
from typing import Annotated

import typer

from catenary.cli.console import watched
from catenary.cli.opening import Definitions, End, Json, Root, Start, opened
from catenary.cli.reports import said_run


def command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Joins and GroupBys; all of the project without any")
    ] = None,
    *,
    start: Start = None,
    end: End = None,
    force: Annotated[bool, typer.Option("--force", help="compute days that stand, too")] = False,
    step_days: Annotated[int | None, typer.Option(help="days that are computed at a time")] = None,
    memory_limit: Annotated[
        str | None, typer.Option(help="such as 2GB; beyond, disk is used")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="how many work at once")] = None,
    definitions: Definitions = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Run the backfill and say what was written."""
    project = opened(
        root,
        definitions=definitions,
        step_days=step_days,
        memory_limit=memory_limit,
        threads=threads,
    )
    plan = project.plan(names or None)
    with watched() as meter:
        report = project.backfill(plan, start=start, end=end, force=force, meter=meter)
    said_run(report, json=json)
