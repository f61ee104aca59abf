"""The SQL that the demo trusts, held to plain loops over a sample of the same flights."""

import random
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pytest

from catenary.demo.data import prepare
from catenary.demo.reference import Reference

pytestmark = pytest.mark.demo

HOUR = 3_600_000
FIVE_MINUTES = 300_000


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flights")
    prepare(folder)
    return folder / "tables"


@pytest.fixture(scope="module")
def rows(tables: Path) -> list[dict]:
    reference = Reference(tables)
    found = reference.flight_risk()
    reference.close()
    return found.to_pylist()


@pytest.fixture(scope="module")
def arrivals(tables: Path) -> dict[str, list[tuple[int, int]]]:
    table = pads.dataset(tables / "flights.arrivals", format="parquet").to_table()
    at = pc.divide(table["arrived_at"].cast(pa.int64()), 1_000)
    by_tail: dict[str, list[tuple[int, int]]] = defaultdict(list)
    columns = (table["tailnum"].to_pylist(), at.to_pylist(), table["arr_delay"].to_pylist())
    for tail, instant, delay in zip(*columns, strict=True):
        by_tail[tail].append((instant, delay))
    return by_tail


def start(q: int, hours: int, hop: int = HOUR) -> int:
    return (q - hours * HOUR) // hop * hop


def mean(values: list) -> float | None:
    return sum(values) / len(values) if values else None


def sample(rows: list[dict], size: int) -> list[dict]:
    return random.Random(20130101).sample(rows, size)


def test_what_is_known_about_the_aircraft_is_what_plain_loops_find(
    rows: list[dict], arrivals: dict[str, list[tuple[int, int]]]
) -> None:
    for row in sample(rows, 500):
        q = row["ts"]
        before = sorted(each for each in arrivals.get(row["tailnum"], []) if each[0] < q)
        day = [delay for at, delay in before if at >= start(q, 24)]
        week = [delay for at, delay in before if at >= start(q, 168)]
        late = [delay >= 15 for at, delay in before if at >= start(q, 12)]
        found = {name[16:]: row[name] for name in row if name.startswith("aircraft_delays_")}
        assert found == {
            "arr_delay_last_1d": day[-1] if day else None,
            "arr_delay_last_7d": week[-1] if week else None,
            "arr_delay_average_1d": mean(day),
            "arr_delay_average_7d": mean(week),
            "late_arrivals_12h": sum(late) if late else None,
            "arr_delay_last5": [delay for _, delay in before[:-6:-1]] or None,
        }


def test_a_carriers_pressure_is_what_plain_loops_find(rows: list[dict]) -> None:
    delay = "aircraft_delays_arr_delay_last_7d"
    together: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for row in rows:
        if row[delay] is not None:
            together[row["carrier"], row["origin"]].append((row["ts"], row[delay]))
    for row in sample(rows, 100):
        q = row["ts"]
        events = [each for each in together[row["carrier"], row["origin"]] if each[0] < q]
        for window, since in (
            ("1h", start(q, 1, FIVE_MINUTES)),
            ("12h", start(q, 12)),
            ("7d", start(q, 168)),
        ):
            values = [value for at, value in events if at >= since]
            prefix = "carrier_pressure_aircraft_delay"
            assert row[f"{prefix}_average_{window}"] == mean(values)
            assert row[f"{prefix}_max_{window}"] == max(values, default=None)
            assert row[f"{prefix}_count_{window}"] == (len(values) or None)
        late = [value >= 15 for at, value in events if at >= start(q, 12)]
        assert row["carrier_pressure_late_sum_12h"] == (sum(late) if late else None)
        assert row["carrier_pressure_late_share_12h"] == mean(late)


def test_a_hubs_pressure_is_what_plain_loops_find(rows: list[dict]) -> None:
    inputs = {
        "pressure": "carrier_pressure_aircraft_delay_average_12h",
        "late_share": "carrier_pressure_late_share_12h",
    }
    at_hub: dict[str, list[dict]] = defaultdict(list)
    for row in rows:
        at_hub[row["origin"]].append(row)
    for row in sample(rows, 40):
        q = row["ts"]
        for window, since in (("3h", start(q, 3, FIVE_MINUTES)), ("1d", start(q, 24))):
            events = [each for each in at_hub[row["origin"]] if since <= each["ts"] < q]
            for name, column in inputs.items():
                values = [each[column] for each in events if each[column] is not None]
                found = row[f"hub_pressure_{name}_average_{window}"]
                assert found == pytest.approx(mean(values), rel=1e-9)


def test_an_arrival_that_is_left_out_is_missed(tables: Path, rows: list[dict]) -> None:
    reference = Reference(tables)
    missed = reference.missed_arrival()
    without = reference.flight_risk(without_arrival=missed).to_pylist()
    reference.close()
    assert sum(a != b for a, b in zip(rows, without, strict=True)) > 0
