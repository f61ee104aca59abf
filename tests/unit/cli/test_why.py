"""One value explained: what made it, and the first event that one side has and the other has not."""

import json
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.cli.shop import LATER, NOON, ORDER, begun, facts, refusal

from catenary import Live
from catenary.app.why import Explainer
from catenary.cli.main import main
from catenary.cli.why import lines_of


@pytest.fixture
def project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """The sample, uploaded and with one order on its topic that its tables do not have."""
    project = begun(tmp_path)
    file = project / "orders.jsonl"
    file.write_text(json.dumps(ORDER) + "\n")
    words = ("--ds", "2024-01-21", "--frontier", "shop/orders/0:0", "--tail-buffer", "full")
    facts(capsys, project, "upload", *words)
    facts(capsys, project, "publish", "shop/orders", str(file))
    facts(capsys, project, "stream", "--all", "--until-caught-up")
    return project


def with_next_day(project: Path) -> None:
    """The day of the order comes into the tables, with another customer's order only."""
    days = project / "tables" / "shop.orders"
    (file,) = (days / "ds=2024-01-21").glob("*.parquet")
    rows = pq.ParquetFile(file).read()
    other = pa.Table.from_pylist([{**ORDER, "customer": "bob"}])
    (days / "ds=2024-01-22").mkdir()
    pq.write_table(other.select(rows.column_names), days / "ds=2024-01-22" / "part-0.parquet")


def why(
    project: Path, capsys: pytest.CaptureFixture[str], *words: str, at: str = LATER
) -> dict[str, Any]:
    return facts(capsys, project, "why", *words, "--at", at)


def test_an_event_that_only_the_stream_has_is_named(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_next_day(project)
    found = why(project, capsys, "customer_spend", "amount_sum_1d", "--key", "customer=ann")
    assert (found["value"], found["backfill"], found["differs"]) == (10.5, 0.0, True)
    assert found["first_says"] == "the stream has it, the tables have not"
    first = found["first"]
    assert (first["ts"], first["topic"], first["offset"]) == (NOON, "shop/orders", 0)
    (tile,) = found["tiles"]
    assert (tile["origin"], tile["start_ms"], tile["end_ms"]) == ("head", NOON, NOON + 1)


def test_an_event_of_a_day_that_the_tables_have_yet_to_hold_is_no_difference(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["customer_spend", "amount_sum_1d", "--key", "customer=ann"]
    found = why(project, capsys, *words)
    assert (found["value"], found["backfill"], found["differs"]) == (10.5, 0.0, False)
    assert (found["first"], found["beyond"], len(found["records"])) == (None, 1, 1)
    assert main(["why", *words, "--at", LATER, "--root", str(project)]) == 0
    said = capsys.readouterr().out
    assert "the tables end at 2024-01-22 00:00:00.000: 1 record beyond that the backfill" in said
    assert "differ" not in said
    keys = ("--key", "customer=ann", "--key", "shop=north", "--key", "amount=3")
    derived = why(project, capsys, "return_risk", "is_unusual", *keys)
    assert (derived["value"], derived["backfill"], derived["differs"]) == (False, True, False)


def test_a_difference_in_what_both_hold_is_told_beside_what_lies_beyond(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = {**ORDER, "placed_at": NOON - 86_400_000}
    file = project / "late.jsonl"
    file.write_text(json.dumps(late) + "\n")
    facts(capsys, project, "publish", "shop/orders", str(file))
    facts(capsys, project, "stream", "--all", "--until-caught-up")
    found = why(project, capsys, "customer_spend", "amount_sum_7d", "--key", "customer=ann")
    assert (found["differs"], found["beyond"], found["first"]["ts"]) == (True, 1, late["placed_at"])


def test_where_both_sides_agree_the_events_add_up_to_the_value(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    customers = pq.read_table(project / "tables" / "shop.orders").column("customer").to_pylist()
    words = ("customer_spend", "amount_sum_7d", "--key", f"customer={customers[-1]}")
    found = why(project, capsys, *words, at="2024-01-22T00:00:00Z")
    assert not found["differs"]
    assert found["first"] is None
    assert {each["origin"] for each in found["tiles"]} == {"upload"}
    assert sum(each["amount"] for each in found["rows"]) == pytest.approx(found["value"])
    assert found["value"] > 0


def test_a_table_that_changed_after_the_upload_is_found_by_the_tile(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = (project / "tables" / "shop.orders" / "ds=2024-01-20").glob("*.parquet")
    rows = pq.ParquetFile(file).read()
    customer, shop = rows.column("customer")[0].as_py(), rows.column("shop")[0].as_py()
    pq.write_table(rows.slice(1), file)
    keys = ("--key", f"customer={customer}", "--key", f"shop={shop}", "--key", "amount=1")
    words = ("return_risk", "customer_spend_amount_count_7d", *keys)
    found = why(project, capsys, *words, at="2024-01-22T00:00:00Z")
    assert found["value"] == found["backfill"] + 1
    assert "upload" in found["first_says"]
    gone = rows.column("placed_at")[0].as_py()
    gone_ms = gone if isinstance(gone, int) else int(gone.timestamp() * 1000)
    assert abs(found["first"]["ts"] - gone_ms) <= 3_600_000  # a tile of the window's hop


def test_a_derivation_is_taken_apart_and_a_chain_is_followed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = ("--key", "customer=ann", "--key", "shop=north", "--key", "amount=3")
    found = why(project, capsys, "return_risk", "ratio", *keys)
    spend, clients = found["made_of"]
    assert (spend["group_by"], clients["group_by"]) == ("customer_spend", "shop_clients")
    assert found["value"] == spend["value"] / clients["value"]
    (parent,) = clients["parents"]
    assert (parent["join"], parent["at_ms"]) == ("enriched_orders", NOON)
    assert parent["value"] == clients["records"][-1]["spend"] == 0.0
    assert parent["keys"]["customer"] == "ann"


def test_before_anything_is_published_the_store_is_held_against_the_backfill_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = begun(tmp_path / "fresh")
    facts(capsys, fresh, "upload", "--ds", "2024-01-21", "--tail-buffer", "full")
    words = ("shop_clients", "spend_average_7d", "--key", "shop=north")
    found = why(fresh, capsys, *words, at="2024-01-22T00:00:00Z")
    assert found["value"] == found["backfill"] > 0
    assert (found["records"], found["first"]) == ([], None)
    assert found["log_error"] == "there is no topic 'shop/orders'"
    capsys.readouterr()
    assert main(["why", *words, "--at", LATER, "--root", str(fresh)]) == 0
    assert "no records: there is no topic 'shop/orders'" in capsys.readouterr().out


def test_people_read_it_as_lines(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_next_day(project)
    words = ["customer_spend", "amount_sum_1d", "--key", "customer=ann", "--at", LATER]
    assert main(["why", *words, "--root", str(project)]) == 0
    said = capsys.readouterr().out
    assert "first difference: 2024-01-22 10:00:00.000  amount=10.5  shop/orders/0:0" in said
    assert "backfill  0.0  differs" in said


def test_a_read_that_is_refused_is_told_with_the_reason_that_fetch_gives(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["customer_spend", "--key", "customer=c1", "--at", "2024-01-18T10:00:00Z"]
    fetched = facts(capsys, project, "fetch", *words)
    assert fetched["status"] == "before_retention"
    words.insert(1, "amount_sum_7d")
    assert facts(capsys, project, "why", *words)["reason"] == fetched["reason"]
    capsys.readouterr()
    assert main(["why", *words, "--root", str(project)]) == 0
    said = capsys.readouterr().out
    assert f")\n    {fetched['reason']}\n" in said
    assert "events of both sides are the same" not in said


@pytest.mark.parametrize(
    "verb", [("why", "customer_spend", "amount_sum_1d"), ("fetch", "customer_spend")]
)
def test_an_instant_that_is_none_is_a_wrong_argument_and_no_wrong_definition(
    project: Path, capsys: pytest.CaptureFixture[str], verb: tuple[str, ...]
) -> None:
    error = refusal(capsys, project, *verb, "--key", "customer=ann", "--at", "noon")
    assert error["kind"] == "DataError"
    assert error["problem"] == "--at: 'noon' is not an instant"


def test_a_null_key_is_said_to_look_nothing_up(project: Path) -> None:
    with Live.open(project) as live:
        found = Explainer(live).explain("customer_spend", "amount_sum_1d", {"customer": None}, NOON)
    assert (found.no_key, found.upload, found.tiles) == (True, None, ())
    (line,) = [line for line in lines_of(found, 5) if "null" in line]
    assert line == "  customer_spend: the key is null, so nothing is looked up"


def test_the_instant_is_now_unless_one_is_given(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["customer_spend", "amount_sum_1d", "--json", "--root", str(project)]
    before = time.time_ns() // 1_000_000
    assert main(["why", *words, "--key", "customer=ann"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert before <= found["at_ms"] <= time.time_ns() // 1_000_000


@pytest.mark.parametrize(
    ("words", "problem", "hint"),
    [
        (("customer_spend", "amount_sum_2d", "--key", "customer=ann"), "no feature", "amount_sum_"),
        (("customer_spent", "amount_sum_1d", "--key", "customer=ann"), "no def", "customer_spend"),
        (("customer_spend", "amount_sum_1d", "--key", "custom=ann"), "no key", "customer"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    problem: str,
    hint: str,
) -> None:
    error = refusal(capsys, project, "why", *words, "--at", LATER)
    assert problem in error["problem"]
    assert hint in error["hint"]
