"""No bytes do harm: damaged records of every codec, each codec in a process of its own.

`CATENARY_TEST_FUZZ` sets how many records are damaged in all, `CATENARY_TEST_FUZZ_SEED` how.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MANY = int(os.environ.get("CATENARY_TEST_FUZZ", "100000"))
SEED = os.environ.get("CATENARY_TEST_FUZZ_SEED", "1")
CODECS = ("avro", "framed", "json", "debezium", "protobuf", "protobuf2", "arrow")


@pytest.mark.property
@pytest.mark.parametrize("name", CODECS)
def test_damaged_records_crash_nothing_are_accounted_for_and_leave_their_neighbours_alone(
    name: str,
) -> None:
    many = -(-MANY // len(CODECS))
    script = str(Path(__file__).with_name("fuzzing.py"))
    words = [sys.executable, "-X", "faulthandler", script, name, str(many), SEED]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout)
    assert found["read"] + found["rejected"] == many
    assert found["rejected"] > many // 3, "most damage is noticed, or little was damaged"
