"""Explain one value: upload, tiles, statuses, events, through the chain; and where online and backfill part."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from catenary.cli.console import emit, say
from catenary.cli.opening import AT_HELP, KEY_HELP, Definitions, Json, Root, StoreAt, instant, lived
from catenary.plan.printing import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catenary.app.why import Event, Tile, Why


def command(
    name: Annotated[str, typer.Argument(help="a Join or a GroupBy")],
    feature: Annotated[str, typer.Argument(help="one of its columns")],
    *,
    key: Annotated[list[str], typer.Option("--key", help=KEY_HELP)],
    at: Annotated[str | None, typer.Option("--at", help=f"{AT_HELP}; now without it")] = None,
    depth: Annotated[int, typer.Option(help="how many edges of a chain to follow")] = 1,
    events: Annotated[int, typer.Option(help="how many tiles and events to show of each")] = 5,
    definitions: Definitions = None,
    store: StoreAt = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Explain one value of one key as of an instant."""
    from catenary.app.requests import keyed
    from catenary.app.why import Explainer
    from catenary.stream.lanes import now_ms

    live = lived(root, needed=[name], definitions=definitions, store=store)
    request = keyed(live.plan, name, key)
    at_ms = now_ms() if at is None else instant(at)
    found = Explainer(live).explain(name, feature, request, at_ms, depth=depth)
    if json:
        emit(found.facts())
        return
    for line in lines_of(found, events):
        say(line)


def lines_of(why: "Why", most: int) -> list[str]:
    """The explanation for people; what it is made of is indented below."""
    from catenary.windows import format_instant

    keys = ", ".join(f"{name}={value}" for name, value in why.keys.items())
    lines = [
        f"{why.join}.{why.feature} of {keys} as of {format_instant(why.at_ms)}",
        f"  store     {why.value!r}  ({', '.join(why.statuses) or 'ok'})",
        f"  backfill  {why.backfill_error or repr(why.backfill)}{'  differs' if why.differs else ''}",
    ]
    if why.reason:
        lines.insert(2, f"    {why.reason}")
    if why.no_key:
        lines.append(f"  {why.group_by}: the key is null, so nothing is looked up")
    elif why.group_by:
        since = "the beginning" if why.start_ms is None else format_instant(why.start_ms)
        upload = "none" if why.upload is None else f"up to {format_instant(why.upload)}"
        lines += [f"  {why.group_by}: events since {since}; upload: {upload}"]
        lines += _listed("tile", [_tile(each) for each in why.tiles], most)
        if why.log_error:
            lines.append(f"  no records: {why.log_error}")
        lines += _listed("record", [_event(each) for each in why.records], most)
        lines += _listed("row", [_event(each) for each in why.rows or ()], most)
        if why.dead_letters:
            lines.append(
                f"  {counted(why.dead_letters, 'dead letter')}: see `catenary dead-letters`"
            )
    if why.tables_end_ms is not None:
        many = counted(why.beyond, "record")
        lines.append(
            f"  the tables end at {format_instant(why.tables_end_ms)}: {many} beyond that"
            " the backfill has yet to see"
        )
    if why.first is not None:
        lines.append(f"  first difference: {_event(why.first)}: {why.first_says}")
    elif why.differs and why.group_by and not (why.reason or why.no_key):
        lines.append("  the events of both sides are the same")
    for head, parts in (("made of", why.made_of), ("its rows read", why.parents)):
        if parts:
            lines.append(f"  {head}:")
            lines += [f"    {line}" for part in parts for line in lines_of(part, most)]
    return lines


def _listed(word: str, texts: "Sequence[str]", most: int) -> list[str]:
    """The last few, and how many there are."""
    more = [f"  {len(texts) - most} earlier {word}s"] if len(texts) > most else []
    return [*more, *(f"  {word:<8}  {text}" for text in texts[max(0, len(texts) - most) :])]


def _tile(tile: "Tile") -> str:
    from catenary.app.why import said_instant

    doubts = f"  ({', '.join(tile.statuses)})" if tile.statuses else ""
    whole = "  collapsed" if tile.collapsed else ""
    span = f"{said_instant(tile.start_ms)} to {said_instant(tile.end_ms)}"
    return f"{tile.origin:<6} {span}{whole}{doubts}"


def _event(event: "Event") -> str:
    from catenary.stream.traced import ORIGIN
    from catenary.windows import format_instant

    origin = ""
    if "offset" in event:
        origin = f"  {event['topic']}/{event['partition']}:{event['offset']}"
    hidden = ("ts", *ORIGIN)
    values = ", ".join(f"{name}={value!r}" for name, value in event.items() if name not in hidden)
    return f"{format_instant(event['ts'])}  {values}{origin}"
