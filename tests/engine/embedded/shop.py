"""A small shop: payments and checks as Parquet, a day a partition, and a chain over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from catenary.app.settings import Settings
from catenary.app.wiring import Project
from catenary.tables.parquet.files import write_file

if TYPE_CHECKING:
    from pathlib import Path

    from catenary.ports import Meter, RunReport

DAYS = ("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05", "2024-01-06")
_FIRST_MS = 1_704_067_200_000  # 2024-01-01 00:00 UTC
_DAY_MS = 86_400_000
FEATURES = """\
from catenary import Aggregation, EventSource, GroupBy, Join, JoinSource, Operation, Query

payments = EventSource(
    table="payments", topic="log:///payments", query=Query(["user", "amount"], time_column="ts")
)
checks = EventSource(
    table="checks", topic="log:///checks", query=Query(["user", "shop"], time_column="ts")
)
spent = GroupBy(
    "spent",
    sources=payments,
    keys="user",
    aggregations=[Aggregation("amount", Operation.SUM, windows=["1d"])],
)
checked = Join("checked", left=checks, parts=[spent])
pressure = GroupBy(
    "pressure",
    sources=JoinSource(
        join=checked,
        query=Query({"shop": "shop", "spent": "spent_amount_sum_1d"}),
    ),
    keys="shop",
    aggregations=[Aggregation("spent", Operation.AVERAGE, windows=["1d"])],
)
risk = Join("risk", left=checks, parts=[pressure, spent])
"""


@dataclass(frozen=True)
class Shop:
    """The project's folder, and what tests do with it."""

    root: Path

    def project(self, **flags: object) -> Project:
        return Project(Settings.load(self.root, flags=flags, environment={}))

    def backfill(
        self,
        name: str = "checked",
        *,
        start: str | None = None,
        end: str | None = None,
        force: bool = False,
        meter: Meter | None = None,
        **flags: object,
    ) -> RunReport:
        project = self.project(**flags)
        plan = project.plan([name])
        return project.backfill(plan, start=start, end=end, force=force, meter=meter)

    def file(self, table: str, ds: str) -> Path:
        return self.root / "tables" / table / f"ds={ds}" / "part-0.parquet"

    def put(self, table: str, ds: str, rows: pa.Table) -> None:
        path = self.file(table, ds)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, rows, compression="none")

    def written(self, name: str = "checked") -> list[str]:
        """The days that stand, whoever reads them."""
        return sorted(
            path.parent.name.removeprefix("ds=")
            for path in (self.root / "warehouse" / name).glob("*/ds=*/*.parquet")
        )

    def rows(self, name: str = "checked") -> list[dict[str, Any]]:
        """All rows of the published table."""
        table = self.project().tables.table(name)
        columns = list(table.schema())
        return [
            row
            for ds in table.partitions()
            for batch in table.batches(ds, columns)
            for row in batch.to_pylist()
        ]

    def leftovers(self) -> list[Path]:
        """Files that a run began and did not finish."""
        return list(self.root.rglob(".writing-*"))


def open_shop(root: Path, *, rows: int = 20) -> Shop:
    """Write the shop below `root`."""
    shop = Shop(root)
    (root / "features").mkdir(parents=True)
    (root / "features" / "shop.py").write_text(FEATURES)
    for day, ds in enumerate(DAYS):
        shop.put("payments", ds, payments(day, rows))
        shop.put("checks", ds, checks(day, rows))
    return shop


def payments(day: int, rows: int) -> pa.Table:
    return pa.table(
        {
            "user": pa.array([f"u{at % 3}" for at in range(rows)]),
            "amount": pa.array([float(day * rows + at) for at in range(rows)]),
            "ts": pa.array(_times(day, rows), pa.int64()),
        }
    )


def checks(day: int, rows: int) -> pa.Table:
    return pa.table(
        {
            "user": pa.array([f"u{at % 4}" for at in range(rows)]),
            "shop": pa.array([f"s{at % 2}" for at in range(rows)]),
            "ts": pa.array([ts + 7 for ts in _times(day, rows)], pa.int64()),
        }
    )


def _times(day: int, rows: int) -> list[int]:
    return [_FIRST_MS + day * _DAY_MS + at * (_DAY_MS // (rows + 1)) for at in range(rows)]
