"""What a notebook is told when it gives `catenary.backfill` the wrong thing."""

import pyarrow as pa
import pytest

import catenary
from catenary import Aggregation, EventSource, GroupBy, Join, Operation, Query
from catenary.errors import DataError, DefinitionError

VISITS = EventSource(
    table="visits", query=Query(selects=["user", "dwell"], time_column="at"), topic="log:///v"
)
DWELL = GroupBy(
    name="dwell",
    sources=VISITS,
    keys="user",
    aggregations=[Aggregation("dwell", Operation.SUM, windows="1d")],
)
RELATIVE = Join(
    name="relative",
    left=VISITS,
    parts=[DWELL],
    contextual="dwell",
    derivations={"relative": "dwell / dwell_dwell_sum_1d"},
)
TABLES = {"visits": pa.table({"user": [1], "dwell": [2.0], "at": [86_400_000]})}
LEFT = pa.table({"user": [1], "ts": [86_400_001]})


def test_a_frame_without_a_column_that_a_derivation_uses_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="no column 'dwell', which derivation 'relative' uses"):
        catenary.backfill(RELATIVE, left=LEFT, tables=TABLES, root=tmp_path)


def test_a_frame_with_that_column_is_answered(tmp_path):
    left = LEFT.append_column("dwell", pa.array([3.0]))
    found = catenary.backfill(RELATIVE, left=left, tables=TABLES, root=tmp_path)
    assert found.column("relative").to_pylist() == [1.5]


def test_the_name_of_a_definition_is_no_definition(tmp_path):
    with pytest.raises(DefinitionError, match="'relative' is no definition"):
        catenary.backfill("relative", left=LEFT, tables=TABLES, root=tmp_path)
