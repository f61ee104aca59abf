"""Append rows to a topic: JSON lines or Parquet, from a file or from stdin.

All go to one partition, in their order: spread over several, a file's rows would no longer come in the
order of their times, which chains rely on. Rows are checked against the topic's columns first; if one does
not fit, nothing is appended. The token that is printed makes `fetch --min-token` wait until the answer
reflects these rows.
"""

from pathlib import Path
from typing import Annotated

import typer

from catenary.cli.console import emit, say
from catenary.cli.opening import Definitions, Json, Partitions, Root, lived
from catenary.plan.printing import counted


def command(
    topic: Annotated[str, typer.Argument(help="the topic's name, such as flights/arrivals")],
    file: Annotated[Path, typer.Argument(help="a .parquet file, JSON lines, or - for stdin")],
    *,
    partition: Annotated[int, typer.Option(help="the partition that all rows go to")] = 0,
    partitions: Partitions = None,
    definitions: Definitions = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Append and print the token."""
    from catenary.app.publishing import read_rows

    with lived(root, needed=(), definitions=definitions) as live:
        rows = read_rows(live, topic, file)
        live.create_topics(None if partitions is None else {topic: partitions})
        token = live.publish(topic, rows, partition=partition)
        many = len(live.log.partitions(topic))
    if json:
        emit({"topic": topic, "rows": rows.num_rows, "token": str(token)})
    else:
        where = f", all to partition {partition} of its {many}" if many > 1 else ""
        say(f"{counted(rows.num_rows, 'row')} appended to {topic}{where}")
        say(f"token {token}")
