"""What a writer finds after a crash: what stays, what is cut, and when the incarnation is raised."""

from __future__ import annotations

import random
import shutil
from typing import TYPE_CHECKING

import pytest
from tests.unit.logs.helping import ALL, PLACE, partition_folder, segments, values

from catenary.errors import PositionError, UnreadableError
from catenary.logs.embedded import EmbeddedLog
from catenary.logs.embedded.layout import SEGMENT_HEADER_BYTES

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, *items: bytes, durability: str = "power", **keeping: int) -> None:
    """Append each on its own."""
    with EmbeddedLog(folder, durability=durability, **keeping) as log:
        log.create("t")
        for item in items:
            log.append("t", [item])


def end_of(folder: Path) -> bytes:
    return (partition_folder(folder) / "end").read_bytes()


def reopened(folder: Path) -> tuple[list[bytes | None], int]:
    """All values after a writer has appended one more, and the incarnation."""
    with EmbeddedLog(folder) as log:
        log.append("t", [b"new"])
        return values(log), log.incarnation(PLACE)


@pytest.fixture
def other_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the machine had been started anew."""
    for module in ("recovery", "writer"):
        monkeypatch.setattr(f"catenary.logs.embedded.{module}.boot", lambda: b"another!")


def test_a_torn_tail_that_was_never_visible_is_cut_quietly(tmp_path: Path) -> None:
    write(tmp_path, b"a", b"b")
    before = end_of(tmp_path)
    (segment,) = segments(tmp_path)
    size = segment.stat().st_size
    write(tmp_path, b"c" * 100)
    whole = segment.read_bytes()
    for kept in range(size, len(whole)):
        segment.write_bytes(whole[:kept])
        (partition_folder(tmp_path) / "end").write_bytes(before)
        assert reopened(tmp_path) == ([b"a", b"b", b"new"], 0)


def test_a_whole_record_that_was_never_acknowledged_stays(tmp_path: Path) -> None:
    write(tmp_path, b"a")
    before = end_of(tmp_path)
    write(tmp_path, b"b")
    (partition_folder(tmp_path) / "end").write_bytes(before)
    with EmbeddedLog(tmp_path) as log:
        assert values(log) == [b"a"]
    assert reopened(tmp_path) == ([b"a", b"b", b"new"], 0)


def test_whole_records_in_segments_that_the_end_does_not_know_stay(tmp_path: Path) -> None:
    write(tmp_path, b"a")
    before = end_of(tmp_path)
    write(tmp_path, *[b"b" * 300] * 5, segment_bytes=700)
    (partition_folder(tmp_path) / "end").write_bytes(before)
    assert len(segments(tmp_path)) > 2
    assert reopened(tmp_path) == ([b"a", *[b"b" * 300] * 5, b"new"], 0)


def test_a_segment_that_was_only_begun_is_no_loss(tmp_path: Path) -> None:
    write(tmp_path, b"a")
    for begun in (b"", b"CATNY", b"\x00" * SEGMENT_HEADER_BYTES):
        folder = tmp_path / f"{len(begun)}"
        shutil.copytree(tmp_path / "t", folder / "t")
        (partition_folder(folder) / f"{1:020d}").write_bytes(begun)
        assert reopened(folder) == ([b"a", b"new"], 0)


def test_a_first_segment_that_was_only_begun_is_no_loss(tmp_path: Path) -> None:
    write(tmp_path)
    for begun in (b"", b"CATNY"):
        (partition_folder(tmp_path) / f"{0:020d}").write_bytes(begun)
        assert reopened(tmp_path)[1] == 0
        shutil.rmtree(tmp_path / "t")
        write(tmp_path)


def test_whole_records_behind_a_torn_one_are_cut_and_raise_the_incarnation(tmp_path: Path) -> None:
    write(tmp_path, b"a")
    before = end_of(tmp_path)
    (segment,) = segments(tmp_path)
    size = segment.stat().st_size
    write(tmp_path, b"b" * 64, b"c" * 64)
    damage(segment, size + 70)
    (partition_folder(tmp_path) / "end").write_bytes(before)
    assert reopened(tmp_path) == ([b"a", b"new"], 1)


def test_a_visible_record_that_is_gone_raises_the_incarnation(tmp_path: Path) -> None:
    write(tmp_path, b"a", b"b", b"c")
    (segment,) = segments(tmp_path)
    segment.write_bytes(segment.read_bytes()[:-5])
    with EmbeddedLog(tmp_path) as reader:
        at = reader.read(PLACE, 0, max_records=2, max_bytes=ALL).next_offset
        with pytest.raises(UnreadableError, match=r"it ends within a frame"):
            reader.read(PLACE, at, max_records=1, max_bytes=ALL)
        with EmbeddedLog(tmp_path) as writer:
            writer.append("t", [])
        assert reader.incarnation(PLACE) == 1
        with pytest.raises(PositionError, match="position 3 of t/0 lies behind the log's end, 2"):
            reader.read(PLACE, 3, max_records=1, max_bytes=ALL)
        assert values(reader) == [b"a", b"b"]
    assert reopened(tmp_path) == ([b"a", b"b", b"new"], 1)


def test_all_segments_gone_raises_the_incarnation_and_offsets_go_on(tmp_path: Path) -> None:
    write(tmp_path, b"a", b"b")
    for each in segments(tmp_path):
        each.unlink()
    with EmbeddedLog(tmp_path) as log:
        assert log.append("t", [b"new"]).positions[PLACE] == 3
        assert log.incarnation(PLACE) == 1
        assert log.starts([PLACE]) == {PLACE: 2}
        assert values(log, 2) == [b"new"]


def damage(path: Path, at: int) -> None:
    """Flip one bit."""
    whole = bytearray(path.read_bytes())
    whole[at] ^= 4
    path.write_bytes(whole)


def test_any_flipped_bit_of_visible_records_is_found_and_named(tmp_path: Path) -> None:
    write(tmp_path, b"a" * 20, b"b" * 20, b"c" * 20, segment_bytes=250)
    first, second = segments(tmp_path)
    for path in (first, second):
        whole = path.read_bytes()
        for at in range(len(whole)):
            damage(path, at)
            with (
                EmbeddedLog(tmp_path) as log,
                pytest.raises(UnreadableError, match=path.name) as caught,
            ):
                values(log)
            assert "byte" in str(caught.value) or 8 <= at < 12  # the format's number
            path.write_bytes(whole)
    with EmbeddedLog(tmp_path) as log:
        assert len(values(log)) == 3


def test_damage_before_the_end_is_not_cut_by_a_writer(tmp_path: Path) -> None:
    write(tmp_path, b"a" * 20, b"b" * 20)
    (segment,) = segments(tmp_path)
    damage(segment, SEGMENT_HEADER_BYTES + 60)
    with EmbeddedLog(tmp_path) as log:
        log.append("t", [b"new"])
        assert log.incarnation(PLACE) == 0
        problem = f"segment {segment.name} is damaged at byte {SEGMENT_HEADER_BYTES}: the checksum"
        with pytest.raises(UnreadableError, match=problem) as caught:
            values(log)
        assert caught.value.where == f"{segment} byte {SEGMENT_HEADER_BYTES}"
        assert values(log, 2) == [b"new"]


def test_what_a_power_failure_took_is_cut_and_raises_the_incarnation(
    tmp_path: Path, other_boot: None
) -> None:
    """Process durability, the machine started anew, zeros where records were visible."""
    write(tmp_path, b"a")
    with pytest.MonkeyPatch.context() as patch:
        for module in ("recovery", "writer"):
            patch.setattr(f"catenary.logs.embedded.{module}.boot", lambda: b"earlier!")
        write(tmp_path, *[b"b" * 64] * 6, durability="process", segment_bytes=300)
    taken = segments(tmp_path)[1]
    whole = taken.read_bytes()
    taken.write_bytes(whole[:100] + bytes(len(whole) - 100))
    found, incarnation = reopened(tmp_path)
    assert incarnation == 1
    assert found[0] == b"a"
    assert found[-1] == b"new"
    assert 2 < len(found) < 8
    assert set(found[1:-1]) == {b"b" * 64}


def test_a_power_failure_that_took_nothing_leaves_the_incarnation(
    tmp_path: Path, other_boot: None
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for module in ("recovery", "writer"):
            patch.setattr(f"catenary.logs.embedded.{module}.boot", lambda: b"earlier!")
        write(tmp_path, *[b"b" * 64] * 6, durability="process", segment_bytes=300)
    assert reopened(tmp_path) == ([*[b"b" * 64] * 6, b"new"], 0)


def test_an_end_that_was_torn_while_written_is_the_former_one(tmp_path: Path) -> None:
    write(tmp_path, b"a", b"b")
    path = partition_folder(tmp_path) / "end"
    whole = path.read_bytes()
    seen = set()
    for slot in (16, 80):
        damage(path, slot + 9)
        with EmbeddedLog(tmp_path) as log:
            seen.add(log.ends([PLACE])[PLACE])
        assert reopened(tmp_path)[1] == 0
        shutil.rmtree(tmp_path / "t")
        write(tmp_path, b"a", b"b")
        assert path.read_bytes()[:16] == whole[:16]
    assert seen == {1, 2}


@pytest.mark.parametrize("left", [b"", b"?" * 144, None])
def test_an_end_that_is_unknown_is_found_anew_with_another_incarnation(
    tmp_path: Path, left: bytes | None
) -> None:
    write(tmp_path, b"a", b"b")
    path = partition_folder(tmp_path) / "end"
    path.unlink()
    if left is not None:
        path.write_bytes(left)
    with EmbeddedLog(tmp_path) as log, pytest.raises(UnreadableError, match="end of a partition"):
        log.ends([PLACE])
    found, incarnation = reopened(tmp_path)
    assert found == [b"a", b"b", b"new"]
    assert incarnation > 1


def test_whatever_a_crash_leaves_acknowledged_records_are_a_prefix_of_what_is_found(
    tmp_path: Path,
) -> None:
    """Cut the files anywhere behind what was visible: nothing acknowledged goes, nothing is made up."""
    draw = random.Random(11)
    for each in range(40):
        folder = tmp_path / str(each)
        known = [draw.randbytes(draw.randint(1, 90)) for _ in range(draw.randint(0, 8))]
        unknown = [draw.randbytes(draw.randint(1, 90)) for _ in range(draw.randint(1, 8))]
        write(folder, *known, segment_bytes=400)
        before, sizes = (
            end_of(folder),
            {path.name: path.stat().st_size for path in segments(folder)},
        )
        write(folder, *unknown, segment_bytes=400)
        (partition_folder(folder) / "end").write_bytes(before)
        last = segments(folder)[-1]
        least = sizes.get(last.name, 0)
        kept = draw.randint(least, last.stat().st_size)
        last.write_bytes(last.read_bytes()[:kept])
        found, incarnation = reopened(folder)
        assert incarnation == 0
        assert found[: len(known)] == known
        assert found[-1] == b"new"
        assert found[:-1] == (known + unknown)[: len(found) - 1]
