"""Pages of metrics are read by Prometheus' own parser, and say what `status` says."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.web.serving import SPEND, key

from catenary.cli.main import main

if TYPE_CHECKING:
    import pytest
    from tests.unit.web.serving import Served

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
LANE = {"source": "0", "topic": "shop/orders", "partition": "0"}


def read(page: str) -> Samples:
    families = list(text_string_to_metric_families(page))
    assert len({each.name for each in families}) == len(families)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def test_fetches_are_counted_over_all_workers(guarded: Served) -> None:
    def now() -> Samples:
        return read(guarded.get("/metrics", headers=key("secret-a")).text)

    before = now()
    for _ in range(12):  # each on a connection of its own, which any worker may get
        assert guarded.post(SPEND, [{"customer": "c1"}] * 2, headers=key("secret-b")).is_success
        assert guarded.post(SPEND, [{}], headers=key("secret-b")).status_code == 422
    after = now()

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    spend = {"definition": "customer_spend"}
    assert grown("catenary_fetch_seconds_count", **spend) == 12
    assert grown("catenary_fetch_seconds_bucket", le="+Inf", **spend) == 12
    assert grown("catenary_fetch_seconds_sum", **spend) > 0
    rows = [
        grown("catenary_fetch_rows_total", status=each, **spend) for each in ("ok", "stale_batch")
    ]
    assert sum(rows) == 24
    assert grown("catenary_refused_requests_total", code="422") == 12


def test_the_page_on_operations_lists_every_metric_and_no_other(server: Served) -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "operations.md").read_text()
    table = text.split("| metric |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (`[^|]+) \|", table, flags=re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    page = server.get("/metrics").text
    told = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in text_string_to_metric_families(page)
    }
    assert sorted(listed) == sorted(told)


def test_the_page_says_of_stages_what_status_says(
    server: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = read(server.get("/metrics").text)
    capsys.readouterr()
    assert main(["status", "--root", str(server.project), "--json"]) == 0
    stages = json.loads(capsys.readouterr().out)["stages"]
    assert value(samples, "catenary_reachable") == 1
    for stage in stages:
        (lane,) = stage["lanes"]
        labels = {"group_by": stage["stage"], **LANE}
        assert value(samples, "catenary_stage_position", **labels) == lane["position"] == 61
        assert value(samples, "catenary_stage_lag_records", **labels) == lane["lag"]
        assert value(samples, "catenary_stage_rows_total", **labels) == lane["rows"]
        assert value(samples, "catenary_stage_head_bytes", **labels) == lane["head_bytes"]
        assert value(samples, "catenary_dead_letters", group_by=stage["stage"]) == 0
        (copy,) = stage["copies"]
        for edge, facts in copy["waits"].items():
            assert (
                value(samples, "catenary_edge_waits_total", edge=edge, **labels) == facts["times"]
            )
        for edge, many in copy["edges"].items():
            parent, status = edge.split(":")
            edges = {"edge": parent, "status": status, **labels}
            assert value(samples, "catenary_edge_rows_total", **edges) == many
    assert any(name == "catenary_edge_rows_total" for name, _ in samples)


def test_a_stream_offers_the_page_and_says_what_it_does_as_lines_of_json(project: Path) -> None:
    stream = subprocess.Popen(
        [
            *(sys.executable, "-m", "catenary", "stream", "--all", "--root", str(project)),
            *("--metrics-port", "0", "--log-format", "json"),
        ],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    assert stream.stderr is not None
    lines = []
    while not any("metrics" in line for line in lines):
        lines.append(json.loads(stream.stderr.readline()))
    samples = read(httpx.get(lines[-1]["metrics"]).text)
    assert value(samples, "catenary_stage_position", group_by="customer_spend", **LANE) == 61
    stream.send_signal(signal.SIGTERM)
    with stream:
        lines += [json.loads(line) for line in stream.stderr]
    assert stream.returncode == 0
    assert {"time", "level", "logger", "message"} <= lines[0].keys()
    assert {each.get("stage") for each in lines} >= {"customer_spend", "shop_clients"}
