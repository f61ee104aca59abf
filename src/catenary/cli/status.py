"""What stages have committed: positions, lag, floors, readers, uploads, what was set aside.

What of a stage cannot be read is told in its place, and the exit code is 1 then.
"""

from pathlib import Path

import typer

from catenary.cli.console import emit, say
from catenary.cli.opening import Definitions, Json, Root, StoreAt, lived


def command(
    *,
    definitions: Definitions = None,
    store: StoreAt = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Show every stage of the project, and what else is uploaded."""
    from catenary.app.status import stage_states

    live = lived(root, definitions=definitions, store=store)
    states = stage_states(live)
    if json:
        emit({"stages": [each.facts() for each in states]})
    else:
        for each in states:
            say(str(each))
    if any(each.failed for each in states):
        raise typer.Exit(1)
