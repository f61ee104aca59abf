"""What stages have committed: positions, lag, floors, readers, uploads, what was set aside.

What of a stage cannot be read is told in its place, why a lag is not known at the end; where something is
damaged the exit code is 1.
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
    """Show every stage, what else is uploaded, and what definitions as they were have left."""
    from catenary.app.status import reasons, stage_states
    from catenary.app.versions import old_datasets

    live = lived(root, needed=(), definitions=definitions, store=store)
    states, old = stage_states(live), old_datasets(live)
    if json:
        emit(
            {
                "stages": [each.facts() for each in states],
                "old": [each.facts() for each in old],
            }
        )
    else:
        for each in (*states, *old, *reasons(states)):
            say(str(each))
    if any(each.failed for each in states):
        raise typer.Exit(1)
