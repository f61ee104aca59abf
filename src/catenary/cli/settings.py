"""Show every setting, its value, and where the value came from.

Values come from the defaults, then catenary.toml, then the environment (CATENARY_THREADS, …), then
flags; later ones win. Of API keys the names are shown.
"""

from pathlib import Path

from catenary.app.api_keys import TABLE
from catenary.app.settings import FILE, names, shown
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
        told: dict[str, object] = {
            name: {"value": value, "from": settings.origins[name]} for name, value in values.items()
        }
        keys = [each.name for each in settings.api_keys]
        emit({**told, TABLE: {"value": keys, "from": FILE if keys else "default"}})
        return
    width = max(map(len, values))
    for name, value in values.items():
        say(f"{name:<{width}}  {value!r:<14}  {settings.origins[name]}")
    for each in settings.api_keys:
        say(f"[{TABLE}.{each.name}]")
