"""Chronon's driver: bring a compiled GroupBy up to the end of a day, into the store that models read.

As `catenary upload`, of one compiled definition: what it is chained on is uploaded with it. --frontier
says up to which positions of the log the tables hold its events, so that a stream goes on from there; its
topics lie where --topic-override and --kafka-bootstrap say, as for the stream.
"""

from pathlib import Path
from typing import Annotated

import typer

from catenary.cli.console import watched
from catenary.cli.driving import KINDS, Bootstrap, Conf, ConfPath, Topics, noted
from catenary.cli.opening import Json, Root
from catenary.cli.reports import said_uploads


def command(
    conf_path: ConfPath,
    *,
    end_date: Annotated[str, typer.Option("--end-date", help="the last day that is in")],
    frontier: Annotated[
        str | None,
        typer.Option(
            help="topic/partition:offset of the last record + 1, ...; unknown unless given, nothing if empty"
        ),
    ] = None,
    conf: Conf = None,
    kafka_bootstrap: Bootstrap = None,
    topic_override: Topics = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Upload and say what is there."""
    from catenary.app.driver import Driven
    from catenary.app.upload import frontier_of, unnamed_in, upload

    driven = Driven.open(
        root,
        conf_path,
        conf=conf or (),
        topics=topic_override or (),
        bootstrap=kafka_bootstrap,
        kind=KINDS["group-by-upload"],
    )
    noted(driven, json=json)
    live = driven.live
    token = None if frontier is None else frontier_of(live, frontier)
    with watched() as meter:
        reports = upload(
            live.project,
            live.plan,
            live.store,
            ds=end_date,
            frontier=token,
            unnamed=unnamed_in(live, token),
            meter=meter,
        )
    said_uploads(reports, json=json)
