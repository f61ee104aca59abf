"""Chronon's driver: keep a compiled GroupBy fresh from its topic, chained or not.

It runs the GroupBy's own stage, and those of its streamed ancestors that nobody runs; --alone runs none
of these. --debug shows the rows of each step, and writes nothing. Without --lag-millis a batch waits for
its parents as long as it takes, which is what makes it exact. Ctrl-C stops after the batch at hand.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catenary.cli.console import emit, say
from catenary.cli.driving import (
    KINDS,
    Bootstrap,
    Conf,
    ConfPath,
    OnlineArgs,
    OnlineClass,
    OnlineJar,
    Topics,
    noted,
    online,
)
from catenary.cli.opening import Json, Partitions, Root
from catenary.cli.running import ran, report, told_to_stop

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from catenary.app.driver import Driven
    from catenary.plan import GroupByNode

_FLAGS = ("--debug", "-d", "--mock-writes")
_SHOWN = 20


def prepared(words: list[str]) -> list[str]:
    """The words with flags that may be followed by true or false, as Chronon takes them, made bare.

    >>> prepared(["--debug", "true", "--lag-millis", "2000"])
    ['--debug', '--lag-millis', '2000']
    >>> prepared(["--debug=false", "-d"])
    ['-d']
    """
    found: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        flag, separator, value = word.partition("=")
        if flag not in _FLAGS:
            found.append(word)
            continue
        if not separator:
            value = left.pop(0) if left and left[0].lower() in ("true", "false") else "true"
        if value.lower() == "true":
            found.append(flag)
        elif value.lower() != "false":
            found.append(word)  # typer says that it does not fit
    return found


def command(
    conf_path: ConfPath,
    *,
    lag_millis: Annotated[
        int | None,
        typer.Option(help="proceed once the parents have not advanced for so long"),
    ] = None,
    lag_mode: Annotated[
        str | None, typer.Option(help="frontier, or fixed: sleep --lag-millis before each batch")
    ] = None,
    debug: Annotated[
        bool, typer.Option("--debug", "-d", help="show the rows of each step, write nothing")
    ] = False,
    mock_writes: Annotated[
        bool, typer.Option("--mock-writes", help="has no effect, as in Chronon: see --debug")
    ] = False,
    conf: Conf = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="run no ancestor, whether or not another job does")
    ] = False,
    until_caught_up: Annotated[
        bool, typer.Option("--until-caught-up", help="stop once nothing is queued")
    ] = False,
    kafka_bootstrap: Bootstrap = None,
    topic_override: Topics = None,
    partitions: Partitions = None,
    online_jar: OnlineJar = None,
    online_class: OnlineClass = None,
    online_args: OnlineArgs = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Say how the GroupBy is streamed, and stream it."""
    from catenary.app.driver import Driven, register, route
    from catenary.app.running import Here

    lag = {"lag_millis": lag_millis, "lag_mode": lag_mode}
    driven = Driven.open(
        root,
        conf_path,
        conf=conf or (),
        given={name: value for name, value in lag.items() if value is not None},
        topics=topic_override or (),
        bootstrap=kafka_bootstrap,
        kind=KINDS["group-by-streaming"],
    )
    node, live = driven.streamed(), driven.live
    way = route(driven, node, alone=alone, dry=debug)
    if json:
        emit({"route": way.facts()})
    else:
        say(str(way))
    more = ["--mock-writes has no effect: --debug writes nothing"] if mock_writes else []
    noted(driven, [*more, *online(online_jar, online_class, online_args)], json=json)
    stopped = told_to_stop()
    if debug:
        _rehearse(driven, node, stopped.is_set, until_caught_up=until_caught_up, json=json)
        return
    live.create_topics(None if partitions is None else dict.fromkeys(live.topics(), partitions))
    register(live, way.served)
    lent = {each.name for each in way.runs} - {node.name}
    group = Here(live, way.runs, lent=lent)
    group.start()
    said = ran(group, stopped, until_caught_up=until_caught_up)
    for name in group.gone if not json else ():
        say(f"  {name} was taken over by another job, and read from there")
    report(said, json=json)


def _rehearse(
    driven: "Driven",
    node: "GroupByNode",
    stopped: "Callable[[], bool]",
    *,
    until_caught_up: bool,
    json: bool,
) -> None:
    """Show the rows of each step of each batch."""
    from catenary.app.live import rehearsed

    def show(step: str, rows: "pa.Table") -> None:
        if json:
            emit(
                {
                    "step": step,
                    "rows": [_plain(row) for row in rows.to_pylist(maps_as_pydicts="strict")],
                }
            )
            return
        say(f"{step}: {rows.num_rows:,}")
        for row in rows.slice(0, _SHOWN).to_pylist(maps_as_pydicts="strict"):
            say(f"  {row}")
        if rows.num_rows > _SHOWN:
            say(f"  … and {rows.num_rows - _SHOWN:,} more")

    stage = rehearsed(driven.live, node, show)
    stage.run(stopped, lambda: until_caught_up)
    report([stage.status.facts()], json=json)


def _plain(row: dict[str, object]) -> dict[str, object]:
    """A row's values as JSON has them; bytes, times and the like as text."""
    return {
        name: value
        if isinstance(value, (bool, int, float, str, list, dict, type(None)))
        else str(value)
        for name, value in row.items()
    }
