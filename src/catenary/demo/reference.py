"""The same features from another hand: `reference.sql`, run by DuckDB over the same tables."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from catenary.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

AVERAGES_OF_DOUBLES: Final = frozenset(
    {
        "hub_pressure_pressure_average_3h",
        "hub_pressure_pressure_average_1d",
        "hub_pressure_late_share_average_3h",
        "hub_pressure_late_share_average_1d",
        "hub_trend",
    }
)
"""Columns that SQL does not round once, as Catenary does; all others must agree to the bit."""

# An arrival in midsummer whose aircraft left again within the day, so that somebody misses it.
_MISSED: Final = """
    SELECT landed.flight_id
    FROM read_parquet($tables || '/flights.arrivals/ds=2013-07-01/*.parquet') AS landed
    JOIN read_parquet($tables || '/flights.departures/ds=2013-07-01/*.parquet') AS leaving
        ON leaving.tailnum = landed.tailnum AND leaving.departed_at > landed.arrived_at
    ORDER BY landed.arrived_at, landed.flight_id LIMIT 1
"""


class Reference:
    """A database over the tables of one demo folder.

    Raises:
        DataError: if DuckDB is not installed.
    """

    def __init__(self, tables: Path, *, threads: int = 2) -> None:
        try:
            import duckdb
        except ModuleNotFoundError:
            problem = "the demo's independent computation needs DuckDB, which is not installed"
            raise DataError(problem, hint="pip install 'catenary[demo]'") from None
        self._tables = str(tables)
        self._database: Any = duckdb.connect(config={"threads": threads})

    def missed_arrival(self) -> int:
        """The `flight_id` of an arrival that later departures depend on."""
        found = self._database.execute(_MISSED, {"tables": self._tables}).fetchone()
        assert found is not None
        return int(found[0])

    def flight_risk(self, *, without_arrival: int | None = None) -> pa.Table:
        """All rows and columns of `flight_risk`, by `flight_id`.

        Args:
            without_arrival: the `flight_id` of an arrival that is left out, to see that it is missed.
        """
        left_out = "NULL" if without_arrival is None else str(without_arrival)
        quoted = self._tables.replace("'", "''")
        self._database.execute(f"SET VARIABLE tables = '{quoted}'")
        self._database.execute(f"SET VARIABLE without_arrival = {left_out}")
        sql = files("catenary.demo").joinpath("reference.sql").read_text(encoding="utf-8")
        self._database.execute(sql)
        return self._database.sql("FROM flight_risk").to_arrow_table()

    def close(self) -> None:
        """Give the memory back."""
        self._database.close()
