"""The golden values of the expressions, obtained again."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

MAKER = Path(__file__).parents[2] / "golden" / "expressions" / "make_golden.py"


@pytest.mark.spark
@pytest.mark.filterwarnings("default")
def test_a_real_spark_gives_the_golden_file_byte_for_byte():
    spec = importlib.util.spec_from_file_location("make_golden_spark", MAKER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lines, refused = module.spark_lines()
    assert refused == {}
    assert "\n".join(lines) + "\n" == module.GOLDEN.read_text(encoding="utf-8")
