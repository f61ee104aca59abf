"""A Redis server dies, loses, refuses or is emptied under a stage: nothing is lost, doubled or passed over."""

from __future__ import annotations

import contextlib
import shutil
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.crash.running import PATIENCE_S, Running

from catenary.errors import (
    SettingsError,
    StorageError,
    UnreachableError,
    UnreadableError,
    UnsupportedError,
)
from catenary.stores.redis import RedisStore, reaching
from catenary.stores.redis import dataset as dataset_module
from catenary.stores.redis.listener import Listener
from catenary.stream.lanes import SetBackError
from catenary.testing.services.ports import HOST
from catenary.testing.services.redis import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from catenary.ports import Dataset

pytestmark = [pytest.mark.crash, pytest.mark.redis]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path / "redis") as found:
        yield found


def made(store: RedisStore, name: str = "d") -> Dataset:
    found = store.dataset(name, create=True)
    assert found is not None
    return found


def value(dataset: Dataset, key: bytes) -> bytes | None:
    with dataset.snapshot() as snapshot:
        return snapshot.get(key)


@pytest.fixture
def running(tmp_path: Path, server: RedisServer) -> Iterator[Running]:
    found = Running(tmp_path, server)
    yield found
    found.store.close()
    found.log.close()


def test_a_stage_waits_for_a_killed_server_and_goes_on_without_loss_or_doubling(
    running: Running,
) -> None:
    with running.following() as stage:
        for _ in range(3):
            running.publish(20)
            running.until(running.published - 10)
            running.server.kill()
            running.publish(20)
            time.sleep(0.5)
            assert "cannot be reached" in stage.status.waiting_for
            running.server.start()
            running.until(running.published)
    assert running.failed == []
    assert (running.visits(), running.position()) == (120, 120)


def test_a_stage_waits_for_a_server_that_is_silent_for_longer_than_leases_last(
    tmp_path: Path, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "_ANSWER_S", 0.3)
    monkeypatch.setattr(dataset_module, "LEASE_MS", 500)
    running = Running(tmp_path, server)
    with running.following() as stage:
        for _ in range(2):
            running.publish(20)
            running.until(running.published - 10)
            running.server.pause()
            running.publish(20)
            time.sleep(1.5)
            assert "cannot be reached" in stage.status.waiting_for
            with pytest.raises(UnreachableError, match="cannot be reached"):
                running.position()
            running.server.resume()
            running.until(running.published)
    assert running.failed == []
    assert (running.visits(), running.position()) == (80, 80)
    running.store.close()
    running.log.close()


def test_a_stage_over_an_emptied_server_stops_and_begins_anew_when_it_is_started_again(
    running: Running,
) -> None:
    with running.following():
        running.publish(20)
        running.until(20)
        running.server.flush()
        running.publish(20)
        until = time.monotonic() + PATIENCE_S
        while not running.failed and time.monotonic() < until:
            time.sleep(0.01)
    (error,) = running.failed
    assert "is gone, or is another one than was opened" in str(error)
    assert "upload again and start the stages anew" in str(error)
    with running.following():
        pass
    assert (running.visits(), running.position()) == (40, 40)


def test_a_stage_goes_on_from_what_a_server_holds_that_has_lost_its_last_commits(
    tmp_path: Path, running: Running
) -> None:
    held, kept = tmp_path / "redis", tmp_path / "kept"
    running.publish(20)
    with running.following():
        pass
    running.server.stop()
    shutil.copytree(held, kept)
    running.server.start()
    with running.following():
        running.publish(20)
        running.until(40)
        running.server.kill()
        shutil.rmtree(held)
        shutil.copytree(kept, held)
        running.server.start()
        running.publish(20)
    assert running.failed == []
    assert (running.visits(), running.position()) == (60, 60)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_machine_whose_clock_is_an_hour_off_folds_the_same_and_ends_nobodys_lease(
    hours: int, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.publish(20)
    with running.following():
        pass
    (name,) = running.store.datasets()
    reading = RedisStore(running.server.address()).dataset(name)
    assert reading is not None
    right_ns = time.time_ns
    with reading.snapshot() as snapshot:
        before = list(snapshot.scan(b""))
        monkeypatch.setattr(time, "time_ns", lambda: right_ns() + hours * 3_600_000_000_000)
        running.publish(20)
        with running.following():
            pass
        assert list(snapshot.scan(b"")) == before
    assert running.failed == []
    assert (running.visits(), running.position()) == (40, 40)


def test_a_step_by_itself_says_that_commits_were_lost(running: Running) -> None:
    running.publish(1)
    stage = running.stage()
    stage.take()
    dataset = stage.dataset
    with dataset.snapshot() as snapshot:
        before = list(snapshot.scan(b""))
    assert stage.step()
    with dataset.snapshot() as snapshot:
        after = [key for key, _ in snapshot.scan(b"")]
    assert dataset.commit({}, before, after)
    running.publish(1)
    with pytest.raises(SetBackError, match=r"was at offset 1 of .*says 0"):
        stage.step()


def hindering_script(server: RedisServer) -> Iterator[None]:
    """Another client's script runs."""
    near = socket.create_connection((HOST, server.port))
    near.sendall(b"EVAL 'while true do end' 0\r\n")
    yield
    assert server.command("SCRIPT", "KILL") == b"+OK\r\n"
    near.close()


def missing_replica(server: RedisServer) -> Iterator[None]:
    """Writes want a replica, and there is none."""
    server.command("CONFIG", "SET", "min-replicas-to-write", "1")
    yield
    server.command("CONFIG", "SET", "min-replicas-to-write", "0")


@pytest.mark.parametrize(
    ("hindrance", "said"),
    [(hindering_script, "BUSY Redis is busy"), (missing_replica, "NOREPLICAS Not enough")],
)
def test_a_stage_waits_for_a_server_that_can_do_nothing_just_now(
    tmp_path: Path, hindrance: Callable[[RedisServer], Iterator[None]], said: str
) -> None:
    with RedisServer(tmp_path / "redis", busy_reply_threshold="50") as server:
        running = Running(tmp_path, server)
        with running.following() as stage:
            running.publish(20)
            running.until(20)
            with contextlib.contextmanager(hindrance)(server):
                running.publish(20)
                until = time.monotonic() + PATIENCE_S
                while f"cannot answer now: {said}" not in stage.status.waiting_for:
                    assert time.monotonic() < until, running.failed
                    time.sleep(0.01)
            running.until(40)
        assert running.failed == []
        assert (running.visits(), running.position()) == (40, 40)
        running.store.close()
        running.log.close()


class Cutting:
    """A door to a server that closes, once, between a commit and its answer, or before the commit."""

    def __init__(self, server: RedisServer, *, answered: bool) -> None:
        self._server = server
        self._after = answered
        self._armed = threading.Event()
        self.cut = 0
        self._door = socket.create_server((HOST, 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._attend, daemon=True).start()

    def arm(self) -> None:
        self._armed.set()

    def _attend(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            far = socket.create_connection((HOST, self._server.port))
            threading.Thread(target=self._pass, args=(near, far), daemon=True).start()

    def _pass(self, near: socket.socket, far: socket.socket) -> None:
        """One question, one answer, and so on."""
        with near, far:
            while asked := near.recv(1 << 20):
                if self._armed.is_set() and not self._after:
                    self._armed.clear()
                    self.cut += 1
                    return
                far.sendall(asked)
                answer = far.recv(1 << 20)
                if self._armed.is_set():
                    self._armed.clear()
                    self.cut += 1
                    return
                near.sendall(answer)

    def close(self) -> None:
        self._door.close()


@pytest.mark.parametrize("answered", [True, False])
def test_a_commit_whose_answer_was_lost_is_there_once(server: RedisServer, answered: bool) -> None:
    door = Cutting(server, answered=answered)
    store = RedisStore(f"redis://{HOST}:{door.port}/0")
    dataset = made(store)
    assert dataset.commit({b"n": None}, [(b"n", b"1")])
    for number in range(1, 6):
        door.arm()
        # Were it done a second time, its own condition would refuse it.
        assert dataset.commit({b"n": b"%d" % number}, [(b"n", b"%d" % (number + 1))])
    assert door.cut == 5
    assert value(dataset, b"n") == b"6"
    version = server.command("HGET", "catenary:{d}:meta", "version")
    assert version == b"$1\r\n6\r\n"
    store.close()
    door.close()


def test_a_commit_for_which_there_is_no_memory_writes_nothing(tmp_path: Path) -> None:
    with RedisServer(tmp_path, maxmemory="12mb", maxmemory_policy="noeviction") as server:
        dataset = made(RedisStore(server.address()))
        dataset.commit({}, [(b"first", b"1")])
        written = 0

        def more() -> None:
            rows = [(b"%d-%d" % (written, at), b"x" * 1000) for at in range(1000)]
            dataset.commit({}, rows, [b"first"] if written else [])

        with contextlib.suppress(StorageError):
            for written in range(100):  # noqa: B007 - how far it came
                more()
        with pytest.raises(StorageError, match="raise maxmemory"):
            more()
        assert 0 < written < 99
        with dataset.snapshot() as snapshot:
            assert len(list(snapshot.scan(b""))) == 1000 * written + (written == 1)


def test_a_server_that_evicts_rows_is_refused(tmp_path: Path) -> None:
    with (
        RedisServer(tmp_path, maxmemory="50mb", maxmemory_policy="allkeys-lru") as server,
        pytest.raises(StorageError, match="set maxmemory-policy noeviction"),
    ):
        RedisStore(server.address()).dataset("d")


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("redis_version:6.2.14\r\nredis_mode:standalone", "is Redis 6.2.14"),
        ("redis_version:7.2.4\r\nredis_mode:sentinel", "is a sentinel"),
    ],
)
def test_a_server_that_cannot_hold_a_store_is_refused_by_what_it_is(
    told: str, message: str
) -> None:
    with pretended(told) as port, pytest.raises(UnsupportedError, match=message):
        RedisStore(f"redis://{HOST}:{port}/0").dataset("d")


@contextlib.contextmanager
def pretended(told: str) -> Iterator[int]:
    """A server that says so of itself, and nothing else."""

    def attend() -> None:
        near, _ = door.accept()
        with near:
            while asked := near.recv(1 << 16):
                if b"INFO\r\n" in asked.upper() and b"SETINFO" not in asked.upper():
                    near.sendall(b"$%d\r\n%s\r\n" % (len(told), told.encode()))
                else:
                    near.sendall(b"+OK\r\n" * asked.count(b"*"))

    with socket.create_server((HOST, 0)) as door:
        threading.Thread(target=attend, daemon=True).start()
        yield door.getsockname()[1]


def test_a_server_that_is_away_is_named_with_what_to_do_and_without_its_password(
    server: RedisServer,
) -> None:
    server.stop()
    address = server.address(password="secret")
    with pytest.raises(UnreachableError, match="cannot be reached") as away:
        RedisStore(address, patience_s=0.1).dataset("d")
    assert f"at redis://{HOST}:{server.port}/0" in str(away.value)
    assert "start it, or correct store=" in str(away.value)
    assert "secret" not in str(away.value)


def test_a_store_goes_to_whichever_of_the_named_servers_is_a_primary(
    tmp_path: Path, server: RedisServer
) -> None:
    def follow(replica: RedisServer, primary: RedisServer) -> None:
        primary.command("CONFIG", "SET", "repl-diskless-sync-delay", "0")
        replica.command("REPLICAOF", HOST, str(primary.port))
        awaited(lambda: b"master_link_status:up" in replica.command("INFO", "replication"))

    def caught_up(replica: RedisServer, primary: RedisServer) -> None:
        awaited(lambda: written(replica) >= written(primary))

    def awaited(true: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < until, "the replica does not come on"
            time.sleep(0.01)

    def written(server: RedisServer) -> int:
        told = server.command("INFO", "replication").decode().split()
        return next(int(x.partition(":")[2]) for x in told if x.startswith("master_repl_offset:"))

    with RedisServer(tmp_path / "other") as other:
        follow(other, server)
        # The replica comes first, and is passed over.
        store = RedisStore(f"redis://{HOST}:{other.port},{HOST}:{server.port}/0")
        dataset = made(store)
        version = store.version()
        assert dataset.commit({}, [(b"a", b"1")])
        caught_up(other, server)
        other.command("REPLICAOF", "NO", "ONE")
        follow(server, other)
        assert dataset.commit({b"a": b"1"}, [(b"a", b"2")])
        assert b"role:slave" in server.command("INFO", "replication")
        caught_up(server, other)
        server.command("REPLICAOF", "NO", "ONE")
        other.kill()
        assert dataset.commit({b"a": b"2"}, [(b"a", b"3")])
        assert value(dataset, b"a") == b"3"
        assert store.version() != version
        store.close()


def test_if_none_of_the_named_servers_answers_each_is_told_of_and_no_password(
    tmp_path: Path, server: RedisServer
) -> None:
    server.stop()
    with RedisServer(tmp_path / "other") as other:
        other.command("REPLICAOF", HOST, str(server.port))
        hosts = f"{HOST}:{server.port},{HOST}:{other.port}"
        with pytest.raises(UnreachableError) as away:
            RedisStore(f"redis://default:secret@{hosts}/0", patience_s=0.1).dataset("d")
    said = str(away.value)
    assert f"at redis://{hosts}/0" in said
    assert f"connecting to {HOST}:{server.port}" in said
    assert f"{HOST}:{other.port} is a replica" in said
    assert "secret" not in said


def test_a_server_wants_its_password(tmp_path: Path) -> None:
    with RedisServer(tmp_path, requirepass="s@cret") as server:
        for password in ("", "wrong"):
            with pytest.raises(StorageError, match="redis://user:password@host"):
                RedisStore(server.address(password=password)).dataset("d")
        store = RedisStore(server.address(password="s@cret"))
        assert made(store).commit({}, [(b"a", b"1")])


def test_a_dataset_of_another_release_is_refused(server: RedisServer) -> None:
    made(RedisStore(server.address()))
    server.command("HSET", "catenary:{d}:meta", "format", "99")
    with pytest.raises(UnreadableError, match="has format 99; format 2 is read"):
        RedisStore(server.address()).dataset("d")


def test_a_reader_finds_a_dataset_that_was_made_anew(server: RedisServer) -> None:
    reading = RedisStore(server.address())
    first = made(reading)
    server.flush()
    with pytest.raises(StorageError, match="is gone"):
        value(first, b"a")
    assert reading.dataset("d") is None
    assert made(RedisStore(server.address())).commit({}, [(b"a", b"2")])
    again = reading.dataset("d")
    assert again is not None
    assert value(again, b"a") == b"2"


def test_a_snapshot_whose_lease_has_ended_says_so_at_once(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_module, "LEASE_MS", 10)
    # Were it asked again, this would take an hour: a lease that has ended stays so.
    dataset = made(RedisStore(server.address(), patience_s=3600.0))
    other = made(RedisStore(server.address()))
    with dataset.snapshot() as snapshot:
        until = time.monotonic() + PATIENCE_S
        while b"lease:" in server.command("HKEYS", "catenary:{d}:meta"):
            assert other.commit({}, [])
            assert time.monotonic() < until, "a lease lasts for ever"
        with pytest.raises(UnreachableError, match="was not read for too long"):
            snapshot.get(b"a")


def test_keys_that_are_read_each_time_come_with_the_lease(server: RedisServer) -> None:
    def calls() -> int:
        told = server.command("INFO", "commandstats").decode()
        return int(told.partition("cmdstat_evalsha:calls=")[2].partition(",")[0])

    dataset = made(RedisStore(server.address()))
    for number in range(40):
        keys = [b"k%d" % at for at in range(number % 20)]
        dataset.commit({}, [(key, b"%d" % number) for key in keys])
        with dataset.snapshot() as snapshot:
            assert [snapshot.get(key) for key in keys] == [b"%d" % number] * len(keys)
            assert snapshot.get(b"nothing") is None
    for round_trips in (11, 1):
        before = calls()
        with dataset.snapshot() as snapshot:
            for at in range(10):
                snapshot.get(b"often %d" % at)
        assert calls() - before == round_trips


def test_what_commits_replaced_is_kept_no_longer_than_it_is_read(server: RedisServer) -> None:
    dataset = made(RedisStore(server.address()))
    other = made(RedisStore(server.address()))
    for number in range(10):
        with dataset.snapshot() as snapshot:
            other.commit({}, [(b"a", b"%d" % number), (b"b%d" % number, b"")])
            assert snapshot.get(b"a") == (b"%d" % (number - 1) if number else None)
        assert dataset.commit({}, [])
    assert server.command("HLEN", "catenary:{d}:undo") == b":1\r\n"


def test_a_snapshot_of_which_it_is_not_known_any_more_what_was_replaced_is_over(
    server: RedisServer,
) -> None:
    dataset = made(RedisStore(server.address()))
    dataset.commit({}, [(b"a", b"old"), (b"b", b"old")])
    with dataset.snapshot() as snapshot:
        assert snapshot.get(b"a") == b"old"
        made(RedisStore(server.address())).commit({}, [(b"b", b"new")])
        server.command("DEL", "catenary:{d}:undo")
        with pytest.raises(UnreachableError, match="was not read for too long"):
            snapshot.get(b"b")


def test_who_sleeps_is_woken_after_its_server_came_back(server: RedisServer) -> None:
    sleeping, writing = (RedisStore(server.address()) for _ in range(2))
    dataset = made(writing)
    version = sleeping.version()
    server.kill()
    server.start()
    late = threading.Timer(0.2, dataset.commit, ({}, [(b"a", b"1")]))
    late.start()
    until = time.monotonic() + PATIENCE_S
    while value(dataset, b"a") is None:
        sleeping.wait(version, PATIENCE_S)
        version = sleeping.version()
        assert time.monotonic() < until, "a commit was slept over"
    late.join()
    sleeping.close()


def test_messages_of_others_are_passed_over_and_logged_once(
    server: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Listener, "_refresh", lambda _: pytest.fail("only the end of a wait told"))
    sleeping, writing = (RedisStore(server.address()) for _ in range(2))
    dataset = made(writing)
    version = sleeping.version()
    for message in ("hello", "1", "1.5", '"-1 d"', '"\\xff d"'):
        assert server.command("PUBLISH", "catenary:commits", message) == b":1\r\n"
    late = threading.Timer(0.2, dataset.commit, ({}, [(b"a", b"1")]))
    late.start()
    assert sleeping.wait(version, PATIENCE_S)
    late.join()
    assert [each.getMessage() for each in caplog.records] == [
        "the channel catenary:commits is given messages that are no commits, and passed over: b'hello'"
    ]
    sleeping.close()


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'catenary\[redis\]'"):
        RedisStore("redis://localhost/0")


@pytest.mark.parametrize(
    "address",
    [
        "redis://host/zero",
        "redis://host:70000/0",
        "http://me:secret@host/0",
        "redis://host/0?prefx=a",
    ],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="redis://host:port/0") as refused:
        RedisStore(address)
    assert "secret" not in str(refused.value)
