"""Settings: where each value comes from, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from catenary.app.settings import Settings, names, parse_bytes, shown
from catenary.errors import SettingsError


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    held = Settings.load(tmp_path, environment={})
    assert (held.threads, held.step_days, held.memory_bytes) == (2, 0, None)
    assert held.origins == dict.fromkeys(names(), "default")


def test_a_flag_wins_over_the_environment_over_the_file_over_the_default(tmp_path: Path) -> None:
    file = tmp_path / "catenary.toml"
    file.write_text('threads = 3\ntables = "t"\nmemory_limit = "1GB"\n')
    environment = {"CATENARY_THREADS": "4", "CATENARY_TABLES": "u", "PATH": "/bin"}
    held = Settings.load(tmp_path, environment=environment, flags={"threads": 5, "warehouse": None})
    assert (held.threads, held.tables, held.memory_limit) == (5, "u", "1GB")
    assert held.origins["threads"] == "--threads"
    assert held.origins["tables"] == "CATENARY_TABLES"
    assert held.origins["memory_limit"] == str(file)
    assert held.origins["warehouse"] == "default"


def test_paths_are_below_the_root_unless_absolute(tmp_path: Path) -> None:
    held = Settings.load(tmp_path, flags={"tables": "/data"}, environment={})
    assert held.path("warehouse") == tmp_path / "warehouse"
    assert held.path("tables") == Path("/data")


def test_an_address_is_no_path_and_is_shown_without_its_password(tmp_path: Path) -> None:
    address = "rediss://me:s3cret@host:6380/2?prefix=shop"
    held = Settings.load(tmp_path, environment={"CATENARY_STORE": address})
    assert held.place("store") == address
    assert held.place("log") == str((tmp_path / "log").resolve())
    assert shown(held.store) == "rediss://me:***@host:6380/2?prefix=shop"
    assert shown("store") == "store"


@pytest.mark.parametrize("origin", ["file", "environment", "flag"])
def test_an_unknown_name_is_refused_with_the_nearest_and_where_it_was_written(
    origin: str, tmp_path: Path
) -> None:
    if origin == "file":
        (tmp_path / "catenary.toml").write_text("thread = 3\n")
    environment = {"CATENARY_THREAD": "3"} if origin == "environment" else {}
    flags: dict[str, object] = {"thread": 3} if origin == "flag" else {}
    with pytest.raises(SettingsError, match="no setting 'thread'") as error:
        Settings.load(tmp_path, environment=environment, flags=flags)
    assert error.value.hint == "did you mean 'threads'?"
    places = {
        "file": str(tmp_path / "catenary.toml"),
        "environment": "CATENARY_THREAD",
        "flag": "--thread",
    }
    assert error.value.where == places[origin]


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("threads", "many", "threads='many' \\(str\\) is not a whole number"),
        ("threads", True, "threads=True \\(bool\\) is not a whole number"),
        ("threads", 0, "threads=0 is less than 1"),
        ("step_days", -1, "step_days=-1 is less than 0"),
        ("tables", 3, "tables=3 \\(int\\) is not text"),
        ("memory_limit", "much", "memory_limit='much' is not a size"),
        ("compression", "zip", "compression='zip' is not known"),
        ("log", "127.0.0.1:9092", "is a server's host and port"),
        ("store", "redis.local:6379", "is a server's host and port"),
        ("log", "kafka://", "log='kafka://' names no log"),
        ("log", "kafka:/broker:9092", "is neither a folder nor a server's address"),
        ("store", "rediss//server", "is neither a folder nor a server's address"),
        ("store", "rediss:/server", "is neither a folder nor a server's address"),
        ("query_shift_ms", 1, "query_shift_ms=1 is not between"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(
    name: str, value: object, says: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=says):
        Settings.load(tmp_path, flags={name: value}, environment={})


def test_text_in_the_environment_that_is_no_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="threads='two'") as error:
        Settings.load(tmp_path, environment={"CATENARY_THREADS": "two"})
    assert error.value.where == "CATENARY_THREADS"


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    file = tmp_path / "catenary.toml"
    file.write_text("threads = \n")
    with pytest.raises(SettingsError, match=r"catenary\.toml is no TOML") as error:
        Settings.load(tmp_path, environment={})
    assert error.value.where == str(file)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("1k", 1024), ("1.5 MiB", 3 << 19), ("2GB", 2 << 30), ("1T", 1 << 40)],
)
def test_sizes_are_powers_of_two(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "0", "-1GB", "GB", "1 XB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="is not a size"):
        parse_bytes(text)
