"""The live half as a newcomer types it: upload, publish, stream, fetch, status, dead letters."""

import base64
import io
import json
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.cli.shop import LATER, ORDER, begun, facts, published, refusal, said

from catenary.cli.main import main
from catenary.errors import CatenaryError, SettingsError, UnreachableError
from catenary.plan.settings import PREFIX
from catenary.ports import SourcePartition
from catenary.windows import DAY_MS


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return begun(tmp_path)


def test_a_published_order_is_in_the_next_answer(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts(capsys, project, "upload", "--ds", "2024-01-21", "--frontier", "shop/orders/0:0")
    token = published(capsys, project)
    assert token == "shop/orders/0:1"
    facts(capsys, project, "stream", "--all", "--until-caught-up")
    key = ("--key", "customer=ann")
    words = ("fetch", "customer_spend", *key, "--at", LATER, "--min-token", token)
    answer = facts(capsys, project, *words)
    assert answer["status"] == "ok"
    unzoned = LATER.replace("T", " ").removesuffix("Z")
    assert facts(capsys, project, "fetch", "customer_spend", *key, "--at", unzoned) == answer
    assert answer["features"]["amount_sum_1d"] == 10.5
    (spend, clients) = facts(capsys, project, "status")["stages"]
    assert (spend["stage"], spend["lanes"][0]["lag"]) == ("customer_spend", 0)
    assert spend["lanes"][0]["head_bytes"] > 0
    assert (clients["stage"], clients["lanes"][0]["rows"]) == ("shop_clients", 1)


def test_a_stage_says_what_it_waited_for_and_how_long_records_are_queued(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(capsys, project)
    facts(capsys, project, "stream", "--all", "--until-caught-up")
    published(capsys, project)
    (spend, clients) = facts(capsys, project, "status")["stages"]
    (copy,) = clients["copies"]
    assert (copy["rows"], copy["waits"]["customer_spend"]["times"]) == (1, 1)
    assert copy["edges"] == {"customer_spend:missing_upload": 1}
    assert copy["memory_peak_bytes"] > 1 << 20
    assert spend["copies"][0]["waits"] == {}
    assert (spend["lanes"][0]["lag"], spend["lanes"][0]["queued_ms"] >= 0) == (1, True)
    assert main(["status", "--root", str(project)]) == 0
    out = capsys.readouterr().out
    assert "waited for customer_spend 1 time," in out
    assert "rows customer_spend:missing_upload: 1" in out


def test_what_is_streamed_before_an_upload_says_that_the_tables_are_missing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project / "orders.jsonl"
    file.write_text(json.dumps(ORDER) + "\n")
    facts(capsys, project, "publish", "shop/orders", str(file))
    facts(capsys, project, "stream", "--all", "--until-caught-up")
    spend = ("fetch", "customer_spend", "--key", "customer=ann", "--at", LATER)
    clients = ("fetch", "shop_clients", "--key", "shop=north", "--at", LATER)
    assert [facts(capsys, project, *words)["status"] for words in (spend, clients)] == [
        "missing_upload",
        "missing_upload",
    ]
    facts(capsys, project, "upload", "--ds", "2024-01-21", "--frontier", "shop/orders/0:0")
    facts(capsys, project, "stream", "--all", "--until-caught-up")  # settles what it lacks
    assert facts(capsys, project, *spend)["status"] == "ok"
    # What was enriched before goes on to say so.
    assert facts(capsys, project, *clients)["status"] == "missing_upload"


def test_who_streams_a_chain_before_its_upload_is_told_what_that_costs_and_how_it_is_mended(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = ["stream", "--all", "--until-caught-up", "--root", str(project)]
    published(capsys, project)
    capsys.readouterr()
    assert main(stream) == 0
    told = (
        "shop_clients is chained on customer_spend, which has no upload: rows that it enriches now"
    )
    assert told in capsys.readouterr().err
    upload = ["upload", "--ds", "2024-01-21", "--frontier", ""]
    capsys.readouterr()
    assert main([*upload, "--root", str(project)]) == 0
    mend = "rows that shop_clients enriched before this upload say missing_upload for good"
    out = capsys.readouterr().out
    assert mend in out
    (dataset,) = [each for each in out.split() if each.startswith("shop_clients@")]
    facts(capsys, project, "stream", "--all", "--until-caught-up")
    fetch = ("fetch", "shop_clients", "--key", "shop=north", "--at", LATER)
    assert facts(capsys, project, *fetch)["status"] == "missing_upload"
    # As it says.
    facts(capsys, project, "remove", "--current", dataset.rstrip("`,"))
    assert [each["early"] for each in facts(capsys, project, *upload)["uploads"]] == [[], []]
    assert main(stream) == 0
    assert "has no upload" not in capsys.readouterr().err
    assert facts(capsys, project, *fetch)["status"] == "ok"


def test_a_child_waits_until_its_parents_first_upload_is_settled(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(capsys, project)
    facts(capsys, project, "stream", "customer_spend", "--until-caught-up")
    uploads = facts(capsys, project, "upload", "--ds", "2024-01-21", "--frontier", "")["uploads"]
    assert [each["state"] for each in uploads] == ["landed", "active"]
    (_, child) = facts(capsys, project, "stream", "--all", "--until-caught-up")["stages"]
    assert child["edges"] == {"customer_spend:missing": 1}
    fetch = ("fetch", "shop_clients", "--key", "shop=north", "--at", LATER)
    assert facts(capsys, project, *fetch)["status"] == "ok"


def test_an_upload_beside_a_stream_of_which_nobody_says_what_it_holds_says_so(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(capsys, project)
    facts(capsys, project, "stream", "--all", "--until-caught-up")
    capsys.readouterr()
    assert main(["upload", "--ds", "2024-01-20", "--root", str(project)]) == 0
    assert "upload with --frontier: ''" in capsys.readouterr().out
    fetch = ["fetch", "customer_spend", "--key", "customer=ann", "--at", LATER]
    assert main([*fetch, "--root", str(project)]) == 0
    out = capsys.readouterr().out
    assert "before_retention" in out
    assert "lies before the retained history" in out
    assert facts(capsys, project, *fetch)["reason"] in out
    done = facts(capsys, project, "upload", "--ds", "2024-01-20", "--frontier", "")
    assert [each["unjoined"] for each in done["uploads"]] == [False, False]


def test_an_older_upload_beside_a_newer_one_that_is_read_refuses_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts(capsys, project, "upload", "--ds", "2024-01-21", "--frontier", "")
    published(capsys, project)
    facts(capsys, project, "stream", "--all", "--until-caught-up")
    done = facts(capsys, project, "upload", "--ds", "2024-01-20")
    assert [each["unjoined"] for each in done["uploads"]] == [False, False]
    fetch = ("fetch", "customer_spend", "--key", "customer=ann", "--at", LATER)
    assert facts(capsys, project, *fetch)["status"] == "ok"


def test_partitions_that_a_frontier_does_not_name_are_told_in_the_report(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    upload = ("upload", "--ds", "2024-01-21", "--frontier")
    published(capsys, project, "--partitions", "3")
    published(capsys, project, "--partition", "1")
    done = facts(capsys, project, *upload, "shop/orders/0:1")["uploads"]
    assert [each["unnamed"] for each in done] == [["shop/orders/1"]] * 2, "nothing is in the third"
    capsys.readouterr()
    assert main([*upload, "shop/orders/0:1", "--root", str(project)]) == 0
    told = "taken from their beginning, as the frontier does not name them: shop/orders/1;"
    assert told in capsys.readouterr().out
    for whole in ("shop/orders/0:1,shop/orders/1:1", ""):
        done = facts(capsys, project, *upload, whole)["uploads"]
        assert [each["unnamed"] for each in done] == [[], []]


def test_a_frontier_without_any_topic_that_a_group_by_follows_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features = project / "features.py"
    text = features.read_text()
    source = 'EventSource(table="shop.orders", topic="log:///shop/returns", query=orders.query)'
    own = text[text.index("customer_spend = ") : text.index("# Each order")]
    own = own.replace("customer_spend", "returns").replace("sources=orders", f"sources={source}")
    features.write_text(f"{text}\n\n{own}")
    published(capsys, project)
    words = ("upload", "--ds", "2024-01-21", "--frontier")
    error = refusal(capsys, project, *words, "shop/orders/0:1")
    told = "the frontier names none of the topics that returns follows: shop/returns"
    assert error["problem"] == told
    assert "shop/orders/0:1,shop/returns/0:OFFSET" in error["hint"]
    error = refusal(capsys, project, *words, "shop/order/0:1")
    assert "'shop/order', which is not followed here" in error["problem"]
    assert "shop/orders" in error["hint"]
    facts(capsys, project, *words, "shop/orders/0:1,shop/returns/0:0")
    facts(capsys, project, *words, "")


def test_reads_of_what_no_upload_and_no_stream_holds_say_so(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for day in ("2024-01-19", "2024-01-20"):
        facts(capsys, project, "upload", "--ds", day)
    words = ("fetch", "customer_spend", "--key", "customer=c1", "--at")
    between = facts(capsys, project, *words, "2024-01-20T10:00:00Z")
    assert between["status"] == "stale_batch", "the second upload is too new, and no stage ran"
    assert facts(capsys, project, *words, "2024-01-21T00:00:00Z")["status"] in ("ok", "missing")
    facts(capsys, project, "stream", "--all", "--until-caught-up")
    early = facts(capsys, project, *words, "2024-01-18T10:00:00Z")
    assert (early["status"], set(early["features"].values())) == ("before_retention", {None})


def test_how_much_earlier_chains_read_is_one_for_uploads_stages_and_fetches(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (project / "catenary.toml").open("a") as settings:
        settings.write("query_shift_ms = -3600000\n")
    facts(capsys, project, "upload", "--ds", "2024-01-21", "--frontier", "shop/orders/0:0")
    file = project / "orders.jsonl"
    file.write_text(json.dumps(ORDER) + "\n")
    token = facts(capsys, project, "publish", "shop/orders", str(file))["token"]
    shift = ("--conf", "query_shift_ms=-3600000")
    streamed = facts(capsys, project, "stream", "--all", "--until-caught-up", *shift)["stages"]
    assert [each["edges"] for each in streamed] == [{}, {"customer_spend:missing": 1}]
    words = (
        "fetch",
        "shop_clients",
        "--key",
        "shop=north",
        "--at",
        LATER,
        "--min-token",
        str(token),
    )
    assert facts(capsys, project, *words)["status"] == "ok"


def test_stages_in_processes_of_their_own_give_the_same(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project / "orders.jsonl"
    file.write_text("".join(json.dumps({**ORDER, "order_id": at}) + "\n" for at in range(3)))
    facts(capsys, project, "publish", "shop/orders", str(file))
    stages = facts(capsys, project, "stream", "shop_clients", "--until-caught-up", "--processes")
    assert [each["rows"] for each in stages["stages"]] == [3, 3]
    words = ("fetch", "customer_spend", "--key", "customer=ann", "--at", LATER)
    assert facts(capsys, project, *words)["features"]["amount_count_7d"] == 3


@pytest.mark.parametrize("where", [(), ("--processes",)])
def test_chronons_settings_hold_for_stream_too(
    project: Path, capsys: pytest.CaptureFixture[str], where: tuple[str, ...]
) -> None:
    file = project / "orders.jsonl"
    file.write_text("".join(json.dumps({**ORDER, "order_id": at}) + "\n" for at in range(6)))
    facts(capsys, project, "publish", "shop/orders", str(file))
    conf = ("--conf", f"{PREFIX}max_offsets_per_trigger=2", "--conf", f"{PREFIX}warmup.enabled=1")
    words = ("stream", "shop_clients", "--until-caught-up", *conf, *where)
    stages = facts(capsys, project, *words)["stages"]
    assert [(each["rows"], each["batches"]) for each in stages] == [(6, 3), (6, 3)]


def test_a_function_of_the_project_is_known_in_processes_of_their_own(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features = project / "features.py"
    text = features.read_text()
    registered = """
import pyarrow.compute as pc
from catenary import register_function


@register_function("double_up", ["double"], "double")
def double_up(values):
    return pc.multiply(values, 2.0)


orders = EventSource("""
    text = text.replace("orders = EventSource(", registered, 1).replace(
        'selects=["order_id", "customer", "shop", "amount", "returned"]',
        'selects={"order_id": "order_id", "customer": "customer", "shop": "shop",'
        ' "amount": "double_up(amount)", "returned": "returned"}',
    )
    features.write_text(text)
    published(capsys, project)
    facts(capsys, project, "stream", "customer_spend", "--until-caught-up", "--processes")
    words = ("fetch", "customer_spend", "--key", "customer=ann", "--at", LATER)
    assert facts(capsys, project, *words)["features"]["amount_sum_1d"] == 21.0


def test_a_record_that_cannot_be_read_is_a_dead_letter_and_takes_no_neighbour_along(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from catenary.logs.embedded import EmbeddedLog

    log = EmbeddedLog(project / "log")
    log.create("shop/orders")
    log.append("shop/orders", [b"{", json.dumps(ORDER).encode()])
    log.close()
    facts(capsys, project, "stream", "customer_spend", "--until-caught-up")
    letters = facts(capsys, project, "dead-letters")["customer_spend"]
    (letter,) = letters
    assert (letter["offset"], letter["step"], letter["value"]) == (0, "decode", "{")
    assert letter["reason"]
    replayed = facts(capsys, project, "dead-letters", "--replay")
    assert replayed["replayed"] == {"customer_spend": 0, "shop_clients": 0}
    words = ("fetch", "customer_spend", "--key", "customer=ann", "--at", LATER)
    assert facts(capsys, project, *words)["features"]["amount_count_7d"] == 1


def test_a_replay_takes_in_what_a_raised_setting_lets_pass(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ahead = time.time_ns() // 1_000_000 + 3 * DAY_MS
    file = project / "orders.jsonl"
    file.write_text(json.dumps({**ORDER, "placed_at": ahead}) + "\n")
    facts(capsys, project, "publish", "shop/orders", str(file))
    facts(capsys, project, "stream", "customer_spend", "--until-caught-up")
    replay = ("dead-letters", "customer_spend", "--replay")
    assert facts(capsys, project, *replay)["replayed"] == {"customer_spend": 0}
    raised = facts(capsys, project, *replay, "--conf", f"max_ahead_ms={4 * DAY_MS}")
    assert raised["replayed"] == {"customer_spend": 1}
    words = ("fetch", "customer_spend", "--key", "customer=ann", "--at", str(ahead + 1))
    assert facts(capsys, project, *words)["features"]["amount_sum_1d"] == 10.5


def test_a_dead_letter_that_was_dealt_with_is_dismissed_kept_and_left_alone_by_replays(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from catenary.logs.embedded import EmbeddedLog

    log = EmbeddedLog(project / "log")
    log.create("shop/orders")
    log.append("shop/orders", [b"{", json.dumps(ORDER).encode(), b"]"])
    log.close()
    facts(capsys, project, "stream", "--all", "--until-caught-up")
    letters = ("dead-letters", "customer_spend")

    def counts() -> tuple[int, int]:
        (spend, clients) = facts(capsys, project, "status")["stages"]
        assert clients["dead_letters"] == 2, "of another stage"
        return spend["dead_letters"], spend["dismissed"]

    error = refusal(capsys, project, *letters, "--dismiss", "shop/orders/0:1")
    assert "no open dead letter is of 'shop/orders/0:1'" in error["problem"]
    assert counts() == (2, 0)
    words = (*letters, "--dismiss", "shop/orders/0:0", "--note", "sent anew")
    (gone,) = facts(capsys, project, *words)["dismissed"]["customer_spend"]
    assert (gone["offset"], gone["note"], gone["dismissed_ms"] > 0) == (0, "sent anew", True)
    assert counts() == (1, 1)
    first, second = facts(capsys, project, *letters)["customer_spend"]
    assert (first["note"], first["value"], second["dismissed_ms"]) == ("sent anew", "{", 0)
    assert main([*letters, "--root", str(project)]) == 0
    out = capsys.readouterr().out
    assert "customer_spend: 1 dead letter, 1 dismissed" in out
    assert out.splitlines()[1].endswith(": sent anew)")
    assert out.splitlines()[2].strip() == "'{'"
    facts(capsys, project, *letters, "--dismiss", "all")
    assert counts() == (0, 2)
    taken_back = facts(capsys, project, *letters, "--reopen", "shop/orders/0:2")["reopened"]
    assert [each["offset"] for each in taken_back["customer_spend"]] == [2]
    assert counts() == (1, 1)
    assert "several things" in refusal(capsys, project, *words, "--replay")["problem"]


def test_dead_letters_are_appended_to_a_topic_that_is_made_as_it_is_asked_for(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from catenary.logs.embedded import EmbeddedLog

    with closing(EmbeddedLog(project / "log")) as log:
        log.create("shop/orders")
        log.append("shop/orders", [b"{"])
    facts(capsys, project, "stream", "customer_spend", "--until-caught-up")
    words = ("dead-letters", "customer_spend", "--partitions", "3")
    assert refusal(capsys, project, *words)["hint"] == "give --to, too"
    facts(capsys, project, *words, "--to", "aside")
    with closing(EmbeddedLog(project / "log")) as log:
        first, *others = log.partitions("aside")
        assert len(others) == 2
        (value,) = log.read(first, 0, max_records=9, max_bytes=1 << 20).values.to_pylist()
    letter = json.loads(value)
    assert (letter["stage"], letter["value"]) == ("customer_spend", "{")


def test_status_tells_who_holds_a_head_and_whether_the_owner_still_runs(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(capsys, project)
    facts(capsys, project, "stream", "--all", "--until-caught-up")
    (spend, _) = facts(capsys, project, "status")["stages"]
    assert [each["ended"] for each in spend["lanes"]] == [False]
    facts(capsys, project, "stream", "--all", "--until-caught-up", "--processes")
    (spend, _) = facts(capsys, project, "status")["stages"]
    assert [each["ended"] for each in spend["lanes"]] == [True]
    assert [each.partition("@")[0] for each in spend["readers"]] == ["shop_clients"]
    capsys.readouterr()
    assert main(["status", "--root", str(project)]) == 0
    text = capsys.readouterr().out
    assert "the head is held by shop_clients" in text
    assert ", which has ended" in text


def test_status_tells_what_is_damaged_in_its_place_and_the_figures_of_all_else(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(capsys, project)
    facts(capsys, project, "stream", "--all", "--until-caught-up")
    published(capsys, project)
    (segment,) = (project / "log").glob("*/0/0*")
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-20] + bytes(20))
    code, out = said(capsys, project, "status")
    assert code == 1
    for stage in json.loads(out)["stages"]:
        (lane,) = stage["lanes"]
        assert (lane["rows"], lane["lag"], lane["error"]["kind"]) == (1, None, "UnreadableError")
    segment.write_bytes(whole)
    (dataset,) = (project / "store").glob("shop_clients@*")
    (dataset / "format").write_text("{")
    code, out = said(capsys, project, "status")
    assert code == 1
    spend, clients = json.loads(out)["stages"]
    assert (spend["error"], [each["lag"] for each in spend["lanes"]]) == (None, [1])
    assert (clients["error"]["kind"], clients["lanes"]) == ("UnreadableError", [])
    assert main(["status", "--root", str(project)]) == 1
    text = capsys.readouterr().out
    assert "customer_spend: 0 dead letters\n  shop/orders/0 at 1, 1 queued" in text
    assert "shop_clients: UnreadableError: the store of" in text


@pytest.mark.parametrize(
    ("error", "told", "code"),
    [
        (
            UnreachableError("asking for the offsets of shop/orders/0: timed out", where="b:9092"),
            "b:9092: asking for the offsets of shop/orders/0: timed out",
            0,
        ),
        (
            SettingsError("no option is called x.y", where="kafka.conf", hint="mend it"),
            "SettingsError: no option is called x.y\n    at kafka.conf\n    hint: mend it",
            1,
        ),
    ],
    ids=["the broker is away", "its options are wrong"],
)
def test_why_lags_are_not_known_is_told_once_after_all_stages(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: CatenaryError,
    told: str,
    code: int,
) -> None:
    published(capsys, project, "--partitions", "2")
    facts(capsys, project, "stream", "--all", "--until-caught-up")

    def refuses(*_: object) -> dict[SourcePartition, int]:
        raise error

    monkeypatch.setattr("catenary.logs.embedded.EmbeddedLog.ends", refuses)
    capsys.readouterr()
    assert main(["status", "--root", str(project)]) == code
    text = capsys.readouterr().out
    assert text.count("shop/orders/0 at 1, lag unknown, 1 row,") == 2
    assert text.count("shop/orders/1 at 0, lag unknown, 0 rows,") == 2
    assert text.endswith(f"\nlag unknown of shop/orders/0, shop/orders/1: {told}\n")
    assert text.count(error.problem) == 1


def test_what_follows_no_topic_is_told_by_its_uploads(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    features = project / "features.py"
    quiet = [line for line in features.read_text().splitlines() if "topic=" not in line]
    features.write_text("\n".join(quiet))
    (first, second) = facts(capsys, project, "status")["stages"]
    assert (first["streamed"], first["uploads"]) == (False, [])
    facts(capsys, project, "upload", "--ds", "2024-01-20")
    (first, second) = facts(capsys, project, "status")["stages"]
    assert [each["state"] for each in (*first["uploads"], *second["uploads"])] == ["active"] * 2
    capsys.readouterr()
    assert main(["status", "--root", str(project)]) == 0
    assert "customer_spend: follows no topic\n  upload 1: up to" in capsys.readouterr().out
    assert main(["dead-letters", "--root", str(project)]) == 0
    assert "nothing here follows a topic" in capsys.readouterr().out


def test_a_topic_is_made_with_as_many_partitions_as_are_asked_for_and_keeps_them(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--partition", "1", "--partitions", "2")
    assert published(capsys, project, *words) == "shop/orders/1:1"
    file = str(project / "orders.jsonl")
    assert main(["publish", "shop/orders", file, "--root", str(project), "--partition", "1"]) == 0
    assert "appended to shop/orders, all to partition 1 of its 2" in capsys.readouterr().out
    facts(capsys, project, "stream", "--all", "--until-caught-up")
    (spend, _) = facts(capsys, project, "status")["stages"]
    assert [each["position"] for each in spend["lanes"]] == [0, 2]
    error = refusal(capsys, project, "stream", "--all", "--partitions", "3")
    assert (error["kind"], "has 2 partitions, not 3" in error["problem"]) == ("LogError", True)


def test_a_key_is_null_where_null_is_no_text(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts(capsys, project, "upload", "--ds", "2024-01-21")
    keys = ("--key", "customer=null", "--key", "shop=north", "--key", "amount=null")
    row = facts(capsys, project, "fetch", "return_risk", *keys)
    assert row["features"]["is_unusual"] is None
    found = facts(
        capsys, project, "why", "return_risk", "is_unusual", *keys, "--at", "2024-01-22T00:00:00Z"
    )
    assert found["keys"] == {"customer": "null", "shop": "north", "amount": None}


def test_bytes_are_base64_in_requests_as_in_answers(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "features.py").write_text(
        """
from catenary import Aggregation, EventSource, GroupBy, Operation, Query

tokens = GroupBy(
    "tokens",
    sources=EventSource(
        table="shop.orders",
        topic="log:///shop/orders",
        query=Query({"token": "CAST(customer AS BINARY)"}, time_column="placed_at"),
    ),
    keys="token",
    aggregations=[Aggregation("token", Operation.LAST), Aggregation("token", Operation.LAST_K(2))],
)
"""
    )
    published(capsys, project)
    facts(capsys, project, "stream", "tokens", "--until-caught-up")
    token = base64.b64encode(b"ann").decode()
    words = ("fetch", "tokens", "--at", LATER)
    wanted = {"token_last": token, "token_last2": [token]}
    assert facts(capsys, project, *words, "--key", f"token={token}")["features"] == wanted
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"token": token})))
    assert facts(capsys, project, *words)["features"] == wanted
    error = refusal(capsys, project, *words, "--key", "token=ann!")
    assert ("is no base64" in error["problem"], "aGk=" in error["hint"]) == (True, True)
    keys = ("--key", f"token={token}", "--at", LATER)
    assert facts(capsys, project, "why", "tokens", "token_last", *keys)["keys"] == {"token": token}


def test_many_requests_are_lines_on_stdin(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('{"customer": "ann"}\n\n{"customer": "bob"}\n'))
    _, out = said(capsys, project, "fetch", "customer_spend")
    assert [json.loads(line)["status"] for line in out.splitlines()] == ["missing_upload"] * 2
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    error = refusal(capsys, project, "fetch", "customer_spend")
    assert (error["problem"], "--key" in error["hint"]) == ("no request was given", True)


@pytest.mark.parametrize(
    ("words", "problem", "hint"),
    [
        (("fetch", "return_risk", "--key", "amount="), "is not double", "amount=null"),
        (
            ("fetch", "customer_spend", "--key", "customer=a", "--min-token", "shop/order/0:1"),
            "'shop/order', which is not followed",
            "shop/orders",
        ),
        (("upload", "--ds", "0001-01-01"), "a day before 0001-01-01", "choose others"),
        (("upload", "--ds", "9999-12-31"), "the last day there is 2024-01-21", "--ds 2024-01-21"),
        (("upload", "--ds", "2024-01-22"), "the last day there is 2024-01-21", "--ds 2024-01-21"),
        (
            ("upload", "--ds", "2024-01-21", "--frontier", "shop/orders/0:1"),
            "beyond the log's end, shop/orders/0:0",
            "never ahead",
        ),
        (
            ("fetch", "customer_spend", "--key", "customer=a", "--key", "customer=b"),
            "'customer' is given twice",
            "stdin",
        ),
        (("publish", "shop/order", "x.jsonl"), "no definition follows", "shop/orders"),
        (("publish", "shop/orders", "x.jsonl"), "there is no file", ""),
        (("stream",), "say which stages run", "--all"),
        (("stream", "shop_client"), "no definition is named", "shop_clients"),
        (("stream", "--all", "--conf", "max_wait=3"), "no chain setting", "max_wait_ms"),
        (("stream", "--all", "--conf", "query_shift_ms=-5"), "project's is 0", "catenary.toml"),
        (("stream", "--all", "--conf", f"{PREFIX}query_shift_ms=-5"), "-5, but", "catenary.toml"),
        (("fetch", "customer_spend", "--key", "custmer=ann"), "custmer", "customer"),
        (("upload", "--ds", "2024-01-21", "--tail-buffer", "2x"), "no length", "full"),
        (("upload", "--ds", "2024-01-21", "--frontier", "x"), "no position", "topic/partition"),
    ],
)
def test_what_is_wrong_is_said_with_how_to_mend_it(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    problem: str,
    hint: str,
) -> None:
    error = refusal(capsys, project, *words)
    assert problem in error["problem"]
    assert hint in (error["hint"] or "")


@pytest.mark.parametrize(
    ("file", "written", "told"),
    [
        ("x.parquet", "no parquet", ("UnreadableError", "not a readable Parquet file", "again")),
        ("x.jsonl", "not json", ("DataError", "row 1: this is not JSON", "nothing was appended")),
        ("x.jsonl", "[1]", ("DataError", "row 1: expected an object, not an array", "mend")),
        (
            "x.jsonl",
            json.dumps(ORDER) + '\n{"custmer": "ann"}',
            ("DataError", "row 2: there is no column 'custmer', did you mean 'customer'?", "mend"),
        ),
    ],
)
def test_a_file_that_cannot_be_published_is_refused_as_a_whole(
    project: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    written: str,
    told: tuple[str, str, str],
) -> None:
    (project / file).write_text(written)
    error = refusal(capsys, project, "publish", "shop/orders", str(project / file))
    kind, problem, hint = told
    assert error["kind"] == kind
    assert problem in error["problem"]
    assert hint in error["hint"]
    assert error["where"] == str(project / file)
    assert published(capsys, project) == "shop/orders/0:1"


def test_a_token_that_is_not_reached_is_said_with_the_stage_that_lags(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("fetch", "customer_spend", "--key", "customer=ann", "--timeout", "0.1")
    error = refusal(capsys, project, *words, "--min-token", "shop/orders/0:7")
    assert "customer_spend" in error["problem"]
    assert error["hint"].startswith(
        "shop/orders/0 ends at 0, before 7: nothing that far was published"
    )
    token = published(capsys, project)
    error = refusal(capsys, project, *words, "--min-token", token)
    assert error["hint"] == "`catenary status` shows whether the stage runs, and how far it lags"
