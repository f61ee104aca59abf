"""Records and rows that were set aside, with the reasons.

--replay folds those in that pass now, under the settings that --conf names as `catenary stream` takes
them; --to appends them to a topic, a JSON object each; --dismiss says that one has been dealt with: it is
kept, counted no more and not replayed, until --reopen.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from catenary.cli.console import emit, say
from catenary.cli.opening import Conf, Definitions, Json, Partitions, Root, StoreAt, lived
from catenary.plan.printing import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from catenary.app.live import Live
    from catenary.stream.letters import Letter

_SHOWN: Final = 60
"""Bytes of a record."""


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="GroupBys, or NAME@FINGERPRINT as status lists old ones; without any, all GroupBys"
        ),
    ] = None,
    *,
    replay: Annotated[
        bool, typer.Option("--replay", help="try them again; what passes is folded in")
    ] = False,
    to: Annotated[
        str | None, typer.Option("--to", help="a topic that open ones are appended to, too")
    ] = None,
    partitions: Partitions = None,
    dismiss: Annotated[
        list[str] | None,
        typer.Option("--dismiss", help="topic/partition:offset, or all; count them no more"),
    ] = None,
    reopen: Annotated[
        list[str] | None, typer.Option("--reopen", help="likewise; take a dismissal back")
    ] = None,
    note: Annotated[str, typer.Option(help="why they are dismissed; kept with them")] = "",
    conf: Conf = None,
    definitions: Definitions = None,
    store: StoreAt = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """List dead letters, replay, dismiss or reopen them."""
    from catenary.app.letters import datasets_of, dead_letters, dismissed, reopened
    from catenary.app.publishing import append_letters
    from catenary.errors import DataError

    asked = {"--replay": replay, "--to": to, "--dismiss": dismiss, "--reopen": reopen}
    told = [name for name, value in asked.items() if value]
    if len(told) > 1:
        raise DataError(f"{' and '.join(told)} do several things", hint="one command for each")
    if note and not dismiss:
        raise DataError("--note says why letters are dismissed", hint="give --dismiss, too")
    if partitions is not None and to is None:
        raise DataError("--partitions is of the topic that --to names", hint="give --to, too")

    needed = [name for name in names or () if "@" not in name]
    live = lived(root, needed=needed, definitions=definitions, conf=conf or (), store=store)
    if not (names or live.stages or json):
        say("nothing here follows a topic, so nothing can be set aside")
    of = datasets_of(live, names or ())
    if replay:
        _replay(live, of, json=json)
        return
    if dismiss:
        _said("dismissed", dismissed(live, of, dismiss, note), json=json)
        return
    if reopen:
        _said("reopened", reopened(live, of, reopen), json=json)
        return
    letters = {name: dead_letters(live, dataset) for name, dataset in of.items()}
    if to is not None:
        opened = {name: [each for each in found if each.is_open] for name, found in letters.items()}
        append_letters(live, to, opened, partitions=partitions)
    if json:
        emit({name: [each.facts() for each in found] for name, found in letters.items()})
        return
    for name, found in letters.items():
        many = sum(each.is_open for each in found)
        closed = f", {len(found) - many:,} dismissed" if len(found) > many else ""
        say(f"{name}: {counted(many, 'dead letter')}{closed}")
        for each in found:
            say(f"  {_line(each)}")
            if each.value is not None:
                say(f"    {_begun(each.value)}")


def _line(letter: "Letter") -> str:
    """A letter for people."""
    from catenary.windows import format_instant

    text = f"{letter.place} {letter.step}: {letter.reason}"
    if letter.is_open:
        return text
    why = f": {letter.note}" if letter.note else ""
    return f"{text} (dismissed {format_instant(letter.dismissed_ms)}{why})"


def _begun(value: bytes) -> str:
    """How a record begins; --json has all of it, and its key."""
    text = repr(value[:_SHOWN].decode(errors="backslashreplace"))
    return f"{text}…" if len(value) > _SHOWN else text


def _replay(live: "Live", names: "Iterable[str]", *, json: bool) -> None:
    """Try them again, and say what passed.

    Raises:
        DataError: for those of a definition as it was.
    """
    from catenary.errors import DataError

    for name in names:
        if "@" in name:
            raise DataError(
                f"{name} may be of a definition as it was, which is run no more",
                hint="name the GroupBy itself; what it is now has read the records anew",
            )
    counts = {name: live.stage(live.group_by(name)).replay() for name in names}
    if json:
        emit({"replayed": {name: passed for name, (passed, _) in counts.items()}})
        return
    for name, (passed, left) in counts.items():
        say(f"{name}: {passed:,} folded in, {left:,} still fail")


def _said(word: str, letters: "Mapping[str, Sequence[Letter]]", *, json: bool) -> None:
    """Say what became of letters."""
    if json:
        emit({word: {name: [each.facts() for each in found] for name, found in letters.items()}})
        return
    for name, found in letters.items():
        say(f"{name}: {counted(len(found), 'dead letter')} {word}")
