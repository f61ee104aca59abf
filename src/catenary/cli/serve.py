"""Serve features over HTTP, as JSON or Arrow, until told to stop.

What is asked and answered is described by /openapi.json, or printed by --openapi; how it is run stands in
docs/serving.md. Needs the extra `serve`; the page of metrics needs `observe`.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from catenary.cli.console import emit, say
from catenary.cli.opening import Definitions, Json, LogFormat, Root, Traces, lived, pairs
from catenary.cli.running import told_to_stop


def command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Joins and GroupBys, with what they read; all of the project without any"
        ),
    ] = None,
    *,
    host: Annotated[str | None, typer.Option(help="the address that is listened at")] = None,
    port: Annotated[int | None, typer.Option(help="0 for any that is free")] = None,
    workers: Annotated[int | None, typer.Option(help="processes that answer")] = None,
    body_limit: Annotated[str | None, typer.Option(help="of a request, such as 16MB")] = None,
    batch_limit: Annotated[int | None, typer.Option(help="rows that a request may ask for")] = None,
    time_limit_ms: Annotated[int | None, typer.Option(help="that a request may take")] = None,
    request_log: Annotated[
        str | None, typer.Option(help="the topic that sampled requests are logged to")
    ] = None,
    sample_percent: Annotated[
        float | None, typer.Option(help="of the keys, whose requests are logged")
    ] = None,
    metrics: Annotated[
        bool | None,
        typer.Option("--metrics/--no-metrics", help="/metrics; there if `observe` is installed"),
    ] = None,
    traces: Traces = None,
    log_format: LogFormat = "plain",
    openapi: Annotated[
        bool, typer.Option("--openapi", help="print the description, and serve nothing")
    ] = False,
    conf: Annotated[
        list[str] | None, typer.Option("--conf", help="a chain setting: on_snapshot_late=null")
    ] = None,
    definitions: Definitions = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Run the service, or describe it."""
    from catenary.app.metrics import registry
    from catenary.web.server import serve
    from catenary.web.worker import Order, described

    given = {
        "host": host,
        "port": port,
        "workers": workers,
        "body_limit": body_limit,
        "batch_limit": batch_limit,
        "time_limit_ms": time_limit_ms,
        "request_log": request_log,
        "sample_percent": sample_percent,
        "traces": traces,
        "definitions": definitions,
    }
    flags: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if openapi:
        emit(described(lived(root, names=names, conf=conf or (), **flags)))
        return
    if metrics:
        registry([])  # says what is missing
    order = Order(
        root=root,
        names=tuple(names) if names else None,
        conf=pairs(conf or ()),
        flags=flags,
        metrics=find_spec("prometheus_client") is not None if metrics is None else metrics,
        log_format=log_format,
    )

    def listening(address: str) -> None:
        if json:
            emit({"address": address})
        else:
            say(f"serving at {address}")

    serve(order, listening, told_to_stop())
