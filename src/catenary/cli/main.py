"""The command itself: which verbs there are, and what becomes of an error.

    argv ──► VERBS ──► catenary.cli.<verb>.command ──► exit code
                │                  │
             --help         CatenaryError ──► stderr: problem, where, hint

Exit codes: 0 only on full success, 1 for an error or a result that does not hold, 2 for a command
that was not understood. A traceback is shown only with `--traceback`, or for a mistake of ours.

Held to account by: `tests/unit/cli`, and the start-up times by `tests/architecture/test_startup.py`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

from catenary.errors import CatenaryError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS: Final = {
    "init": "write a folder with a worked chain of features, its data and its test",
    "demo": "a year of real flights: a chain of depth 3, checked by an independent computation",
    "plan": "check definitions; show what would be computed, over which days",
    "lineage": "show what comes from where, down to source columns",
    "backfill": "compute missing days of features and write them",
    "upload": "bring features up to a day's end into the store that models read",
    "publish": "append rows to a topic",
    "stream": "keep features fresh from topics: one stage, a chain, or all",
    "fetch": "features for keys, now or as of any instant",
    "serve": "features over HTTP, as JSON or Arrow",
    "why": "what made one value, and where online and backfill part",
    "status": "what stages have committed, how far behind they are, what they set aside",
    "remove": "remove what changed definitions have left in the store",
    "dead-letters": "records that were set aside, with the reasons; replay or dismiss them",
    "settings": "show every setting and where it came from",
    "group-by-streaming": "Chronon's driver: stream a compiled GroupBy, chained or not",
    "group-by-upload": "Chronon's driver: upload a compiled GroupBy",
    "group-by-backfill": "Chronon's driver: backfill a compiled GroupBy",
    "join": "Chronon's driver: backfill a compiled Join",
}
"""The verbs in the order in which a newcomer meets them; each is a module of this room."""
_INTERRUPTED: Final = 130
"""What a shell says of a command that Ctrl-C has ended."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and say how it went.

    Args:
        argv: the words after `catenary`; None for those of this process.

    Returns:
        The exit code.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    traceback = "--traceback" in words
    words = [word for word in words if word != "--traceback"]
    if not words or words[0] in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return 0
    if words[0] == "--version":
        sys.stdout.write(f"catenary {_version()}\n")
        return 0
    verb, *rest = words
    if verb not in VERBS:
        sys.stderr.write(f"catenary: no command {verb!r}\n  hint: {nearest(verb, VERBS)}\n")
        return 2
    try:
        return _run(verb, rest)
    except CatenaryError as error:
        if traceback:
            raise
        _report(error, as_json="--json" in rest)
        return 1
    except KeyboardInterrupt:  # while the verb was read; then typer sees to it, or the verb itself
        return _INTERRUPTED


def _run(verb: str, words: list[str]) -> int:
    """Let typer read the verb's words and call its command."""
    import typer  # what only `--help` needs does not wait for it

    module = import_module(f"catenary.cli.{verb.replace('-', '_')}")
    if hasattr(module, "prepared"):  # a form of options that typer does not know
        words = module.prepared(words)
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(help=module.__doc__)(module.command)
    try:
        app(words, prog_name=f"catenary {verb}")
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    return 0


def _report(error: CatenaryError, *, as_json: bool) -> None:
    """The error's three parts on stderr; for programs, an object on stdout too."""
    sys.stdout.flush()
    sys.stderr.write(f"{type(error).__name__}: {error}\n")
    if as_json:
        from catenary.cli.console import emit

        emit({"error": {"kind": type(error).__name__, **error.facts()}})


def _help() -> str:
    width = max(map(len, VERBS)) + 2
    lines = "".join(f"  {verb:<{width}}{line}\n" for verb, line in VERBS.items())
    return (
        "usage: catenary COMMAND [OPTIONS]\n\n"
        "Define a feature once; compute it as of any moment; chain it to any depth.\n\n"
        f"{lines}\n"
        "`catenary COMMAND --help` shows a command's options. Each takes --json; --traceback shows\n"
        "where an error was raised.\n"
    )


def _version() -> str:
    from importlib.metadata import version

    return version("catenary")
