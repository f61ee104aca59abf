"""Features for keys, now or as of an instant: one row by --key, or many from stdin.

On stdin each line is a request, a JSON object such as {"customer": "c0", "amount": null}. Bytes are
base64, in requests as in answers. --token waits until the answer reflects what was published.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from catenary.cli.console import emit, say, shown
from catenary.cli.opening import KEY_HELP, Definitions, Json, Root, StoreAt, lived


def command(
    name: Annotated[str, typer.Argument(help="a Join or a GroupBy")],
    *,
    key: Annotated[list[str] | None, typer.Option("--key", help=KEY_HELP)] = None,
    at: Annotated[
        str | None, typer.Option("--at", help="an instant: 2024-01-31T12:00:00Z, or milliseconds")
    ] = None,
    token: Annotated[
        str | None, typer.Option("--token", help="what the answer must reflect")
    ] = None,
    timeout: Annotated[float, typer.Option(help="seconds to wait for the token")] = 10.0,
    definitions: Definitions = None,
    store: StoreAt = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Fetch and print each request's features and status."""
    from catenary.app.requests import followed, keyed, lines_of, request_types
    from catenary.windows import parse_instant

    live = lived(root, definitions=definitions, names=[name], store=store)
    requests = (
        [keyed(live.plan, name, key)]
        if key
        else lines_of(sys.stdin, request_types(live.plan, name))
    )
    answer: Any = live.fetcher.fetch(
        name,
        requests,
        at=None if at is None else parse_instant(at),
        min_token=None if token is None else followed(live, token),
        timeout_s=timeout,
    )
    for row, (values, status) in enumerate(zip(answer.rows(), answer.status, strict=True)):
        if json:
            emit({"features": values, "status": status, "token": str(answer.token)})
            continue
        say(f"{shown(requests[row])}: {status}")
        for feature, value in values.items():
            say(f"  {feature:<48} {shown(value)}")
