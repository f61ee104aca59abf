"""One connection: the short way answers as the long one does, and no client can do harm on either."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.web.serving import LATER, RISK, SPEND
from tests.unit.web.wire import Client, request
from uvicorn.server import ServerState

from catenary.web import protocol
from catenary.web.counters import Counters
from catenary.web.protocol import HEAD_BYTES, HEAD_S, KEEP_S
from catenary.web.worker import Order, application, served

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from catenary.web.application import Application

ARROW = "application/vnd.apache.arrow.stream"
ANN = b'[{"customer": "ann"}]'
AT = f"{SPEND}?at={LATER}"


@pytest.fixture(scope="module")
def runner() -> Generator[asyncio.Runner]:
    with asyncio.Runner() as found:
        yield found


@pytest.fixture(scope="module")
def app(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Application]:
    order = Order(root=project, flags={"body_limit": "64KB", "time_limit_ms": 2000})
    live = order.live()
    path = tmp_path_factory.mktemp("counters") / "counters"
    Counters.make(path, [each.name for each in served(live)], 1)
    found = application(live, replace(order, counters=path))
    yield found
    found.close()


@pytest.fixture
def client(app: Application, runner: asyncio.Runner) -> Callable[[], Client]:
    return lambda: Client(app, runner)


TARGETS = st.sampled_from(
    [
        AT,
        SPEND,
        SPEND.replace("spend", "%73pend") + "?at=2024-01-22T12:00:00Z#end",
        f"{RISK}?at={LATER}",
        f"{SPEND}?att=7",
        f"{SPEND}?at=yesterday",
        f"{SPEND}?min_token=shop/orders/0:61",
        f"{SPEND}?min_token=shop/orders/0:999&timeout=0",
        "/v1/features/groupby/customer_spent",
        "/v1/joins",
    ]
)
KEYS = st.fixed_dictionaries(
    {},
    optional={
        "customer": st.sampled_from(["ann", "c1", "nobody", 7, None]),
        "shop": st.just("north"),
        "amount": st.sampled_from([1.5, 2, None, "x"]),
    },
)
BODIES = (
    st.just({"customer": "ann", "shop": "north", "amount": 1}).map(lambda each: [each])
    | st.lists(KEYS, max_size=3)
).map(lambda keys: json.dumps(keys).encode()) | st.sampled_from(
    [b"", b"[{", b"[1]", b"{}", b"\xff", b"[" + b" " * 70_000 + b"]"]
)
HEADERS = st.lists(
    st.sampled_from(
        [
            ("Content-Type", "application/json"),
            ("content-type", "text/csv"),
            ("Content-Type", ARROW),
            ("Accept", "*/*"),
            ("Accept", ARROW),
            ("Catenary-At", str(LATER)),
            ("Catenary-Timeout", "0.5"),
            ("Catenary-Timeout", "soon"),
            ("X-Other", "ü"),
        ]
    ),
    max_size=3,
    unique_by=lambda each: each[0].lower(),
)


@pytest.mark.property
@given(
    target=TARGETS,
    body=BODIES,
    headers=HEADERS,
    method=st.sampled_from(["POST"] * 4 + ["GET", "PUT"]),
    cuts=st.lists(st.floats(0, 1), max_size=3),
)
def test_however_a_request_is_cut_into_reads_it_gets_the_same_answer(
    app: Application,
    runner: asyncio.Runner,
    target: str,
    body: bytes,
    headers: list[tuple[str, str]],
    method: str,
    cuts: list[float],
) -> None:
    sent = request(target, body, headers, method=method)
    places = sorted({0, len(sent), *(int(cut * len(sent)) for cut in cuts)})
    pieces = [sent[begin:end] for begin, end in pairwise(places)]
    # Behind a request that is not answered yet, uvicorn has it however it comes.
    before = request(f"{SPEND}?min_token=shop/orders/0:61", ANN)
    found = []
    h2c = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "")]
    offering = request(target, body, [*headers, *h2c], method=method)
    for reads in ([sent], pieces, [before + sent], [offering], [offering[:-1], offering[-1:]]):
        one = Client(app, runner)
        one.send(*reads)
        found.append(one.settle()[-1])
    assert found == [found[0]] * 5


def test_one_row_is_answered_before_its_read_returns_and_in_one_write(
    client: Callable[[], Client],
) -> None:
    one = client()
    for wanted in range(1, 4):
        one.send(request(AT, ANN))
        assert len(one.wire.writes) == wanted
    first, *others = one.wire.answers()
    assert first.status == 200
    assert json.loads(first.body)["results"][0]["features"]["amount_sum_1d"] == 10.5
    assert others == [first] * 2
    assert not one.wire.closed


def test_a_request_that_waits_holds_no_other_connection_up(client: Callable[[], Client]) -> None:
    waiting, other = client(), client()
    waiting.send(request(f"{SPEND}?min_token=shop/orders/0:999&timeout=0.5", ANN))
    other.send(request(AT, ANN))
    assert (waiting.wire.writes, len(other.wire.writes)) == ([], 1)
    assert [each.status for each in waiting.settle()] == [504]


def test_requests_that_come_at_once_are_answered_in_their_order(
    client: Callable[[], Client],
) -> None:
    names = ["ann", "c1", "nobody", "c2", "ann"]
    bodies = [json.dumps([{"customer": name}]).encode() for name in names]
    for waits in (0, 2):
        targets = [AT] * len(names)
        targets[waits] = f"{AT}&min_token=shop/orders/0:61"
        one = client()
        one.send(b"".join(map(request, targets, bodies)))
        found = [json.loads(each.body)["results"][0] for each in one.settle()]
        assert [each["entityKeys"]["customer"] for each in found] == names


@pytest.mark.parametrize(
    ("headers", "version"), [([("Connection", "close")], "1.1"), ([], "1.0")], ids=str
)
def test_a_connection_that_is_to_be_closed_is_closed_behind_the_answer(
    client: Callable[[], Client], headers: list[tuple[str, str]], version: str
) -> None:
    one = client()
    one.send(request(AT, ANN, headers, version=version) + request(AT, ANN))
    (found,) = one.settle()
    assert (found.status, found.headers["connection"]) == (200, "close")
    assert one.wire.closed


def test_a_client_is_told_with_an_answer_that_it_is_the_last(
    client: Callable[[], Client],
) -> None:
    waits = request(f"{SPEND}?min_token=shop/orders/0:61", ANN)
    for before, behind in ((b"", request(AT, ANN)), (b"", waits), (waits, b"")):
        one = client()
        one.send(before)
        one.protocol.last()
        one.send(behind)
        (found,) = one.settle()
        assert (found.status, found.headers["connection"]) == (200, "close")
        assert one.wire.closed


def test_a_body_is_asked_for_if_it_waits_to_be(client: Callable[[], Client]) -> None:
    one = client()
    sent = request(AT, ANN, [("Expect", "100-continue")])
    one.send(sent[: -len(ANN)])
    assert one.begun() == b"HTTP/1.1 100 Continue\r\n\r\n"
    one.send(ANN)
    one.settle()
    assert b"HTTP/1.1 200 OK" in one.wire.text


def test_head_is_answered_without_a_body(client: Callable[[], Client]) -> None:
    one = client()
    one.send(request("/healthz", b"", method="HEAD"), request(AT, ANN))
    head, _, rest = one.begun().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 ")
    assert rest.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "sent",
    [
        b"what is this\r\n\r\n",
        b"POST \xff HTTP/1.1\r\n\r\n",
        b"CONNECT here:80 HTTP/1.1\r\nHost: here\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused_and_the_connection_closed(
    client: Callable[[], Client], sent: bytes
) -> None:
    one = client()
    one.send(sent)
    assert one.wire.answers()[0].status == 400
    assert one.wire.closed


def test_all_that_a_client_asks_is_answered_though_it_offers_another_protocol_each_time(
    client: Callable[[], Client],
) -> None:
    offer = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "")]
    one = client()
    one.send(request(AT, ANN, offer) * 3)
    assert [each.status for each in one.settle()] == [200] * 3


def test_a_body_that_is_encoded_is_not_read(client: Callable[[], Client]) -> None:
    for lines in (b"gzip, chunked", b"gzip\r\nTransfer-Encoding: chunked"):
        one = client()
        head = b"POST %b HTTP/1.1\r\nTransfer-Encoding: %b\r\n\r\n" % (AT.encode(), lines)
        one.send(head + b"0\r\n\r\n")
        (found,) = one.wire.answers()
        assert (found.status, found.headers["connection"]) == (501, "close")
        assert one.wire.closed


@pytest.mark.parametrize(
    "wrong",
    [
        b"what is this\r\n\r\n",
        b"GET / HTTP/1.1\r\nx: " + b"a" * HEAD_BYTES,
        f"POST {AT} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nno length".encode(),
    ],
    ids=["no HTTP", "too long a head", "a body"],
)
@pytest.mark.parametrize("many", [0, 1, 2])
def test_what_is_wrong_is_refused_behind_the_answers_to_what_came_before(
    client: Callable[[], Client], wrong: bytes, many: int
) -> None:
    one = client()
    waits = request(f"{SPEND}?min_token=shop/orders/0:999&timeout=0.2", ANN)
    one.send(waits * many)
    one.send(wrong)
    one.send(request(AT, ANN))
    assert [each.status for each in one.settle()] == [*[504] * many, 400]
    assert one.wire.closed


LONG = b"x: " + b"a" * HEAD_BYTES


@pytest.mark.parametrize(
    "reads",
    [
        [b"POST / HTTP/1.1\r\n" + LONG + b"\r\n\r\n"],
        [b"POST / HTTP/1.1\r\n", *[b"x: " + b"a" * 998] * (HEAD_BYTES // 1000 + 1)],
        [b"POST /" + b"a" * HEAD_BYTES + b" HTTP/1.1\r\n\r\n"],
        [
            f"POST {AT} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n".encode(),
            *[LONG[: HEAD_BYTES // 4]] * 5,
        ],
    ],
    ids=["in one read", "in many", "the path", "behind the body"],
)
def test_heads_have_a_limit(client: Callable[[], Client], reads: list[bytes]) -> None:
    one = client()
    for each in reads:
        if not one.wire.closed:
            one.send(each)
    assert one.wire.closed
    assert one.wire.answers()[0].status == 400


def test_a_head_below_the_limit_is_read_however_long_the_body(
    client: Callable[[], Client],
) -> None:
    one = client()
    keys = [{"customer": "ann"}] * 2_000
    one.send(request(AT, json.dumps(keys).encode(), [("X", "a" * (HEAD_BYTES - 1_000))]))
    (found,) = one.settle()
    assert len(json.loads(found.body)["results"]) == 2_000


def test_what_comes_behind_a_body_is_no_header(client: Callable[[], Client]) -> None:
    head = f"POST {SPEND} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    chunk = b"%x\r\n%b\r\n" % (len(ANN), ANN)
    trailer = b"0\r\nCatenary-At: no\r\n\r\n"
    for reads in ([head + chunk, trailer], [head + chunk + trailer]):
        one = client()
        one.send(*reads)
        (found,) = one.settle()
        assert found.status == 200


def test_a_client_that_is_silent_is_not_waited_for(client: Callable[[], Client]) -> None:
    def silent(*reads: bytes, limit_s: float) -> None:
        one = client()
        one.send(*reads)
        one.settle()
        one.after(limit_s - 1)
        assert not one.wire.closed
        one.after(limit_s + 1)
        assert one.wire.aborted

    silent(limit_s=KEEP_S)
    silent(b"POST / HT", limit_s=HEAD_S)
    silent(request(AT, ANN), limit_s=KEEP_S)
    silent(request("/healthz", b"", method="GET"), limit_s=KEEP_S)
    silent(request(AT, ANN), b"POST / HT", limit_s=HEAD_S)


def test_a_body_that_does_not_come_is_not_waited_for(client: Callable[[], Client]) -> None:
    one = client()
    one.send(request(AT, ANN)[:-1])
    one.after(HEAD_S + 1)
    assert not one.wire.closed
    (found,) = one.settle()
    assert (found.status, found.headers["connection"]) == (408, "close")
    assert one.wire.closed


def test_a_client_that_reads_slowly_has_time_and_one_that_does_not_has_none(
    client: Callable[[], Client],
) -> None:
    one = client()
    one.send(request(AT, ANN))
    for left in (3_000, 2_000, 1_000):
        one.wire.unsent = left
        one.after(KEEP_S + 1)
        assert not one.wire.closed
    one.after(2 * KEEP_S + 1)
    assert one.wire.aborted


def test_a_client_that_does_not_read_is_not_answered_any_further(
    client: Callable[[], Client],
) -> None:
    one = client()
    one.protocol.pause_writing()
    one.send(request(AT, ANN), request(AT, ANN))
    one.begun()
    assert (one.wire.writes, one.wire.paused) == ([], True)
    one.protocol.resume_writing()
    assert [each.status for each in one.settle()] == [200, 200]
    assert not one.wire.paused


def test_a_client_that_sends_no_more_gets_what_it_asked_for(client: Callable[[], Client]) -> None:
    one = client()
    one.send(request(f"{SPEND}?min_token=shop/orders/0:61", ANN))
    assert one.end()
    (found,) = one.settle()
    assert (found.status, found.headers["connection"], one.wire.closed) == (200, "close", True)
    for sent in (b"", request(AT, ANN), request(AT, ANN)[:-1]):
        one = client()
        one.send(sent)
        assert not one.end()


def test_there_may_be_only_so_many_connections(
    app: Application, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "CONNECTIONS", 3)
    state = ServerState()
    held = [Client(app, runner, state=state) for _ in range(4)]
    assert [each.wire.closed for each in held] == [False, False, False, True]
    held[3].protocol.connection_lost(None)
    held[0].protocol.connection_lost(None)
    assert not Client(app, runner, state=state).wire.closed
