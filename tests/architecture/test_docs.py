"""What the documents show is what happens: every Python snippet runs, every link leads somewhere."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest

from catenary.app import settings
from catenary.cli.main import main
from catenary.plan.settings import ChainSettings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def snippets(page: Path) -> list[tuple[str, str]]:
    """The page's blocks of Python and of commands, in order; the later ones go on from the earlier."""
    return re.findall(
        r"^```(python|sh)\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL
    )


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_snippet_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {"__name__": "snippet"}
    for number, (language, code) in enumerate(snippets(page), 1):
        if language == "python":
            exec(compile(code, f"{page.name}[{number}]", "exec"), scope)
            continue
        for line in code.splitlines():
            program, *words = shlex.split(line)
            assert (program, main(words)) == ("catenary", 0), line


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text())
    inside = [link for link in links if "://" not in link]
    assert [link for link in inside if not (page.parent / link).exists()] == []


def test_the_readme_shows_a_chain_in_under_forty_lines() -> None:
    (_, worked), *_ = snippets(ROOT / "README.md")
    assert len(worked.splitlines()) < 40
    assert "JoinSource(" in worked


def test_every_command_that_the_documents_name_exists() -> None:
    from catenary.cli.main import VERBS

    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        text = page.read_text()
        for verb in re.findall(r"`(?:[\w./]+/)?catenary ([a-z][a-z-]*)", text):
            assert verb in VERBS, f"{page.name} names `catenary {verb}`"
        for target in re.findall(r"`make ([a-z]+)", text):
            assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), f"{page.name}: {target}"


def test_the_page_on_streams_lists_every_setting_in_its_table_and_no_other() -> None:
    text = (ROOT / "docs" / "streams.md").read_text()

    def listed(head: str) -> list[str]:
        table = text.split(f"| {head} |")[1].split("\n\n")[0]
        firsts = re.findall(r"^\| (`[^|]+) \|", table, flags=re.MULTILINE)
        return sorted(name for each in firsts for name in re.findall(r"`(\w+)`", each))

    chain = {each.name for each in fields(ChainSettings)} - {"without_effect"}
    assert listed("given as `--conf`") == sorted(chain)
    assert listed("in `catenary.toml`") == sorted(settings.names())


def test_every_glossary_word_is_explained_once() -> None:
    rows = re.findall(
        r"^\| ([^|]+) \|", (ROOT / "docs/glossary.md").read_text(), flags=re.MULTILINE
    )
    words = [row.strip() for row in rows if not row.startswith(("word", "---"))]
    assert len(words) == len(set(words)) > 40
