"""The embedded log against the port's contract: topics, appends, reads, ends, waits."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.logs.helping import ALL, PLACE, partition_folder, rows, segments, values

from catenary.errors import (
    BusyError,
    DataError,
    LogError,
    PositionError,
    StorageError,
    UnreadableError,
)
from catenary.logs.embedded import EmbeddedLog
from catenary.ports.token import SourcePartition, Token

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    with EmbeddedLog(tmp_path, durability="process") as log:
        log.create("t")
        yield log


def test_what_is_appended_is_read_in_order_with_keys_and_nulls(log: EmbeddedLog) -> None:
    assert log.append("t", [b"a", b"", b"ccc"]) == Token({PLACE: 3})
    assert log.append("t", [b"d", b"e"], keys=[b"k", None]) == Token({PLACE: 5})
    tombstones = pa.array([None, b"g"], pa.large_binary())
    assert log.append("t", tombstones, keys=[b"l", b""]) == Token({PLACE: 7})
    assert rows(log) == [
        (0, None, b"a"),
        (1, None, b""),
        (2, None, b"ccc"),
        (3, b"k", b"d"),
        (4, None, b"e"),
        (5, b"l", None),
        (6, b"", b"g"),
    ]


@pytest.mark.parametrize("kind", ["list", "large", "small", "sliced", "chunked", "text"])
def test_values_may_be_arrow_arrays_of_any_make(log: EmbeddedLog, kind: str) -> None:
    wanted = [b"one", None, b"", b"four"] if kind != "list" else [b"one", b"", b"four"]
    made = {
        "list": lambda: wanted,
        "large": lambda: pa.array(wanted, pa.large_binary()),
        "small": lambda: pa.array(wanted, pa.binary()),
        "sliced": lambda: pa.array([b"zero", *wanted, b"end"], pa.large_binary()).slice(1, 4),
        "chunked": lambda: pa.chunked_array([wanted[:1], wanted[1:]], pa.large_binary()),
        "text": lambda: pa.array([each and each.decode() for each in wanted], pa.string()),
    }[kind]()
    log.append("t", made, keys=made)
    assert rows(log) == [(at, each, each) for at, each in enumerate(wanted)]


def test_bytes_that_lie_behind_a_null_are_not_kept(log: EmbeddedLog) -> None:
    whole = pa.array([b"aa", b"bb", b"cc"], pa.large_binary())
    hidden = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), 3, [pa.py_buffer(b"\x05"), *whole.buffers()[1:]], 1
    )
    log.append("t", hidden)
    assert values(log) == [b"aa", None, b"cc"]


def test_nothing_appended_takes_no_offset(log: EmbeddedLog) -> None:
    log.append("t", [b"a"])
    assert log.append("t", []) == Token({PLACE: 1})
    assert values(log) == [b"a"]


def test_keys_that_do_not_match_the_values_are_refused(log: EmbeddedLog) -> None:
    with pytest.raises(DataError, match="1 keys came with 2 values"):
        log.append("t", [b"a", b"b"], keys=[b"k"])
    assert log.ends([PLACE]) == {PLACE: 0}


def test_large_appends_come_out_as_they_went_in(log: EmbeddedLog) -> None:
    draw = random.Random(3)
    many = [draw.randbytes(draw.choice([0, 5, 300])) for _ in range(40_000)]
    keys = [draw.choice([None, b"", b"key"]) for _ in many]
    log.append("t", many, keys=keys)
    log.append("t", [draw.randbytes(3 << 20), b"small"])
    batch = log.read(PLACE, 0, max_records=ALL, max_bytes=ALL)
    assert batch.values.to_pylist()[:40_000] == many
    assert batch.keys.to_pylist() == [*keys, None, None]
    assert batch.next_offset == 40_002
    assert batch.offsets.dtype == batch.append_ms.dtype == np.int64


def test_reads_from_anywhere_give_what_follows_within_bounds(log: EmbeddedLog) -> None:
    draw = random.Random(7)
    written: dict[int, bytes] = {}
    end = 0
    for _ in range(60):
        if draw.random() < 0.2:
            end += (count := draw.randint(1, 5))
            log.append_gap("t", count)
            continue
        some = [draw.randbytes(draw.randint(0, 50)) for _ in range(draw.choice([1, 2, 90]))]
        log.append("t", some)
        written.update(enumerate(some, end))
        end += len(some)
    for _ in range(400):
        at = draw.randint(0, end)
        most, size = draw.choice([1, 3, 50, 5000]), draw.choice([1, 40, 900, ALL])
        batch = log.read(PLACE, at, max_records=most, max_bytes=size)
        rest = [(offset, value) for offset, value in written.items() if offset >= at]
        taken = list(zip(batch.offsets.tolist(), batch.values.to_pylist(), strict=True))
        assert taken == rest[: len(taken)]
        assert len(taken) <= most
        assert (len(taken) > 0) == (len(rest) > 0)
        assert len(taken) <= 1 or sum(len(value) for _, value in taken) <= size
        if taken:
            following = rest[len(taken)][0] if len(rest) > len(taken) else end
            assert taken[-1][0] < batch.next_offset <= following
        else:
            assert batch.next_offset == end


def test_a_position_in_or_behind_a_gap_goes_on_behind_it(log: EmbeddedLog) -> None:
    log.append("t", [b"a"])
    assert log.append_gap("t", 3) == Token({PLACE: 4})
    log.append("t", [b"b"])
    log.append_gap("t", 2)
    for at in (1, 2, 3, 4):
        batch = log.read(PLACE, at, max_records=10, max_bytes=ALL)
        assert (batch.offsets.tolist(), batch.next_offset) == ([4], 7)
    batch = log.read(PLACE, 5, max_records=10, max_bytes=ALL)
    assert (len(batch), batch.next_offset) == (0, 7)
    assert rows(log) == [(0, None, b"a"), (4, None, b"b")]


def test_a_position_behind_the_end_is_refused_naming_both(log: EmbeddedLog) -> None:
    log.append("t", [b"a"])
    with pytest.raises(PositionError, match="position 5 of t/0 lies behind the log's end, 1"):
        log.read(PLACE, 5, max_records=1, max_bytes=1)


def test_records_are_read_after_the_log_was_opened_anew(tmp_path: Path) -> None:
    for durability in ("power", "process", "power"):
        with EmbeddedLog(tmp_path, durability=durability) as log:
            log.create("t")
            log.append("t", [durability.encode()])
            assert log.incarnation(PLACE) == 0
    with EmbeddedLog(tmp_path) as log:
        assert values(log) == [b"power", b"process", b"power"]
        assert log.topics() == ("t",)


def test_append_times_come_from_the_clock_and_never_go_back(tmp_path: Path) -> None:
    times = [500, 400, 600]
    with EmbeddedLog(tmp_path, durability="process", clock=iter(times).__next__) as log:
        log.create("t")
        for _ in times:
            log.append("t", [b"a"])
        batch = log.read(PLACE, 0, max_records=9, max_bytes=ALL)
    assert batch.append_ms.tolist() == [500, 500, 600]


def test_segments_follow_each_other_without_a_seam(tmp_path: Path) -> None:
    with EmbeddedLog(tmp_path, durability="process", segment_bytes=2000) as log:
        log.create("t")
        wanted = [f"{each}".encode() * 9 for each in range(200)]
        for each in wanted:
            log.append("t", [each])
        assert len(segments(tmp_path)) > 5
        assert values(log) == wanted
        batch = log.read(PLACE, 0, max_records=ALL, max_bytes=ALL)
        assert batch.values.to_pylist() == wanted
        assert values(log, 117) == wanted[117:]


def test_an_append_larger_than_a_segment_goes_into_one(tmp_path: Path) -> None:
    with EmbeddedLog(tmp_path, durability="process", segment_bytes=1000) as log:
        log.create("t")
        for each in (b"a" * 5000, b"b", b"c" * 5000):
            log.append("t", [each])
        assert values(log) == [b"a" * 5000, b"b", b"c" * 5000]


def test_retention_by_size_removes_whole_old_segments_only(tmp_path: Path) -> None:
    with EmbeddedLog(
        tmp_path, durability="process", segment_bytes=1000, retention_bytes=3000
    ) as log:
        log.create("t")
        for each in range(100):
            log.append("t", [b"%03d" % each * 20])
        start = log.starts([PLACE])[PLACE]
        assert 60 < start < 95
        assert values(log, start) == [b"%03d" % each * 20 for each in range(start, 100)]
        with pytest.raises(PositionError, match=f"position 0 .* begins at {start}"):
            log.read(PLACE, 0, max_records=1, max_bytes=1)
        with EmbeddedLog(tmp_path) as other:
            assert other.starts([PLACE]) == {PLACE: start}


def test_a_reader_that_knows_a_removed_segment_is_told(tmp_path: Path) -> None:
    keeping = {"segment_bytes": 500, "retention_bytes": 1200}
    with EmbeddedLog(tmp_path) as reader, EmbeddedLog(tmp_path, **keeping) as log:
        log.create("t")
        log.append("t", [b"a" * 300])
        assert len(reader.read(PLACE, 0, max_records=1, max_bytes=ALL)) == 1
        for _ in range(6):
            log.append("t", [b"a" * 300])
        assert reader.starts([PLACE])[PLACE] > 0
        with pytest.raises(PositionError, match="no longer retained"):
            reader.read(PLACE, 0, max_records=1, max_bytes=ALL)


def test_retention_by_age_keeps_every_segment_with_a_young_record(tmp_path: Path) -> None:
    now = [1_000]
    with EmbeddedLog(
        tmp_path,
        durability="process",
        segment_bytes=200,
        retention_ms=100,
        clock=lambda: now[0],
    ) as log:
        log.create("t")
        for now[0] in (1_000, 1_050, 1_100):
            log.append("t", [b"a" * 100])
            assert log.starts([PLACE]) == {PLACE: 0}
        now[0] = 1_151
        log.retain()
        # The first segment ended at 1050, when the second was begun; the second at 1100.
        assert log.starts([PLACE]) == {PLACE: 1}
        now[0] = 9_999
        log.retain()
        assert log.starts([PLACE]) == {PLACE: 2}
        assert values(log, 2) == [b"a" * 100]


def test_a_topic_is_made_once_with_its_partitions(log: EmbeddedLog) -> None:
    log.create("t")
    log.create("wide", partitions=3)
    assert log.partitions("wide") == tuple(SourcePartition("wide", each) for each in range(3))
    assert log.append("wide", [b"a"], partition=2) == Token({SourcePartition("wide", 2): 1})
    assert log.ends(log.partitions("wide")) == dict(
        zip(log.partitions("wide"), (0, 0, 1), strict=True)
    )
    with pytest.raises(LogError, match="'wide' has 3 partitions, not 2"):
        log.create("wide", partitions=2)
    with pytest.raises(LogError, match="cannot have 0 partitions"):
        log.create("none", partitions=0)


def test_unknown_topics_and_partitions_are_named(log: EmbeddedLog) -> None:
    log.create("payments")
    with pytest.raises(LogError, match="no topic 'payment'") as caught:
        log.partitions("payment")
    assert caught.value.hint == "did you mean 'payments'?"
    with pytest.raises(LogError, match="'t' has no partition 4"):
        log.append("t", [b"a"], partition=4)
    with pytest.raises(LogError, match="'t' has no partition 1"):
        log.ends([SourcePartition("t", 1)])


def test_a_topic_may_have_folders_in_its_name_and_not_much_else(log: EmbeddedLog) -> None:
    for name in ("shop/eu/payments", "shop/eu", "größe", "50% off"):
        log.create(name)
        log.append(name, [name.encode()])
    assert log.topics() == ("50% off", "größe", "shop/eu", "shop/eu/payments", "t")
    assert values_of(log, "shop/eu") == [b"shop/eu"]
    for name in ("", ".hidden", "a,b", "a\nb", "x" * 300, "..", "."):
        with pytest.raises(LogError, match="cannot be a topic's name"):
            log.create(name)


def values_of(log: EmbeddedLog, topic: str) -> list[bytes | None]:
    return [value for _, _, value in rows(log, place=SourcePartition(topic, 0))]


def test_several_make_one_topic_at_once(tmp_path: Path) -> None:
    failed: list[BaseException] = []

    def make() -> None:
        try:
            EmbeddedLog(tmp_path).create("t", partitions=2)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert [each.name for each in tmp_path.iterdir() if each.name != ".bell"] == ["t"]


def test_a_second_writer_is_refused_and_may_write_after_the_first(tmp_path: Path) -> None:
    first, second = EmbeddedLog(tmp_path), EmbeddedLog(tmp_path)
    first.create("t", partitions=2)
    first.append("t", [b"a"])
    with pytest.raises(BusyError, match=r"another writer appends to t/0: process \d+"):
        second.append("t", [b"b"])
    second.append("t", [b"c"], partition=1)
    first.close()
    assert second.append("t", [b"b"]) == Token({PLACE: 2})
    second.close()


def test_appends_of_many_threads_are_all_there_once_and_in_order(tmp_path: Path) -> None:
    with EmbeddedLog(tmp_path, segment_bytes=5000) as log:
        log.create("t")
        tokens: dict[bytes, int] = {}

        def write(thread: int) -> None:
            for each in range(40):
                value = b"%d:%d" % (thread, each)
                tokens[value] = log.append("t", [value]).positions[PLACE]

        threads = [threading.Thread(target=write, args=(each,)) for each in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = rows(log)
    assert {value: offset + 1 for offset, _, value in found} == tokens
    assert len(found) == 320
    for thread in range(8):
        own = [value for _, _, value in found if value.startswith(b"%d:" % thread)]
        assert own == [b"%d:%d" % (thread, each) for each in range(40)]


def test_appends_that_come_during_a_sync_share_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    syncs, sync = [], os.fdatasync
    with EmbeddedLog(tmp_path) as log:
        log.create("t")
        log.append("t", [b"first"])

        def slow(file: int) -> None:
            syncs.append(file)
            time.sleep(0.3)
            sync(file)

        monkeypatch.setattr("catenary.logs.embedded.writer.os.fdatasync", slow)
        threads = [threading.Thread(target=log.append, args=("t", [b"x"])) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log.ends([PLACE]) == {PLACE: 11}
    assert len(syncs) <= 3


def test_nothing_is_visible_before_it_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedLog(tmp_path) as log, EmbeddedLog(tmp_path) as other:
        log.create("t")
        log.append("t", [b"a"])
        seen: list[int] = []
        monkeypatch.setattr(
            "catenary.logs.embedded.writer.os.fdatasync",
            lambda _: seen.append(other.ends([PLACE])[PLACE]),
        )
        log.append("t", [b"b"])
        assert seen == [1]
        assert other.ends([PLACE]) == {PLACE: 2}


@pytest.mark.parametrize("call", ["pwritev", "fdatasync"])
def test_a_refused_write_leaves_nothing_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with EmbeddedLog(tmp_path) as log:
        log.create("t")
        log.append("t", [b"a"])
        with monkeypatch.context() as patch:
            patch.setattr(f"catenary.logs.embedded.writer.os.{call}", refuse)
            with pytest.raises(StorageError, match="No space left on device") as caught:
                log.append("t", [b"b"])
        assert caught.value.hint == "make space; nothing of this call was appended"
        assert values(log) == [b"a"]
        log.append("t", [b"c"])
        assert values(log) == [b"a", b"c"]
    with EmbeddedLog(tmp_path) as log:
        log.append("t", [b"d"])
        assert values(log) == [b"a", b"c", b"d"]


def test_a_wait_ends_when_there_is_more_or_the_time_is_up(log: EmbeddedLog) -> None:
    log.append("t", [b"a"])
    assert log.wait({PLACE: 0}, 0)
    assert not log.wait({PLACE: 1}, 0.05)
    timer = threading.Timer(0.1, log.append, ("t", [b"b"]))
    timer.start()
    started = time.monotonic()
    assert log.wait({PLACE: 1}, 20.0)
    assert time.monotonic() - started < 0.9  # a ring, not the look that comes each second
    timer.join()


def test_no_append_between_look_and_wait_is_missed(log: EmbeddedLog) -> None:
    """A thread follows another's appends, each as soon as the former was seen."""
    with EmbeddedLog(Path(log._folder)) as reader:  # pyright: ignore[reportPrivateUsage]
        seen = threading.Event()

        def write() -> None:
            for _ in range(300):
                log.append("t", [b"x"])
                assert seen.wait(20.0)
                seen.clear()

        thread = threading.Thread(target=write)
        thread.start()
        started = time.monotonic()
        for at in range(300):
            assert reader.wait({PLACE: at}, 20.0)
            seen.set()
        thread.join()
        assert time.monotonic() - started < 20


def test_a_log_of_another_format_is_refused_naming_both(tmp_path: Path) -> None:
    with EmbeddedLog(tmp_path) as log:
        log.create("t")
        log.append("t", [b"a"])
    folder = partition_folder(tmp_path)
    (segment,) = segments(tmp_path)
    for path, at in ((segment, 8), (folder / "end", 8)):
        whole = path.read_bytes()
        path.write_bytes(whole[:at] + b"\x07" + whole[at + 1 :])
        problem = "is written in log format 7; this release reads format 1"
        with EmbeddedLog(tmp_path) as log, pytest.raises(UnreadableError, match=problem):
            log.read(PLACE, 0, max_records=1, max_bytes=1)
        if path != segment:
            with EmbeddedLog(tmp_path) as log, pytest.raises(UnreadableError, match=problem):
                log.append("t", [b"b"])
        path.write_bytes(whole)
    (tmp_path / "t" / "topic.json").write_text('{"format": 7, "partitions": 1}')
    with EmbeddedLog(tmp_path) as log, pytest.raises(UnreadableError, match="format 7"):
        log.partitions("t")
    (tmp_path / "t" / "topic.json").write_text("{")
    with EmbeddedLog(tmp_path) as log, pytest.raises(UnreadableError, match="topic 't' is damaged"):
        log.partitions("t")
