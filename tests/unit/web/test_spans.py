"""Spans reach a collector, and say which GroupBy, edge and partition, or which definition, they are of."""

from __future__ import annotations

import gzip
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tests.unit.web.serving import SPEND, published, sample, served

from catenary.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@contextmanager
def collected() -> Generator[tuple[str, list[Any]]]:
    """A collector's address, and the spans that it was sent."""
    found: list[Any] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            for of in ExportTraceServiceRequest.FromString(body).resource_spans:
                found.extend(each for scope in of.scope_spans for each in scope.spans)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def facts(span: Any) -> dict[str, Any]:
    return {
        each.key: [item.string_value for item in each.value.array_value.values]
        or each.value.string_value
        or each.value.int_value
        for each in span.attributes
    }


def test_batches_and_fetches_are_traced(tmp_path: Path) -> None:
    project = sample(tmp_path)
    with collected() as (address, spans):
        published(project, 3)
        words = ("stream", "--all", "--until-caught-up", "--traces", address)
        assert main([*words, "--root", str(project)]) == 0
        batches = {facts(each)["catenary.group_by"]: each for each in spans if each.name == "batch"}
        assert batches.keys() == {"customer_spend", "shop_clients"}
        assert facts(batches["shop_clients"])["catenary.rows"] == 3
        inside = [each for each in spans if each.parent_span_id == batches["shop_clients"].span_id]
        assert {each.name for each in inside} >= {"read", "decode", "wait", "enrich", "fold"}
        (wait,) = (facts(each) for each in inside if each.name == "wait")
        assert wait["catenary.edge"] == "customer_spend"
        assert wait["catenary.partitions"] == ["shop/orders/0"]
        spans.clear()
        caller = "4bf92f3577b34da6a3ce929d0e0e4736"
        with served(project, "--traces", address) as server:
            headers = {"traceparent": f"00-{caller}-00f067aa0ba902b7-01"}
            assert server.post(SPEND, [{"customer": "ann"}], headers=headers).is_success
            assert httpx.post(server.url + SPEND, content=b"[").status_code == 400
        fetch, refused = spans
        assert facts(fetch) == {
            "catenary.definition": "customer_spend",
            "http.response.status_code": 200,
        }
        assert fetch.trace_id.hex() == caller
        assert facts(refused)["http.response.status_code"] == 400


def test_stages_in_processes_of_their_own_are_traced(tmp_path: Path) -> None:
    project = sample(tmp_path)
    with collected() as (address, spans):
        published(project, 2)
        words = ("stream", "--all", "--until-caught-up", "--processes", "--traces", address)
        assert main([*words, "--root", str(project)]) == 0
        rows = {
            facts(each)["catenary.group_by"]: facts(each)["catenary.rows"]
            for each in spans
            if each.name == "batch"
        }
    assert rows == {"customer_spend": 2, "shop_clients": 2}
