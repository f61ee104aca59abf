"""The command as a whole: its help, its exit codes, and what an error looks like."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from catenary.cli import main
from catenary.cli.main import VERBS
from catenary.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., None]], str]:
    """Puts a function in the place of a verb."""

    def replace(command: Callable[..., None]) -> str:
        module = ModuleType("catenary.cli.init", doc="Something.")
        module.command = command  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "catenary.cli.init", module)
        return "init"

    return replace


def test_help_names_every_verb_and_goes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {verb} " in text for verb in VERBS)
    assert main([]) == 0
    assert capsys.readouterr().out == text


@pytest.mark.parametrize("name", VERBS)
def test_every_verb_has_help_and_speaks_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"catenary {name}" in text
    assert "--json" in text


def test_an_unknown_verb_is_a_usage_error_with_the_nearest_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["inti"]) == 2
    assert "did you mean 'init'?" in capsys.readouterr().err


def test_an_unknown_option_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--frobnicate"]) == 2
    assert "--frobnicate" in capsys.readouterr().err


def test_an_error_is_told_in_three_plain_lines_without_a_traceback(
    verb: Callable[[Callable[..., None]], str], capsys: pytest.CaptureFixture[str]
) -> None:
    def command() -> None:
        problem = "no column 'amont'"
        raise DefinitionError(problem, where="shop.py:3", hint="did you mean 'amount'?")

    assert main([verb(command)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "DefinitionError: no column 'amont'",
        "  at shop.py:3",
        "  hint: did you mean 'amount'?",
    ]


def test_with_json_an_error_is_an_object_on_stdout_too(
    verb: Callable[[Callable[..., None]], str], capsys: pytest.CaptureFixture[str]
) -> None:
    def command(*, json: bool = False) -> None:
        problem = "nothing there"
        raise DefinitionError(problem)

    assert main([verb(command), "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {
        "error": {
            "kind": "DefinitionError",
            "problem": "nothing there",
            "where": None,
            "hint": None,
        }
    }


def test_traceback_lets_an_error_through(verb: Callable[[Callable[..., None]], str]) -> None:
    def command() -> None:
        problem = "deep inside"
        raise DefinitionError(problem)

    with pytest.raises(DefinitionError, match="deep inside"):
        main([verb(command), "--traceback"])


def test_a_mistake_of_ours_is_never_hidden(verb: Callable[[Callable[..., None]], str]) -> None:
    def command() -> None:
        problem = "a broken promise"
        raise AssertionError(problem)

    with pytest.raises(AssertionError, match="a broken promise"):
        main([verb(command)])


def test_success_is_zero_and_a_verbs_own_exit_code_is_kept(
    verb: Callable[[Callable[..., None]], str],
) -> None:
    def fine() -> None:
        return

    def fails() -> None:
        raise SystemExit(1)

    assert main([verb(fine)]) == 0
    assert main([verb(fails)]) == 1


def test_ctrl_c_ends_a_command_without_a_traceback_even_as_it_is_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["catenary.cli.main"], "import_module", interrupted)
    assert main(["status"]) == 130
    assert capsys.readouterr().err == ""
