"""Bring features up to the end of a day into the store that models read.

Tables must hold the days that the windows reach. Where a stage runs, events that came later than the
upload's inclusion frontier are counted besides; --frontier says up to which positions of the log the
tables hold its events: a token, as `publish` prints it, or topic/partition:offset for each partition, comma-separated,
where offset is that of the last record that they hold, plus 1. A partition that is not named is taken whole.
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
        str | None,
        typer.Option(
            help="topic/partition:offset of the last record + 1, ...; unknown unless given, nothing if empty"
        ),
    ] = None,
    definitions: Definitions = None,
    store: StoreAt = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Upload and say what is there."""
    from catenary.app.upload import frontier_of, unnamed_in, upload

    live = lived(root, definitions=definitions, names=names, store=store)
    token = None if frontier is None else frontier_of(live, frontier)
    with watched() as meter:
        reports = upload(
            live.project,
            live.plan,
            live.store,
            ds=ds,
            tail_buffer=tail_buffer,
            frontier=token,
            unnamed=unnamed_in(live, token),
            meter=meter,
        )
    said_uploads(reports, json=json)
