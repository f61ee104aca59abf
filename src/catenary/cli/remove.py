"""Remove datasets of definitions as they were: what `catenary status` lists as old.

A changed definition builds a dataset of its own beside the old one, which stays for those who still serve
it. Once nobody does, it can go, and holds the heads of its parents no more. Its dead letters go with it:
`catenary dead-letters NAME@FINGERPRINT` lists them before.
"""

from pathlib import Path
from typing import Annotated

import typer

from catenary.cli.console import emit, say
from catenary.cli.opening import Definitions, Json, Root, lived
from catenary.plan.printing import counted


def command(
    datasets: Annotated[list[str], typer.Argument(help="NAME@FINGERPRINT, as status lists them")],
    *,
    current: Annotated[
        bool, typer.Option("--current", help="also that of a definition as it is now")
    ] = False,
    definitions: Definitions = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Remove what they hold."""
    from catenary.app.versions import remove

    live = lived(root, needed=(), definitions=definitions)
    removed = {name: remove(live, name, current=current) for name in datasets}
    if json:
        letters = {name: each.dead_letters for name, each in removed.items()}
        emit({"removed": {k: v.keys for k, v in removed.items()}, "dead_letters": letters})
        return
    for name, each in removed.items():
        many = each.dead_letters
        lost = f", {counted(many, 'open dead letter')} among them" if many else ""
        say(f"{name}: {counted(each.keys, 'key')} removed{lost}")
