"""Show every setting, its value, and where the value came from.

Values come from the defaults, then catenary.toml, then the environment (CATENARY_THREADS, …), then
flags; later ones win.
"""

from pathlib import Path

from catenary.app.settings import names, shown
from catenary.cli.console import emit, say
from catenary.cli.opening import Json, Root, opened


def command(
    *,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Print the settings."""
    settings = opened(root).settings
    values = {name: shown(getattr(settings, name)) for name in names()}
    if json:
        emit(
            {
                name: {"value": value, "from": settings.origins[name]}
                for name, value in values.items()
            }
        )
        return
    width = max(map(len, values))
    for name, value in values.items():
        say(f"{name:<{width}}  {value!r:<14}  {settings.origins[name]}")
