"""Features for keys, now or as of an instant: one row by --key, or many from stdin.

On stdin each line is a request, a JSON object such as {"customer": "c0", "amount": null}. Bytes are
base64, in requests as in answers. --min-token waits until the answer reflects what was published: the
offset that it names is that of the last record, plus 1. Chronon's flags are taken, too: --conf-path,
--name, --type, --key-json or --key-json-file, and --at-millis.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from catenary.cli.console import emit, say, shown
from catenary.cli.opening import (
    AT_HELP,
    KEY_HELP,
    Definitions,
    Json,
    Root,
    StoreAt,
    instant,
    lived,
    opened,
)

if TYPE_CHECKING:
    from catenary.app.live import Live


def command(
    name: Annotated[str | None, typer.Argument(help="a Join or a GroupBy")] = None,
    *,
    key: Annotated[list[str] | None, typer.Option("--key", help=KEY_HELP)] = None,
    at: Annotated[str | None, typer.Option("--at", help=AT_HELP)] = None,
    min_token: Annotated[
        str | None,
        typer.Option(
            help="what the answer must reflect: topic/partition:offset of the last record + 1, ..."
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(help="seconds to wait for that")] = 10.0,
    conf_path: Annotated[
        Path | None, typer.Option("--conf-path", help="a compiled definition of Chronon's")
    ] = None,
    named: Annotated[
        str | None,
        typer.Option("--name", "-n", help="as NAME; of --conf-path its own unless given"),
    ] = None,
    type_: Annotated[
        str | None, typer.Option("--type", "-t", help="join or group-by: what the name must be")
    ] = None,
    key_json: Annotated[
        str | None, typer.Option("--key-json", "-k", help="a request, or a list of them, as JSON")
    ] = None,
    key_json_file: Annotated[
        Path | None, typer.Option("--key-json-file", "-f", help="requests, a JSON object a line")
    ] = None,
    at_millis: Annotated[int | None, typer.Option("--at-millis", help="as --at")] = None,
    definitions: Definitions = None,
    store: StoreAt = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Fetch and print each request's features and status."""
    from catenary.app.requests import followed, keyed, lines_of, request_types, written_in

    live, name = _opened(root, name or named, conf_path, definitions, store)
    _check_type(live, name, type_)
    types = request_types(live.plan, name)
    if key:
        requests = [keyed(live.plan, name, key)]
    elif key_json is not None:
        requests = written_in(key_json, types)
    else:
        requests = lines_of(sys.stdin if key_json_file is None else _lines(key_json_file), types)
    if at_millis is not None:
        at = str(at_millis)
    answer: Any = live.fetcher.fetch(
        name,
        requests,
        at=None if at is None else instant(at),
        min_token=None if min_token is None else followed(live, min_token),
        timeout_s=timeout,
    )
    for row, (values, status) in enumerate(zip(answer.rows(), answer.status, strict=True)):
        if json:
            told = {"reason": answer.reasons[row]} if row in answer.reasons else {}
            emit({"features": values, "status": status, **told, "token": str(answer.token)})
            continue
        say(f"{shown(requests[row])}: {status}")
        if row in answer.reasons:
            say(f"  {answer.reasons[row]}")
        for feature, value in values.items():
            say(f"  {feature:<48} {shown(value)}")


def _lines(file: Path) -> list[str]:
    """A file's lines.

    Raises:
        DataError: if it cannot be read.
    """
    from catenary.errors import DataError

    try:
        return file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the requests cannot be read: {error}", where=str(file)) from None


def _opened(
    root: Path,
    name: str | None,
    conf_path: Path | None,
    definitions: str | None,
    store: str | None,
) -> tuple["Live", str]:
    """The live half with what is asked for, and its name.

    Raises:
        DataError: if nothing is named.
    """
    from catenary.app.driver import Driven, written
    from catenary.errors import DataError

    if conf_path is not None:
        driven = Driven.open(root, conf_path, store=store)
        return driven.live, driven.named(name)
    if name is None:
        raise DataError("say what is fetched", hint="name a Join or a GroupBy, or give --conf-path")
    if "/" in name:
        name = written(opened(root, definitions=definitions).definitions, name)
    return lived(root, definitions=definitions, names=[name], store=store), name


def _check_type(live: "Live", name: str, type_: str | None) -> None:
    """Hold a name to what Chronon's --type says that it is.

    Raises:
        DataError: if it is something else.
    """
    from catenary.errors import DataError, nearest
    from catenary.plan import JoinNode

    kinds = {"join": True, "group-by": False}
    if type_ is None:
        return
    if type_ not in kinds:
        raise DataError(f"--type {type_!r} is not there", hint=nearest(type_, kinds))
    if isinstance(live.plan.node(name), JoinNode) is not kinds[type_]:
        other = next(each for each in kinds if each != type_)
        raise DataError(f"{name} is no {type_}", hint=f"give --type {other}, or none")
