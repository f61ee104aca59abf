"""The package as a whole: its public names, its metadata, and what must not be in the repository."""

from __future__ import annotations

import inspect
import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import catenary
import catenary.testing
from catenary.cli.main import VERBS

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# Written in pieces, so that this file does not hold what it looks for.
MACHINE_PATHS = re.compile(
    r"(?<![\w.])/(?:wor" + r"k|roo" + r"t|hom" + r"e/\w+|Use" + r"rs/\w+)/\w"
)


def tracked() -> list[Path]:
    """Text files under version control."""
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    files = [ROOT / name for name in names if name]
    return [file for file in files if file.is_file() and b"\0" not in file.read_bytes()[:8192]]


@pytest.mark.parametrize("name", catenary.__all__)
def test_every_public_name_can_be_had_and_is_documented(name: str) -> None:
    value = getattr(catenary, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert inspect.getdoc(value), f"catenary.{name} has no docstring"
    assert name in dir(catenary)


PUBLIC = [*catenary.__all__, *catenary.testing.__all__, *(f"catenary {verb}" for verb in VERBS)]


def test_the_reference_lists_every_public_name_and_verb_once_and_nothing_else() -> None:
    text = (ROOT / "docs" / "reference.md").read_text()
    listed = re.findall(r"^\| `([^`]+)` \| \S", text, flags=re.MULTILINE)
    assert sorted(listed) == sorted(PUBLIC)


def test_every_exception_from_the_type_checker_is_listed_with_its_reason() -> None:
    written: Counter[str] = Counter()
    for file in sorted((ROOT / "src").rglob("*.py")):
        if file.parent.name == "compiled":
            continue  # Cython's; the page says why
        number = len(re.findall(r"#\s*(?:pyright|type):\s*ignore", file.read_text()))
        if number:
            written[file.relative_to(ROOT / "src" / "catenary").as_posix()] = number
    page = (ROOT / "docs" / "typing.md").read_text()
    rows = re.findall(r"^\| `([^`]+)` \| (\d+) \| \S", page, flags=re.MULTILINE)
    assert {name: int(number) for name, number in rows} == written
    assert written.total() <= 30


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="GruopBy"):
        catenary.GruopBy  # noqa: B018


def test_the_packages_metadata_agrees_with_the_repository() -> None:
    project = PROJECT["project"]
    assert project["requires-python"] == ">=3.11"
    assert project["license"] == "Apache-2.0"
    licence = (ROOT / "LICENSE").read_text()
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert project["scripts"] == {"catenary": "catenary.cli:main"}
    assert (ROOT / project["readme"]).is_file()
    assert (ROOT / "src/catenary/py.typed").is_file()


@pytest.mark.parametrize(("lock", "extras"), [("demo", ["demo"]), ("dev", None)])
def test_the_lock_holds_every_requirement_with_hashes_and_names_no_host(
    lock: str, extras: list[str] | None
) -> None:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text()
    locked = set(re.findall(r"^([a-z0-9-]+)==", text, flags=re.MULTILINE))
    optional = PROJECT["project"]["optional-dependencies"]
    wanted = PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"]
    for extra in optional if extras is None else extras:
        wanted = wanted + optional[extra]
    names = {re.split(r"[\[<>=]", each)[0].lower() for each in wanted}
    assert names <= locked
    assert text.count("--hash=sha256:") >= len(locked)
    assert "://" not in text
    assert "--index" not in text


def test_no_tracked_file_holds_a_path_of_somebodys_machine() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for file in tracked()
        if file.suffix != ".lock"
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1)
        if MACHINE_PATHS.search(line)
    ]
    assert found == []


def test_the_source_is_finished() -> None:
    unfinished = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b|NotImplemented" + r"Error")
    found = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in sorted((ROOT / "src").rglob("*.py"))
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if unfinished.search(line)
    ]
    assert found == []


def test_source_files_are_about_one_thing() -> None:
    long = {
        str(file.relative_to(ROOT)): lines
        for file in sorted((ROOT / "src").rglob("*.py"))
        if (lines := len(file.read_text().splitlines())) > 600
    }
    assert long == {}
