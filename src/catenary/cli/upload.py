"""Bring features up to the end of a day into the store that models read.

Tables must hold the days that the windows reach. Where a stage runs, events that came later than the
upload's inclusion frontier are counted besides; --frontier says up to which positions of the log the
tables hold its events (a token, as `publish` prints it).
"""

from pathlib import Path
from typing import Annotated

import typer

from catenary.cli.console import watched
from catenary.cli.opening import Definitions, Json, Root, StoreAt, lived
from catenary.cli.reports import said_uploads


def command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Joins and GroupBys; all of the project without any")
    ] = None,
    *,
    ds: Annotated[str, typer.Option("--ds", help="the last day that is in, such as 2024-01-31")],
    tail_buffer: Annotated[
        str, typer.Option(help="how much of a window's beginning stays exact: 2d, or full")
    ] = "2d",
    frontier: Annotated[
        str | None, typer.Option(help="a token; unknown unless given, the log's beginning if empty")
    ] = None,
    definitions: Definitions = None,
    store: StoreAt = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Upload and say what is there."""
    from catenary.app.upload import frontier_of, upload

    live = lived(root, definitions=definitions, names=names, store=store)
    with watched() as meter:
        reports = upload(
            live.project,
            live.plan,
            live.store,
            ds=ds,
            tail_buffer=tail_buffer,
            frontier=None if frontier is None else frontier_of(live, frontier),
            meter=meter,
        )
    said_uploads(reports, json=json)
