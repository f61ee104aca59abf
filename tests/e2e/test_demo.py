"""The flights story as a newcomer meets it, end to end."""

import io
import json
from pathlib import Path

import pytest

from catenary.demo.report import Teller
from catenary.demo.run import run_demo
from catenary.errors import DataError

pytestmark = pytest.mark.demo


def tell(folder: Path, *, sabotage: bool = False) -> tuple[int, list[str]]:
    stream = io.StringIO()
    code = run_demo(folder, json=True, sabotage=sabotage, teller=Teller(stream))
    return code, stream.getvalue().splitlines()


def test_every_value_agrees_with_sql_and_every_answer_of_december_with_the_backfill(
    tmp_path: Path,
) -> None:
    code, lines = tell(tmp_path / "demo")
    facts = json.loads(lines[-1])
    assert code == 0
    assert facts["values_differing"] == 0
    assert facts["values_compared"] == 328_521 * facts["columns_compared"]
    assert facts["columns_compared"] >= 30
    assert facts["rows_per_second"] > 0
    shares = facts["valid_share"]
    assert shares["aircraft_delays_late_arrivals_12h"] == pytest.approx(0.32, abs=0.01)
    assert shares["aircraft_delays_arr_delay_last_1d"] == pytest.approx(0.52, abs=0.01)
    assert shares["aircraft_delays_arr_delay_last_7d"] == pytest.approx(0.86, abs=0.01)
    assert shares["carrier_pressure_aircraft_delay_average_1h"] == pytest.approx(0.80, abs=0.01)
    assert shares["hub_pressure_pressure_average_3h"] == pytest.approx(0.995, abs=0.001)
    live = facts["live"]
    assert live["failures"] == []
    assert live["rows"] == 27_254
    assert live["events"] == 56_741
    assert live["values_differing"] == live["latest_differing"] == 0
    assert live["values_compared"] == live["rows"] * facts["columns_compared"]
    assert set(live["statuses"]) <= {"ok", "missing"}
    assert live["far_ahead"] * 2 > live["rows"]
    assert live["before_end"] * 2 > live["rows"]
    assert live["reads_of_closed_tiles"] > 0
    assert live["reads_of_head_tiles"] > 0
    assert live["head_trails"]
    assert len(set(live["processes"].values())) == 4


def test_one_arrival_less_on_one_side_is_reported_with_column_key_and_instant(
    tmp_path: Path,
) -> None:
    code, lines = tell(tmp_path / "demo", sabotage=True)
    assert code == 1
    facts = json.loads(lines[-1])
    assert facts["values_differing"] > 0
    assert facts["live"]["values_differing"] > 0
    in_sql, in_stream, *_ = [line for line in lines if line.startswith("first difference")]
    assert "column aircraft_delays_" in in_sql
    assert "tailnum=" in in_sql
    assert "instant 2013-07-01" in in_sql
    assert "column aircraft_delays_" in in_stream
    assert "tailnum=" in in_stream
    assert "instant 2013-12-" in in_stream


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="no earlier demo's folder"):
        tell(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
