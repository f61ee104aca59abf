from __future__ import annotations

import sys

import pytest

from catenary.definitions import load
from catenary.errors import DefinitionError

HEAD = "from catenary.definitions import *\nfrom catenary.definitions import GroupBy, Join\n"
FEATS = HEAD + (
    'events = EventSource(table="t", query=Query(["k"], time_column="at"))\n'
    'clicks = GroupBy(sources=events, keys="k")\n'
)


@pytest.fixture
def folder(tmp_path):
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_definitions_are_named_by_module_and_variable(folder):
    (folder / "feats_a.py").write_text(FEATS)
    assert list(load(folder)) == ["feats_a.clicks"]
    assert load(folder / "feats_a.py")["feats_a.clicks"].name == "feats_a.clicks"


def test_a_given_name_is_kept(folder):
    (folder / "feats_b.py").write_text(FEATS.replace("GroupBy(s", 'GroupBy("mine", s'))
    assert list(load(folder)) == ["mine"]


def test_an_imported_definition_has_the_name_of_the_module_that_wrote_it(folder):
    (folder / "feats_z.py").write_text(FEATS)
    (folder / "feats_c.py").write_text(
        HEAD + "from feats_z import clicks, events\nrows = Join(left=events, parts=[clicks])\n"
    )
    loaded = load(folder)
    assert set(loaded) == {"feats_z.clicks", "feats_c.rows"}
    assert loaded["feats_c.rows"].parts[0].group_by.name == "feats_z.clicks"


def test_a_file_that_fails_to_import_names_its_line(folder):
    (folder / "feats_d.py").write_text("x = 1\ny = x / 0\n")
    with pytest.raises(DefinitionError, match=r"(?s)ZeroDivisionError.*feats_d\.py:2"):
        load(folder)


@pytest.mark.parametrize(
    ("line", "problem", "hint"),
    [
        ("clicks = GroupBy(sources=eventz)", "NameError: name 'eventz'", "did you mean 'events'?"),
        ("a = Derivation('x', 'y')", "NameError", "write: from catenary import Derivation"),
        ("from catenary import GroupBuy", "ImportError", "did you mean 'GroupBy'?"),
        ("import no_such_thing", "ModuleNotFoundError", "install no_such_thing"),
        ("clicks = GroupBy(", "SyntaxError: '(' was never closed", "clicks = GroupBy("),
        ("clicks = GroupBy(sourcez=events)", "unexpected keyword", "did you mean 'sources'?"),
        ("sum_ = Operation.SUMM", "no attribute 'SUMM'", "did you mean 'SUM'? known: AVERAGE, "),
        ("big = Operation.QUANTILE", "no attribute 'QUANTILE'", "known: AVERAGE, BOTTOM_K, "),
        ("x = int('a')", "ValueError", "`python feats_g.py`"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_mends_it(
    folder, monkeypatch, line, problem, hint
):
    head = "from catenary import EventSource, GroupBy, Operation, Query\n"
    source = 'events = EventSource(table="t", query=Query(["k"], time_column="at"))\n'
    (folder / "feats_g.py").write_text(f"{head}{source}{line}\n")
    monkeypatch.chdir(folder)
    for path in ("feats_g.py", folder / "feats_g.py"):
        with pytest.raises(DefinitionError) as caught:
            load(path)
        assert problem in caught.value.problem
        assert caught.value.where == f"{folder / 'feats_g.py'}:3"
        assert hint in (caught.value.hint or "")


def test_a_folder_named_from_where_one_is_gives_the_same_names(folder, monkeypatch):
    (folder / "defs").mkdir()
    (folder / "defs" / "feats_y.py").write_text(FEATS)
    (folder / "defs" / "feats_f.py").write_text(
        HEAD + "from feats_y import clicks, events\nrows = Join(left=events, parts=[clicks])\n"
    )
    monkeypatch.chdir(folder)
    assert set(load("defs")) == {"feats_y.clicks", "feats_f.rows"}


def test_tests_beside_definitions_are_not_loaded(folder):
    (folder / "feats_e.py").write_text(FEATS)
    (folder / "test_feats.py").write_text("raise RuntimeError")
    assert list(load(folder)) == ["feats_e.clicks"]


def test_a_folder_without_definitions_and_a_missing_one_are_errors(folder):
    with pytest.raises(DefinitionError, match="defines no GroupBy"):
        load(folder)
    with pytest.raises(DefinitionError, match="no file or folder"):
        load(folder / "nowhere")
