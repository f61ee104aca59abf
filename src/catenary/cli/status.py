"""What stages have committed: positions, lag, floors, readers, uploads, what was set aside."""

from pathlib import Path

from catenary.cli.console import emit, say
from catenary.cli.opening import Definitions, Json, Root, lived


def command(
    *,
    definitions: Definitions = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Show every stage, what else is uploaded, and what definitions as they were have left."""
    from catenary.app.status import stage_states
    from catenary.app.versions import old_datasets

    live = lived(root, definitions=definitions)
    states, old = stage_states(live), old_datasets(live)
    if json:
        emit(
            {
                "stages": [each.facts() for each in states],
                "old": [each.facts() for each in old],
            }
        )
        return
    for each in (*states, *old):
        say(str(each))
