"""What is answered: the shape, and that it is what the library and the backfill say."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.web.serving import LAST_DAY, LATER, RISK, SPEND, TOKEN

from catenary.app.live import Live
from catenary.cli.main import main
from catenary.windows import parse_instant

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.unit.web.serving import Served

ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def live(project: Path) -> Generator[Live]:
    with Live.open(project) as found:
        yield found


def stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def test_a_key_gets_a_result_in_the_shape_of_chronons_service(server: Served) -> None:
    answer = server.post(SPEND, [{"customer": "ann"}], params={"at": LATER})
    assert answer.status_code == 200
    assert answer.json() == {
        "results": [
            {
                "status": "Success",
                "entityKeys": {"customer": "ann"},
                "features": {
                    "amount_sum_1d": 10.5,
                    "amount_sum_7d": 10.5,
                    "amount_count_7d": 1,
                    "amount_last3": [10.5],
                },
                "rowStatus": "ok",
                "partStatuses": {},
            }
        ],
        "token": TOKEN,
    }


def test_each_row_and_part_says_what_it_is(server: Served) -> None:
    keys = [
        {"customer": "nobody", "shop": "north", "amount": None},
        {"customer": "ann", "shop": "north", "amount": 1.0},
    ]
    for answer in (
        server.post(RISK, keys, params={"at": LATER}).json(),
        {
            "results": [
                server.post(RISK, [k], params={"at": LATER}).json()["results"][0] for k in keys
            ]
        },
    ):
        nobody, ann = answer["results"]
        assert nobody["rowStatus"] == "missing"
        assert nobody["partStatuses"] == {"customer_spend": ["missing"]}
        assert (ann["rowStatus"], ann["partStatuses"]) == ("ok", {})


def test_a_read_before_what_is_retained_is_a_failure_that_says_what_it_would_need(
    server: Served,
) -> None:
    at = parse_instant("2024-01-05")
    (found,) = server.post(SPEND, [{"customer": "c1"}], params={"at": at}).json()["results"]
    assert (found["status"], found["rowStatus"]) == ("Failure", "before_retention")
    assert "features" not in found
    assert found["error"]


def test_at_may_be_text_a_query_or_a_header_and_the_query_wins(server: Served) -> None:
    def total(**more: dict[str, str]) -> object:
        found = server.post(SPEND, [{"customer": "ann"}], **more).json()["results"][0]
        return found["features"]["amount_sum_1d"]

    before, after = "2024-01-22T10:00:00Z", "2024-01-22T12:00:00.001+02:00"
    assert total(params={"at": before}) == 0.0
    assert total(params={"at": after}) == 10.5
    assert total(headers={"Catenary-At": after}) == 10.5
    assert total(headers={"Catenary-At": after}, params={"at": before}) == 0.0


def test_answers_are_those_of_the_library(server: Served, live: Live) -> None:
    keys = [
        {"customer": f"c{number}", "shop": shop, "amount": 20.0}
        for number in range(12)
        for shop in ("north", "south")
    ]
    many = server.post(RISK, keys, params={"at": LATER}).json()["results"]
    library = live.fetcher.fetch("return_risk", keys, at=LATER)
    for at, (found, row) in enumerate(zip(many, library.each(), strict=True)):
        assert found["features"] == row
        assert found["rowStatus"] == row.status
        (alone,) = server.post(RISK, [keys[at]], params={"at": LATER}).json()["results"]
        assert alone == found


def test_answers_are_those_of_the_backfill(server: Served, project: Path) -> None:
    root = ("--root", str(project))
    assert main(["backfill", "return_risk", "--start", LAST_DAY, "--end", LAST_DAY, *root]) == 0
    folder = next((project / "warehouse").rglob(f"ds={LAST_DAY}"))
    rows = pq.ParquetFile(next(folder.glob("*.parquet"))).read().to_pylist()
    assert len(rows) == 60
    names = [
        each["name"] for each in server.get("/v1/join/return_risk/schema").json()["valueSchema"]
    ]
    for row in rows:
        keys = {name: row[name] for name in ("customer", "shop", "amount")}
        (found,) = server.post(RISK, [keys], params={"at": row["ts"]}).json()["results"]
        assert found["rowStatus"] in ("ok", "missing")
        assert found["features"] == {name: row[name] for name in names}


def test_arrow_asks_and_is_answered_in_bulk(server: Served, live: Live) -> None:
    keys = pa.table(
        {"customer": ["ann", "c1", "nobody"], "ts": pa.array([LATER, LATER, LATER - 1], pa.int64())}
    )
    answer = httpx.post(
        server.url + SPEND, content=stream(keys), headers={"Content-Type": ARROW}, timeout=20
    )
    assert (answer.status_code, answer.headers["content-type"]) == (200, ARROW)
    table = pa.ipc.open_stream(answer.content).read_all()
    library = live.fetcher.fetch("customer_spend", keys.drop_columns("ts"), at=keys["ts"])
    assert table.select(library.columns.column_names).equals(library.columns)
    assert table["catenary.status"].to_pylist() == library.status == ["ok", "ok", "missing"]
    assert table["catenary.status.customer_spend"].to_pylist() == [[], [], ["missing"]]
    assert table.schema.metadata[b"catenary.token"] == TOKEN.encode()


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_json_may_be_answered_in_arrow_and_arrow_in_json(server: Served, rows: int) -> None:
    keys = [{"customer": f"c{at}"} for at in range(rows)]
    arrow = server.post(SPEND, keys, params={"at": LATER}, headers={"Accept": ARROW})
    table = pa.ipc.open_stream(arrow.content).read_all()
    sent = stream(
        pa.table({"customer": pa.array([each["customer"] for each in keys], pa.string())})
    )
    headers = {"Content-Type": ARROW, "Accept": "application/json"}
    json = httpx.post(f"{server.url}{SPEND}?at={LATER}", content=sent, headers=headers, timeout=20)
    results = json.json()["results"]
    assert [each["features"] for each in results] == [
        {name: row[name] for name in row if not name.startswith("catenary.")}
        for row in table.to_pylist()
    ]
    assert [each["entityKeys"] for each in results] == keys


def test_many_clients_at_once_get_their_own_answers(server: Served) -> None:
    expected = {
        f"c{at}": server.post(SPEND, [{"customer": f"c{at}"}], params={"at": LATER}).json()
        for at in range(20)
    }

    def ask(number: int) -> bool:
        name = f"c{number % 20}"
        return (
            server.post(SPEND, [{"customer": name}], params={"at": LATER}).json() == expected[name]
        )

    with ThreadPoolExecutor(8) as clients:
        assert all(clients.map(ask, range(160)))


def test_names_and_columns_can_be_asked_for(server: Served) -> None:
    assert server.get("/v1/joins").json() == {"joinNames": ["enriched_orders", "return_risk"]}
    assert server.get("/v1/groupbys").json() == {"groupByNames": ["customer_spend", "shop_clients"]}
    found = server.get("/v1/groupby/customer_spend/schema").json()
    assert found["keySchema"] == [{"name": "customer", "type": "string", "required": True}]
    assert found["valueSchema"][-1] == {"name": "amount_last3", "type": "array<double>"}
    assert len(found["schemaHash"]) == 32


def test_a_server_says_whether_it_may_be_asked(server: Served) -> None:
    answer = server.get("/readyz")
    assert (answer.status_code, answer.json()) == (
        200,
        {"ready": True, "definitions": 4, "lacking": []},
    )
