"""Keep features fresh from topics: one stage, a chain with its ancestors, or all.

Stages run in threads of this process, or with --processes each in its own; answers are the same. A
stage takes its lanes over from a copy that runs already, whose process goes on with its other stages, and
ends where none is left. Copies that are started with the same --group share the partitions of topics in Kafka
instead, as they come and go. Ctrl-C stops each stage after the batch at hand; nothing is lost by any other way
of stopping either.
"""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from catenary.cli.console import say
from catenary.cli.opening import (
    Conf,
    Definitions,
    Json,
    LogFormat,
    Partitions,
    Root,
    StoreAt,
    Traces,
    lived,
)
from catenary.cli.running import ran, report, told_to_stop


def command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Joins and GroupBys, with what they are chained on")
    ] = None,
    *,
    all_: Annotated[bool, typer.Option("--all", help="every stage of the project")] = False,
    processes: Annotated[
        bool, typer.Option("--processes", help="each stage in a process of its own")
    ] = False,
    until_caught_up: Annotated[
        bool, typer.Option("--until-caught-up", help="stop once nothing is queued")
    ] = False,
    group: Annotated[
        str | None,
        typer.Option("--group", help="share partitions with the copies of this Kafka group"),
    ] = None,
    refuse: Annotated[
        bool, typer.Option("--refuse", help="do not take over from a copy that still runs")
    ] = False,
    conf: Conf = None,
    metrics_port: Annotated[
        int | None, typer.Option(help="offer /metrics there; 0 for any port that is free")
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="the address of that")] = "127.0.0.1",
    traces: Traces = None,
    log_format: LogFormat = "plain",
    partitions: Partitions = None,
    definitions: Definitions = None,
    store: StoreAt = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Run stages until told to stop, or until they have caught up."""
    from catenary.app.log_lines import configure
    from catenary.app.metrics import offered
    from catenary.app.running import Apart, Here
    from catenary.app.status import running_owner
    from catenary.errors import BusyError, DataError

    if bool(names) == all_:
        raise DataError("say which stages run", hint="name Joins or GroupBys, or give --all")
    live = lived(
        root,
        needed=names or None,
        definitions=definitions,
        conf=conf or (),
        store=store,
        traces=traces,
    )
    live.create_topics(None if partitions is None else dict.fromkeys(live.topics(), partitions))
    nodes = live.stages if all_ else live.chain_of(names or ())
    if not nodes:
        raise DataError("nothing here follows a topic", hint="an EventSource with topic= does")
    if refuse:
        for node in nodes:
            owner = running_owner(live, node)
            if owner is not None:
                raise BusyError(
                    f"{node.name} is run by {owner}", hint="without --refuse it is taken over"
                )
    configure(log_format)
    stopped = told_to_stop()
    with nullcontext() if metrics_port is None else offered(live, metrics_port, metrics_host):
        running = (Apart if processes else Here)(live, nodes, group=group)
        if isinstance(running, Here):
            running.start()
        if not json:
            say(f"streaming {', '.join(node.name for node in nodes)}")
        facts = ran(running, stopped, until_caught_up=until_caught_up)
    report(facts, json=json)
