"""What is refused, and what it says; and that one client's trouble is nobody else's."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from tests.unit.web.serving import LATER, RISK, SPEND, key, published

from catenary.app.api_keys import ApiKey
from catenary.web.access import Access
from catenary.web.asked import Headers

if TYPE_CHECKING:
    from tests.unit.web.serving import Served

MALFORMED = {
    "no JSON": (b"[{", 400, "no JSON list of key objects"),
    "no list": (b'{"customer": "ann"}', 400, "Expected `array`"),
    "no objects": (b"[1]", 400, "Expected `object`"),
    "a column missing": (b"[{}]", 422, "needs 'customer' in every request"),
    "an unknown column": (b'[{"custommer": "ann"}]', 422, "did you mean 'customer'?"),
    "another type": (
        b'[{"customer": "a"}, {"customer": 7}]',
        422,
        "customer=7 of request 1 is int",
    ),
    "half a character": (b'[{"customer": "\\ud800"}]', 400, "half of a character"),
    "a time in the row": (b'[{"customer": "ann", "ts": 7}]', 422, "at= says as of when"),
}
WRONG = {
    "at": ({"at": "yesterday"}, "'yesterday' is not an instant"),
    "years": ({"at": "99999999999999999"}, "are these microseconds?"),
    "token": ({"min_token": "shop/orders"}, "is no position of a token"),
    "an instant of many digits": ({"at": "1" * 5000}, "in no year from 1 to 9999"),
    "an instant of other digits": ({"at": "²"}, "'²' is not an instant"),
    "an instant of two signs": ({"at": "--5"}, "'--5' is not an instant"),
    "a position of many digits": ({"min_token": "shop/orders/0:" + "1" * 5000}, "is no position"),
    "a partition of many digits": ({"min_token": f"shop/orders/{'1' * 5000}:0"}, "is no position"),
    "topic": ({"min_token": "shop/odrers/0:1"}, "did you mean 'shop/orders'?"),
    "timeout": ({"timeout": "soon"}, "is no number of seconds"),
    "name": ({"att": "7"}, "did you mean 'at'?"),
}


def problem(answer: httpx.Response) -> str:
    """All parts of what a refusal says, which its list of errors repeats."""
    found = answer.json()
    (text,) = found["errors"]
    assert found["error"]["problem"] in text
    return text


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_body_is_told_what_was_expected(server: Served, name: str) -> None:
    body, status, said = MALFORMED[name]
    answer = httpx.post(server.url + SPEND, content=body)
    assert answer.status_code == status
    assert said in problem(answer)


@pytest.mark.parametrize("name", WRONG)
def test_what_is_asked_wrongly_beside_the_rows_is_named(server: Served, name: str) -> None:
    params, said = WRONG[name]
    answer = server.post(SPEND, [{"customer": "ann"}], params=params)
    assert answer.status_code == 400
    assert said in problem(answer)


def test_a_damaged_arrow_stream_and_other_kinds_of_bodies_are_refused(server: Served) -> None:
    for kind, status in (("application/vnd.apache.arrow.stream", 400), ("text/csv", 415)):
        headers = {"Content-Type": kind}
        answer = httpx.post(server.url + SPEND, content=b"customer", headers=headers)
        assert answer.status_code == status
        assert answer.json()["error"]["hint"]


@pytest.mark.parametrize(
    ("table", "status", "said"),
    [
        (pa.table([["ann"], ["c1"]], names=["customer"] * 2), 422, "'customer' is there 2 times"),
        (pa.table([["ann"], [LATER], [LATER]], names=["customer", "ts", "ts"]), 400, "ts is there"),
        (pa.table([pc.run_end_encode(pa.array(["ann"]))], names=["customer"]), 422, "run_end"),
    ],
    ids=["a column twice", "ts twice", "a type that nobody has"],
)
def test_a_table_that_does_not_fit_is_told_so(
    server: Served, table: pa.Table, status: int, said: str
) -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    headers = {"Content-Type": "application/vnd.apache.arrow.stream"}
    body = sink.getvalue().to_pybytes()
    answer = httpx.post(server.url + SPEND, content=body, headers=headers)
    assert answer.status_code == status
    assert said in problem(answer)


@pytest.mark.parametrize("rows", [1, 2])
def test_a_number_beyond_all_floats_is_too_large(server: Served, rows: int) -> None:
    keys = [{"customer": "ann", "shop": "north", "amount": 10**400}]
    answer = server.post(RISK, keys * rows)
    assert answer.status_code == 422
    assert "'amount' is no double: it is too large" in problem(answer)


def test_a_body_of_which_nothing_was_said_is_json(server: Served) -> None:
    for kind in ("application/json; charset=utf-8", "application/x-www-form-urlencoded", ""):
        headers = {"Content-Type": kind}
        assert (
            httpx.post(server.url + SPEND, content=b"[]", headers=headers).json()["results"] == []
        )


def test_an_unknown_path_or_method_is_told_the_nearest(server: Served) -> None:
    answer = server.post("/v1/features/join/return_rsik", [])
    assert answer.status_code == 404
    assert "did you mean '/v1/features/join/return_risk'?" in problem(answer)
    answer = server.get(SPEND)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert httpx.delete(f"{server.url}/v1/joins").status_code == 405


def test_a_key_is_asked_for_and_is_for_its_own_definitions(guarded: Served) -> None:
    ask = [{"customer": "ann"}]
    assert guarded.post(SPEND, ask).status_code == 401
    assert guarded.post(SPEND, ask, headers=key("secret-c")).status_code == 401
    assert (
        guarded.post(SPEND, ask, headers={"Authorization": "Basic c2VjcmV0LWE="}).status_code == 401
    )
    assert guarded.post(SPEND, ask, headers=key("secret-a")).status_code == 200
    assert guarded.post(SPEND, ask, headers=key("secret-b")).status_code == 200
    answer = guarded.post(RISK, ask, headers=key("secret-b"))
    assert answer.status_code == 403
    assert "'spend' is not for 'return_risk'" in problem(answer)
    assert "secret" not in answer.text


def test_a_key_may_have_signs_beyond_ascii_in_whichever_form_a_client_sends_them() -> None:
    access = Access([ApiKey("batch", env="KEY")], {"KEY": "geheim-ä-voilà"})
    for form in ("utf-8", "latin-1"):
        headers = Headers({b"authorization": "Bearer  geheim-ä-voilà ".encode(form)})
        assert access.check(headers.text(b"authorization")).name == "batch"


def test_a_key_sees_the_names_that_it_is_for(guarded: Served) -> None:
    scope = key("secret-b")
    for path in ("/v1/joins", "/openapi.json", "/metrics", "/nowhere"):
        assert guarded.get(path).status_code == 401
    assert guarded.get("/v1/joins", headers=key("secret-b")).json() == {"joinNames": []}
    names = guarded.get("/v1/groupbys", headers=key("secret-b")).json()
    assert names == {"groupByNames": ["customer_spend"]}
    assert guarded.get("/v1/join/return_risk/schema", headers=key("secret-b")).status_code == 403
    assert guarded.get("/metrics", headers=scope).status_code == 403
    assert guarded.get("/metrics", headers=key("secret-a")).status_code == 200
    paths = guarded.get("/openapi.json", headers=scope).json()["paths"]
    assert SPEND in paths
    for path in ("/metrics", "/v1/nothing", *paths):
        assert "return_risk" not in guarded.get(path, headers=scope).text
    every = guarded.get("/openapi.json", headers=key("secret-a")).json()["paths"]
    assert {*every} - {*paths} >= {RISK, "/metrics", "/v1/join/return_risk/schema"}
    assert guarded.get("/healthz").status_code == guarded.get("/readyz").status_code == 200


def test_bodies_and_batches_have_limits(guarded: Served) -> None:
    many = [{"customer": "ann"}] * 51
    answer = guarded.post(SPEND, many, headers=key("secret-a"))
    assert (answer.status_code, "50 is the limit" in problem(answer)) == (422, True)
    assert guarded.post(SPEND, many[:50], headers=key("secret-a")).status_code == 200
    large = [{"customer": "a" * 70_000}]
    answer = guarded.post(SPEND, large, headers=key("secret-a"))
    assert (answer.status_code, "65,536 is the limit" in problem(answer)) == (413, True)

    def chunks() -> list[bytes]:
        return [b"[", *[b" " * 1000] * 80, b"]"]

    answer = httpx.post(guarded.url + SPEND, content=iter(chunks()), headers=key("secret-a"))
    assert answer.status_code == 413


def raw(server: Served, head: str) -> socket.socket:
    """A connection on which the beginning of a request was sent."""
    found = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=10)
    found.sendall(head.encode())
    return found


def begun(length: int) -> str:
    lines = (f"POST {SPEND} HTTP/1.1", "host: here", f"content-length: {length}")
    return "\r\n".join((*lines, "authorization: Bearer secret-a", "", "["))


def test_slow_and_broken_clients_harm_no_other(guarded: Served) -> None:
    slow = [raw(guarded, begun(100)) for _ in range(20)]
    gone = [raw(guarded, begun(100)) for _ in range(20)]
    for each in gone:
        each.close()
    giant = raw(guarded, "GET /healthz HTTP/1.1\r\nhost: here\r\nx: " + "a" * 200_000 + "\r\n\r\n")
    for _ in range(10):
        answer = guarded.post(SPEND, [{"customer": "ann"}], headers=key("secret-a"))
        assert answer.status_code == 200
    for each in slow:
        with each:
            assert b" 408 " in each.recv(65536).partition(b"\r\n")[0] + b" "
    with giant:
        try:
            refused = giant.recv(65536)
        except ConnectionResetError:
            refused = b""
        assert b" 200 " not in refused.partition(b"\r\n")[0] + b" "
    assert guarded.get("/healthz").status_code == 200


def test_a_token_that_is_not_reflected_in_time_is_told_who_lacks_it(server: Served) -> None:
    far = {"min_token": "shop/orders/0:999", "timeout": "0.1"}
    answer = server.post(RISK, [], params=far)
    assert answer.status_code == 504
    assert "is at 61 in shop/orders/0, 999 is asked for" in problem(answer)
    # It may not wait for longer than any request may take.
    began = time.monotonic()
    assert server.post(RISK, [], params=far | {"timeout": "60"}).status_code == 504
    assert time.monotonic() - began < 20


def test_requests_that_wait_for_a_token_hold_no_other_up_and_hear_of_it(
    guarded: Served,
) -> None:
    token = published(guarded.project, 1)
    answers: list[httpx.Response] = []

    def wait() -> None:
        ask = [{"customer": "ann"}]
        answers.append(
            guarded.post(SPEND, ask, headers=key("secret-a") | {"Catenary-Min-Token": token})
        )

    waiting = [threading.Thread(target=wait) for _ in range(40)]
    for each in waiting:
        each.start()
    with ThreadPoolExecutor(4) as clients:
        asked = [
            clients.submit(guarded.post, SPEND, [{"customer": "ann"}], headers=key("secret-a"))
            for _ in range(20)
        ]
        assert {each.result().status_code for each in asked} == {200}
    for each in waiting:
        each.join()
    # Nobody streams it: all of them are told so, each in its own time.
    assert {each.status_code for each in answers} == {504}


def test_sampled_requests_are_in_the_log_with_what_they_were_answered(guarded: Served) -> None:
    from catenary.logs.embedded import EmbeddedLog

    ask = [{"customer": "c7"}]
    answer = guarded.post(SPEND, ask, headers=key("secret-a"), params={"at": LATER}).json()
    (result,) = answer["results"]
    found = None
    until = time.monotonic() + 20
    while found is None and time.monotonic() < until:
        log = EmbeddedLog(guarded.project / "log")
        records = [
            json.loads(value)
            for place in log.partitions("shop/requests")
            for value in log.read(
                place, 0, max_records=10_000, max_bytes=1 << 24
            ).values.to_pylist()
        ]
        log.close()
        schemas = {each["schemaHash"]: each for each in records if each["kind"] == "schema"}
        found = next(
            (
                each
                for each in records
                if each["kind"] == "request" and each["keys"] == {"customer": "c7"}
            ),
            None,
        )
    assert found is not None
    assert (found["name"], found["ts"], found["status"]) == ("customer_spend", LATER, "ok")
    assert found["features"] == result["features"]
    assert [each["name"] for each in schemas[found["schema"]]["keySchema"]] == ["customer"]
