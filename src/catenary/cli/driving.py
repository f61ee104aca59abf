"""What the verbs of Chronon's driver share: its flags, and the compiled definition that they open."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from catenary.cli.console import emit, say, watched
from catenary.cli.opening import Json, Root
from catenary.cli.reports import said_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from catenary.app.driver import Driven

ConfPath = Annotated[
    Path, typer.Option("--conf-path", help="a compiled definition: production/group_bys/TEAM/NAME")
]
Conf = Annotated[
    list[str] | None,
    typer.Option("--conf", help="a property, name=value; repeat for more"),
]
EndDate = Annotated[str | None, typer.Option("--end-date", help="the last day, included")]
StartDate = Annotated[str | None, typer.Option("--start-partition-override", help="the first day")]
StepDays = Annotated[
    int | None, typer.Option("--step-days", help="days that are computed at a time")
]
Bootstrap = Annotated[
    str | None, typer.Option("--kafka-bootstrap", help="host:port, for topics without a host")
]
Topics = Annotated[
    list[str] | None,
    typer.Option("--topic-override", help="topic=address, for a topic that lies elsewhere"),
]
OnlineJar = Annotated[str | None, typer.Option("--online-jar", help="has no effect here")]
OnlineClass = Annotated[str | None, typer.Option("--online-class", help="has no effect here")]
OnlineArgs = Annotated[list[str] | None, typer.Option("-Z", help="key=value; has no effect here")]

KINDS: Final = {
    "group-by-streaming": "GroupBy",
    "group-by-upload": "GroupBy",
    "group-by-backfill": "GroupBy",
    "join": "Join",
}
"""What each verb's definition is."""


def online(jar: str | None, class_: str | None, given: Sequence[str] | None) -> list[str]:
    """What is to be said of the flags that name Chronon's own API."""
    flags = {"--online-jar": jar, "--online-class": class_, "-Z": given}
    why = "has no effect here: the project's settings say which store and log there are"
    return [f"{name} {why}" for name, value in flags.items() if value]


def noted(driven: "Driven", more: Sequence[str] = (), *, json: bool) -> None:
    """Say what was given and has no effect."""
    notes = [*driven.notes, *more]
    if json and notes:
        emit({"notes": notes})
    elif notes:
        say("\n".join(f"note: {each}" for each in notes))


def backfilling(verb: str) -> "Callable[..., None]":
    """The command that backfills a compiled definition, of the kind that the verb is for."""

    def command(
        conf_path: ConfPath,
        *,
        end_date: EndDate = None,
        start_partition_override: StartDate = None,
        step_days: StepDays = None,
        conf: Conf = None,
        root: Root = Path(),
        json: Json = False,
    ) -> None:
        """Run the backfill and say what was written."""
        from catenary.app.driver import Driven

        driven = Driven.open(
            root, conf_path, conf=conf or (), kind=KINDS[verb], step_days=step_days
        )
        noted(driven, json=json)
        start, end = start_partition_override, end_date
        with watched() as meter:
            report = driven.live.project.backfill(
                driven.live.plan, start=start, end=end, meter=meter, named=False
            )
        said_run(report, json=json)

    return command
