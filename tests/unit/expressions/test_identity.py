"""What counts as a change of a user's function, and what does not."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from catenary.definitions import Aggregation, EventSource, GroupBy, Operation, Query
from catenary.expressions import register_function
from catenary.expressions.identity import identity_of
from catenary.expressions.udf import USER_FUNCTIONS
from catenary.plan import build, column_fingerprints
from catenary.schema import BIGINT, STRING, Schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAIN = """
import pyarrow.compute as pc
RATE = 2
NAMES = {"a", "b", "c", "d"}
def helper(values):
    return pc.add(values, RATE)
class Scale:
    by = 3
    def times(self, values):
        return pc.multiply(values, self.by)
SCALE = Scale()
def f(values, least=0):
    '''What it is for.'''
    kept = [each for each in NAMES if each != "z"]
    return SCALE.times(pc.add(helper(values), len(kept) + 1))
"""
LIKE = {
    "a comment, and other lines": ("def f(", "# as agreed\n\n\ndef f("),
    "the docstring": ("What it is for.", "What else it is for."),
    "spaces": ("len(kept) + 1", "len( kept )+1"),
    "a local's name": ("kept", "held"),
    "what it does not use": ("RATE = 2", "RATE = 2\nOTHER = 3"),
}
UNLIKE = {
    "a constant": ("+ 1)", "+ 2)"),
    "a call": ("SCALE.times(pc.add", "SCALE.times(pc.subtract"),
    "a default": ("least=0", "least=1"),
    "a constant of the module": ("RATE = 2", "RATE = 3"),
    "a set of the module": ('"d"}', '"e"}'),
    "a function of the module that it calls": ("pc.add(values, RATE)", "pc.add(RATE, values)"),
    "a method of an object that it uses": ("pc.multiply(values", "pc.divide(values"),
    "an attribute of an object's class": ("by = 3", "by = 4"),
    "a comprehension inside": ('!= "z"', '!= "y"'),
    "an exception that it catches": ("    return SCALE", "    try: pass\n    except ValueError: kept = []\n    return SCALE"),
}  # fmt: skip


def made(text: str) -> Any:
    held: dict[str, Any] = {"__name__": "features"}
    exec(compile(text, "features.py", "exec"), held)
    return held["f"]


def changed(change: tuple[str, str]) -> str:
    old, new = change
    assert old in PLAIN
    return PLAIN.replace(old, new)


@pytest.mark.parametrize("change", LIKE.values(), ids=LIKE)
def test_what_changes_no_value_is_the_same_function(change: tuple[str, str]) -> None:
    assert identity_of(made(changed(change))) == identity_of(made(PLAIN))


@pytest.mark.parametrize("change", UNLIKE.values(), ids=UNLIKE)
def test_what_changes_a_value_is_another_function(change: tuple[str, str]) -> None:
    assert identity_of(made(changed(change))) != identity_of(made(PLAIN))


def test_what_a_function_closes_over_counts() -> None:
    def adding(number: Any) -> Any:
        return lambda values: [each + number for each in values]

    assert identity_of(adding(1)) == identity_of(adding(1))
    assert identity_of(adding(1)) != identity_of(adding(2))
    assert identity_of(adding(adding(1))) != identity_of(adding(adding(2)))
    assert identity_of(partial(adding(1), 1)) != identity_of(partial(adding(1), 2))


def test_functions_that_call_each_other_and_lists_that_hold_themselves_come_to_an_end() -> None:
    text = "HELD = []\nHELD.append(HELD)\ndef g(x): return f(x)\ndef f(x): return g(HELD)"
    assert identity_of(made(text)) == identity_of(made(text))
    assert identity_of(made(text)) != identity_of(made(text.replace("g(HELD)", "g(x, HELD)")))


def test_another_process_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "features.py").write_text(PLAIN, encoding="utf-8")
    code = "import features\nfrom catenary.expressions.identity import identity_of\nprint(identity_of(features.f))"
    for seed in ("0", "1", "1"):  # the third reads what the second compiled
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(tmp_path)},
        )
        assert done.stdout.strip() == identity_of(made(PLAIN))


@pytest.fixture
def fresh() -> Iterator[None]:
    before = dict(USER_FUNCTIONS)
    yield
    USER_FUNCTIONS.clear()
    USER_FUNCTIONS.update(before)


def fingerprints(selects: dict[str, str], wheres: str = "n > 0") -> dict[str, str]:
    query = Query(selects, wheres=wheres, time_column="ts")
    group_by = GroupBy(
        "counted",
        sources=EventSource(table="t", topic="log:///t", query=query),
        keys="user",
        aggregations=[Aggregation("n", Operation.SUM), Aggregation("m", Operation.SUM)],
    )
    schema = Schema.of(user=STRING, n=BIGINT, m=BIGINT, ts=BIGINT)
    node = build([group_by], {"t": schema}.__getitem__).node("counted")
    return {"": node.fingerprint, **column_fingerprints(node)}


SELECTS = {"user": "user", "n": "changing(n) + 1", "m": "m"}


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(("first", "second"), [((1, None), (2, None)), ((1, "1"), (1, "2"))])
def test_rule_27_a_function_that_changes_is_another_definition(
    first: tuple[int, str | None], second: tuple[int, str | None]
) -> None:
    def registered(number: int, version: str | None) -> dict[str, str]:
        register_function("changing", ["bigint"], "bigint", version=version)(
            lambda values: [each + number for each in values]
        )
        return fingerprints(SELECTS)

    before, again, after = registered(*first), registered(*first), registered(*second)
    assert before == again
    assert before[""] != after[""]


@pytest.mark.usefixtures("fresh")
def test_rule_27_a_version_that_stays_says_that_the_values_do() -> None:
    found: list[dict[str, str]] = []
    for number in (1, 2):
        register_function("changing", ["bigint"], "bigint", version=7)(
            lambda values, number=number: [each + number for each in values]
        )
        found.append(fingerprints(SELECTS))
    assert found[0] == found[1]


@pytest.mark.usefixtures("fresh")
def test_rule_27_a_function_in_a_condition_counts_too() -> None:
    plain = {"user": "user", "n": "n", "m": "m"}
    found: set[str] = set()
    for number in (1, 2):
        register_function("changing", ["bigint"], "bigint", version=number)(lambda values: values)
        found.add(fingerprints(plain, "changing(n) > 0")[""])
    assert len(found) == 2
