"""What stages have committed: positions, lag, floors, readers, uploads, what was set aside."""

from pathlib import Path

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
        return
    for each in states:
        say(str(each))
