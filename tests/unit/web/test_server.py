"""What `catenary serve` says when it cannot begin, and what it prints without beginning."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.unit.cli.shop import begun, refusal
from tests.unit.web.serving import SPEND, served
from tests.unit.web.wire import request

from catenary.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.web.serving import Served


@pytest.mark.parametrize(
    ("missing", "words", "said"),
    [
        ("uvicorn", ("serve",), "`catenary serve` needs uvicorn"),
        (
            "opentelemetry.sdk",
            ("serve", "--traces", "http://localhost:4318"),
            "traces needs opentelemetry.sdk",
        ),
        ("prometheus_client", ("serve", "--metrics"), "a page of metrics needs prometheus_client"),
        (
            "prometheus_client",
            ("stream", "--all", "--metrics-port", "0"),
            "a page of metrics needs prometheus_client",
        ),
        (
            "opentelemetry.sdk",
            ("stream", "--all", "--traces", "http://localhost:4318"),
            "traces needs opentelemetry.sdk",
        ),
    ],
)
def test_a_library_that_is_not_installed_is_named_with_its_extra(
    project: Path, missing: str, words: tuple[str, ...], said: str
) -> None:
    code = f"""
import sys
import time
sys.modules[{missing!r}] = None
from catenary.cli.main import main
sys.exit(main({[*words, "--root", str(project)]!r}))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 1
    assert said in ended.stderr
    assert "pip install 'catenary[" in ended.stderr


@pytest.mark.parametrize(
    ("setting", "verb", "missing", "extra"),
    [
        ('store = "redis://h/0"', ("status",), "redis", "redis"),
        ('store = "redis://h/0"', ("serve",), "redis", "redis"),
        ('log = "kafka://h:1"', ("stream", "--all"), "confluent_kafka", "kafka"),
        ('log = "kafka://h:1"\nrequest_log = "r"', ("serve",), "confluent_kafka", "kafka"),
    ],
)
def test_a_server_whose_client_is_not_installed_is_refused_with_the_extra(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    setting: str,
    verb: tuple[str, ...],
    missing: str,
    extra: str,
) -> None:
    project = begun(tmp_path)
    features = project / "features.py"
    features.write_text(features.read_text().replace("log:///shop/orders", "orders"))
    with (project / "catenary.toml").open("a") as settings:
        settings.write(setting + "\n")
    monkeypatch.setitem(sys.modules, missing, None)
    assert f"pip install 'catenary[{extra}]'" in refusal(capsys, project, *verb)["hint"]


def test_a_port_that_is_taken_is_said_to_be(
    server: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = server.url.rpartition(":")[2]
    error = refusal(capsys, server.project, "serve", "--port", taken)
    assert f":{taken} cannot be listened at" in error["problem"]
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        error = refusal(capsys, server.project, "serve", "--port", str(other.getsockname()[1]))
    assert error["hint"] == "give another --port; 0 takes any"


def test_scopes_and_keys_are_looked_at_before_anything_is_served(
    project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    settings = (project / "catenary.toml").read_text()
    folder = tmp_path / "other"
    folder.mkdir()
    for name in ("features.py", "tables"):
        (folder / name).symlink_to(project / name)
    key = '[api_keys.a]\nenv = "NO_SUCH_KEY"\n'
    (folder / "catenary.toml").write_text(settings + key)
    assert "$NO_SUCH_KEY" in refusal(capsys, folder, "serve")["problem"]
    (folder / "catenary.toml").write_text(settings + key + 'definitions = ["return_rsik"]\n')
    assert refusal(capsys, folder, "serve")["hint"] == "did you mean 'return_risk'?"


def test_the_description_can_be_had_without_a_server(
    server: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["serve", "--openapi", "--root", str(server.project)]) == 0
    assert json.loads(capsys.readouterr().out) == server.get("/openapi.json").json()


def test_a_worker_that_is_killed_is_replaced_and_the_sums_go_on(project: Path) -> None:
    with served(project) as server:
        assert server.post(SPEND, [{"customer": "ann"}]).is_success
        children = subprocess.run(
            ["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True
        )
        os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)
        answer: httpx.Response | None = None
        until = time.monotonic() + 60
        while answer is None and time.monotonic() < until:
            try:
                answer = server.post(SPEND, [{"customer": "ann"}])
            except httpx.TransportError:
                time.sleep(0.05)
        assert answer is not None
        assert answer.is_success
        count = 'catenary_fetch_seconds_count{definition="customer_spend"} 2.0'
        assert count in server.get("/metrics").text


def test_a_request_that_is_under_way_is_answered_when_the_service_is_told_to_stop(
    project: Path,
) -> None:
    body = b'[{"customer": "ann"}]'
    with served(project) as server:
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            sent = request(SPEND, body, [("Expect", "100-continue")])
            client.sendall(sent.removesuffix(body))
            assert client.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
            server.process.send_signal(signal.SIGTERM)
            client.sendall(body)
            received = b"".join(iter(lambda: client.recv(4096), b""))
        assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        server.process.wait(20)


def test_no_request_is_lost_when_the_service_is_told_to_stop_under_load(project: Path) -> None:
    begun = threading.Barrier(7)

    def ask(url: httpx.URL) -> str:
        """Ask on one connection until told that it was the last answer."""
        connection = http.client.HTTPConnection(url.host, url.port, timeout=20)
        with closing(connection):
            for asked in itertools.count():
                connection.request("POST", SPEND, b'[{"customer": "ann"}]')
                reply = connection.getresponse()
                assert reply.status == 200, reply.read()
                reply.read()
                if reply.will_close:
                    break
                if asked == 0:
                    begun.wait(20)
            return reply.headers["connection"]

    with served(project, "--workers", "2") as server, ThreadPoolExecutor(6) as clients:
        asking = [clients.submit(ask, httpx.URL(server.url)) for _ in range(6)]
        begun.wait(20)
        server.process.send_signal(signal.SIGTERM)
        assert [each.result() for each in asking] == ["close"] * 6


def test_workers_end_with_a_parent_that_is_killed(project: Path) -> None:
    words = ("serve", "--root", str(project), "--port", "0", "--json")
    parent = subprocess.Popen(
        [sys.executable, "-m", "catenary", *words], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        port = int(json.loads(parent.stdout.readline())["address"].rpartition(":")[2])
        parent.kill()
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("somebody listens still")
