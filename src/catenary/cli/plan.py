"""Check definitions and show what a backfill would compute, and over which days.

Nothing is computed and no rows are read. Each GroupBy's accuracy is shown, whether given or inferred.
"""

from pathlib import Path
from typing import Annotated

import typer

from catenary.cli.console import emit, say
from catenary.cli.opening import Definitions, End, Json, Root, Start, opened
from catenary.cli.reports import plan_facts
from catenary.plan import explain


def command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Joins and GroupBys; all of the project without any")
    ] = None,
    *,
    start: Start = None,
    end: End = None,
    force: Annotated[bool, typer.Option("--force", help="count days that stand, too")] = False,
    definitions: Definitions = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Print the plan."""
    project = opened(root, definitions=definitions)
    plan = project.plan(names or None)
    work = project.work(plan, start=start, end=end, force=force)
    if json:
        emit(plan_facts(plan, work))
    else:
        say(explain(plan, work))
