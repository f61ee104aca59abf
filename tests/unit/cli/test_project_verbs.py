"""plan, lineage, backfill, settings and demo, on the folder that `init` writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from catenary.cli import main

DEFINED = ["customer_spend", "enriched_orders", "return_risk", "shop_clients"]


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The root of a starter folder."""
    folder = tmp_path / "shop"
    assert main(["init", str(folder)]) == 0
    capsys.readouterr()
    return str(folder)


class Said:
    """Runs a verb and reads the one object that it prints."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str, code: int = 0) -> dict[str, object]:
        assert main([*words, "--json"]) == code
        lines = self._capsys.readouterr().out.splitlines()
        assert len(lines) == 1
        return json.loads(lines[0])


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    return Said(capsys)


@pytest.mark.parametrize("verb", [("plan",), ("backfill",), ("upload", "--ds", "2024-01-21")])
def test_an_address_of_a_topic_that_is_nearly_right_is_refused_before_anything_is_done(
    verb: tuple[str, ...], shop: str, said: Said
) -> None:
    features = Path(shop, "features.py")
    features.write_text(features.read_text().replace("log:///shop", "log://shop"))
    error = said(*verb, "--root", shop, code=1)["error"]
    assert error["hint"] == "write log:///shop/orders, with three slashes"
    assert "features.py:" in error["where"]
    assert not Path(shop, "store").exists()


def test_a_second_backfill_computes_nothing(shop: str, said: Said) -> None:
    first = said("backfill", "return_risk", "--root", shop)
    written = {node["name"]: len(node["written"]) for node in first["nodes"]}
    assert written["return_risk"] == 21
    assert first["rows"] > 21 * 60
    again = said("backfill", "return_risk", "--root", shop)
    assert again["rows"] == 0
    assert [node for node in again["nodes"] if node["written"]] == []


def test_force_computes_days_that_stand(shop: str, said: Said) -> None:
    days = ["--start", "2024-01-03", "--end", "2024-01-04"]
    said("backfill", "customer_spend", "--root", shop, *days)
    forced = said("backfill", "customer_spend", "--root", shop, *days, "--force")
    assert forced["nodes"][-1]["written"] == ["2024-01-03", "2024-01-04"]


def test_a_plan_names_nodes_accuracies_and_days(shop: str, said: Said) -> None:
    plan = said("plan", "return_risk", "--root", shop, "--end", "2024-01-05")
    assert plan["targets"] == ["return_risk"]
    nodes = {node["name"]: node for node in plan["nodes"]}
    assert sorted(nodes) == DEFINED
    assert nodes["return_risk"]["kind"] == "join"
    assert nodes["shop_clients"]["accuracy"] == "temporal"
    assert nodes["return_risk"]["compute"][-1] == "2024-01-05"
    assert len(nodes["return_risk"]["compute"]) == 5


def test_a_plan_for_people_says_what_is_inferred(
    shop: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--root", shop]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in DEFINED)
    assert "temporal" in text


def test_lineage_follows_a_column_to_its_sources(
    shop: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lineage", "return_risk.ratio", "--root", shop]) == 0
    text = capsys.readouterr().out
    assert "shop.orders" in text
    assert "amount" in text
    assert main(["lineage", "return_risk", "ratio", "--root", shop]) == 0
    assert capsys.readouterr().out == text


def test_lineage_is_drawn_for_mermaid_and_printed_for_programs(
    shop: str, said: Said, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lineage", "--root", shop, "--format", "mermaid"]) == 0
    assert "-->" in capsys.readouterr().out
    assert "return_risk" in json.dumps(said("lineage", "--root", shop))


@pytest.mark.parametrize("verb", ["plan", "lineage", "backfill"])
def test_a_misspelt_definition_is_refused_with_the_nearest_name(
    verb: str, shop: str, said: Said
) -> None:
    error = said(verb, "return_rsk", "--root", shop, code=1)["error"]
    assert "return_rsk" in error["problem"]
    assert "return_risk" in error["hint"]


def test_a_missing_table_is_named(shop: str, tmp_path: Path, said: Said) -> None:
    (tmp_path / "shop" / "tables" / "shop.orders").rename(tmp_path / "elsewhere")
    error = said("plan", "--root", shop, code=1)["error"]
    assert "shop.orders" in error["problem"]


@pytest.mark.parametrize("verb", ["plan", "lineage", "backfill", "settings", "demo"])
def test_an_unknown_option_is_a_usage_error_of_every_verb(verb: str) -> None:
    assert main([verb, "--frobnicate"]) == 2


def test_settings_say_where_each_value_came_from(
    shop: str, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATENARY_THREADS", "1")
    found = said("settings", "--root", shop)
    assert found["threads"] == {"value": 1, "from": "CATENARY_THREADS"}
    assert found["definitions"]["value"] == "features.py"
    assert found["definitions"]["from"].endswith("catenary.toml")
    assert found["compression"] == {"value": "zstd", "from": "default"}


def test_settings_are_a_line_each_for_people(shop: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "--root", shop]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["compression", "'zstd'", "default"] for line in lines)


def test_settings_name_the_api_keys_and_keep_what_they_are(
    tmp_path: Path, said: Said, capsys: pytest.CaptureFixture[str]
) -> None:
    digest = "ab" * 32
    (tmp_path / "catenary.toml").write_text(f'[api_keys.scorer]\nsha256 = "{digest}"\n')
    found = said("settings", "--root", str(tmp_path))
    assert found["api_keys"] == {"value": ["scorer"], "from": "catenary.toml"}
    assert main(["settings", "--root", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "[api_keys.scorer]" in out.splitlines()
    assert digest not in out


def test_a_misspelt_setting_is_refused_with_the_nearest_name(
    shop: str, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CATENARY_TREADS", "1")
    error = said("settings", "--root", shop, code=1)["error"]
    assert error["where"] == "CATENARY_TREADS"
    assert "threads" in error["hint"]


def test_the_starters_own_test_passes(shop: str) -> None:
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    clean = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    done = subprocess.run(words, cwd=shop, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


@pytest.mark.parametrize("code", [0, 1])
def test_demo_passes_its_options_on_and_keeps_the_storys_exit_code(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[object, ...]] = []

    def run_demo(folder: Path, *, log: str, store: str, json: bool, sabotage: bool) -> int:
        told.append((folder, log, store, json, sabotage))
        return code

    monkeypatch.setattr("catenary.demo.run.run_demo", run_demo)
    words = ["demo", "--folder", str(tmp_path), "--log", "kafka://there", "--sabotage", "--json"]
    assert main(words) == code
    assert told == [(tmp_path, "kafka://there", "store", True, True)]


def test_seconds_in_tables_of_milliseconds_are_doubted_aloud(
    shop: str, said: Said, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in Path(shop, "tables").rglob("*.parquet"):
        rows = pq.ParquetFile(file).read()
        seconds = pc.divide(rows.column("placed_at"), pa.scalar(1_000))
        at = rows.column_names.index("placed_at")
        pq.write_table(rows.set_column(at, "placed_at", seconds), file)
    for verb, made in (("backfill", "nodes"), ("upload", "uploads")):
        words = ["--root", shop, *(["--ds", "2024-01-21"] if verb == "upload" else [])]
        reports = said(verb, *words)[made]
        doubted = {name for each in reports for name in each["unlikely"]}
        assert doubted == {"shop.orders.placed_at"}
    assert main(["upload", "--root", shop, "--ds", "2024-01-21"]) == 0
    out = capsys.readouterr().out
    assert "  every shop.orders.placed_at that was read lies before 1971" in out
    assert "is 1970-01-2" in out
