"""Records and rows that were set aside, with the reasons.

--replay folds those in that pass now; --to appends them to a topic, a JSON object each.
"""

from pathlib import Path
from typing import Annotated

import typer

from catenary.cli.console import emit, say
from catenary.cli.opening import Definitions, Json, Root, StoreAt, lived
from catenary.plan.printing import counted


def command(
    names: Annotated[
        list[str] | None, typer.Argument(help="GroupBys; all of the project without any")
    ] = None,
    *,
    replay: Annotated[
        bool, typer.Option("--replay", help="try them again; what passes is folded in")
    ] = False,
    to: Annotated[
        str | None, typer.Option("--to", help="a topic that they are appended to, too")
    ] = None,
    definitions: Definitions = None,
    store: StoreAt = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """List dead letters, or replay them."""
    from catenary.app.publishing import append_letters
    from catenary.app.status import dead_letters
    from catenary.errors import DataError

    if replay and to is not None:
        raise DataError("--replay and --to do two things", hint="append them first, then replay")

    live = lived(root, needed=names or (), definitions=definitions, store=store)
    if not (names or live.stages or json):
        say("nothing here follows a topic, so nothing can be set aside")
    nodes = [live.group_by(name) for name in names] if names else list(live.stages)
    if replay:
        counts = {node.name: live.stage(node).replay() for node in nodes}
        if json:
            emit({"replayed": {name: passed for name, (passed, _) in counts.items()}})
        for name, (passed, left) in counts.items():
            if not json:
                say(f"{name}: {passed:,} folded in, {left:,} still fail")
        return
    letters = {node.name: dead_letters(live, node) for node in nodes}
    if to is not None:
        append_letters(live, to, letters)
    if json:
        emit({name: [each.facts() for each in found] for name, found in letters.items()})
        return
    for name, found in letters.items():
        say(f"{name}: {counted(len(found), 'dead letter')}")
        for each in found:
            say(f"  {each.topic}/{each.partition}:{each.offset} {each.step}: {each.reason}")
