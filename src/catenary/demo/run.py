"""The story, told once: prepare, plan, backfill, compute again in SQL, compare; then live.

    <folder>/README.txt   what lies here
    <folder>/tables       the flights, a Parquet file a day
    <folder>/warehouse    what Catenary made of them
    <folder>/log          December's events, as they were published, unless a broker has them
    <folder>/store        what the stages made of them, unless a server has it

A run begins afresh: what an earlier one left in its folder goes first, and nothing else. Servers that
hold something of the kind are refused.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from catenary.app.settings import Settings, shown
from catenary.app.wiring import Project, planned
from catenary.demo import data
from catenary.demo.compare import compare
from catenary.demo.features import DEFINITIONS
from catenary.demo.live import (
    check_nothing_is_there,
    december,
    let_december_happen,
    missed_arrival,
)
from catenary.demo.reference import AVERAGES_OF_DOUBLES, Reference
from catenary.demo.report import Teller, describe, tell_columns, tell_live
from catenary.errors import DataError
from catenary.plan import lineage

if TYPE_CHECKING:
    from pathlib import Path

    from catenary.demo.compare import Comparison
    from catenary.demo.live import LiveStory
    from catenary.plan import Plan
    from catenary.ports import RunReport
    from catenary.tables.parquet import Warehouse

RISK: Final = "flight_risk"
_ROW: Final = ("carrier", "origin", "tailnum", "flight_id")
_CARRIED: Final = frozenset(
    {"ts", "carrier", "tailnum", "origin", "distance", "dep_delay", "arr_delay"}
)
_SIGNATURE: Final = "Written by `catenary demo`; delete this folder whenever you like.\n"
_README: Final = f"""\
{_SIGNATURE}
tables/     the flights, the weather and the planes of 2013: one Parquet file a day
warehouse/  what Catenary computed from them: <definition>/<fingerprint>/ds=<day>
log/        December's events, as they were published; not here if a broker has them
store/      what the stages made of them, and the uploads; not here if a server has them
"""


@dataclass(frozen=True)
class Story:
    """What a run of the demo came to."""

    comparison: Comparison
    report: RunReport
    live: LiveStory
    seconds: float

    def facts(self) -> dict[str, object]:
        """For programs: the object of `--json`."""
        return {
            "values_compared": self.comparison.compared,
            "values_differing": self.comparison.differing,
            "columns_compared": len(self.comparison.columns),
            "not_compared": [],
            "rows": self.report.rows,
            "live": self.live.facts(),
            "seconds": round(self.seconds, 3),
            "backfill_seconds": round(self.report.seconds, 3),
            "rows_per_second": round(self.report.rows / self.report.seconds),
            "valid_share": {
                each.name: round(each.valid_share, 4) for each in self.comparison.columns
            },
        }


def run_demo(
    folder: Path,
    *,
    log: str = "log",
    store: str = "store",
    json: bool = False,
    sabotage: bool = False,
    teller: Teller | None = None,
) -> int:
    """Tell the story.

    Args:
        folder: where everything is written; new, empty, or an earlier demo's.
        log: where December's topics lie: a folder in that one, or `kafka://host:port`.
        store: where its state lies: a folder in that one, or `redis://host:port/db`.
        json: end with one line of JSON.
        sabotage: take one arrival from the SQL side's input, and one from what is published;
            differences must show.
        teller: where it is told; None for stdout.

    Returns:
        The exit code: 0 only if no value differs.

    Raises:
        DataError: if the folder holds something else, log or store hold what the story writes, or a
            package is missing.
        SettingsError: for an address of no known kind.
        RunError: if a server does not answer, or a stage fails.
    """
    teller = teller or Teller()
    began = time.perf_counter()
    _clear(folder)
    settings = Settings(root=folder).changed("log", log, origin="--log")
    project = Project(settings.changed("store", store, origin="--store"))
    story = _tell(project, teller, sabotage=sabotage, began=began)
    if json:
        teller.emit(story.facts())
    return 1 if story.comparison.differing or story.live.failures() else 0


def _tell(project: Project, teller: Teller, *, sabotage: bool, began: float) -> Story:
    folder = project.settings.root
    reference = Reference(folder / "tables")  # first, so that a missing package shows at once
    teller.heading("A year of flights from New York")
    _prepare(folder, teller)
    plan = planned(DEFINITIONS, project.tables)
    with december(project, plan) as live:
        check_nothing_is_there(live)
    teller.heading(f"Backfilling {len(DEFINITIONS)} definitions, {data.FIRST_DS} to {data.LAST_DS}")
    report = _backfill(project, plan, teller)
    ours = _read(project.warehouse)
    teller.heading(f"Computing {RISK} again, in SQL")
    theirs = _compute_again(reference, teller, sabotage=sabotage)
    comparison = compare(ours, theirs, identity="flight_id", show=_ROW, close=AVERAGES_OF_DOUBLES)
    _tell_result(teller, comparison, ours)
    teller.heading("December again, as a stream: four stages, a process each")
    missed = missed_arrival(ours) if sabotage else None
    if missed is not None:
        teller.line(f"  sabotage: the arrival of flight_id={missed} is not published")
    for name in ("log", "store"):
        teller.line(f"  {name:<6} {shown(project.settings.place(name))}")
    with december(project, plan) as live:
        happened = let_december_happen(live, ours, without_arrival=missed)
    tell_live(teller, happened, _CARRIED)
    story = Story(comparison, report, happened, time.perf_counter() - began)
    _tell_end(teller, folder, plan, story)
    return story


def _clear(folder: Path) -> None:
    """Make the folder hold nothing but its note."""
    note = folder / "README.txt"
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not note.is_file())):
        problem = f"{str(folder)!r} is there already and is no earlier demo's folder"
        raise DataError(problem, hint="name a new folder; the demo overwrites its own only")
    if note.is_file() and not note.read_text(encoding="utf-8").startswith(_SIGNATURE):
        problem = f"{str(note)!r} was not written by the demo"
        raise DataError(problem, hint="name a new folder; the demo overwrites its own only")
    for own in ("tables", "warehouse", "log", "store"):
        shutil.rmtree(folder / own, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    note.write_text(_README, encoding="utf-8")


def _prepare(folder: Path, teller: Teller) -> None:
    with teller.meter() as meter:
        meter.begin("tables", 3 * 366)
        flights = data.prepare(folder, on_day=lambda days: meter.advance("tables", days, 0))
        meter.end("tables")
    for name, rows in flights.rows.items():
        teller.line(f"  {name:<20} {rows:>9,} rows")


def _backfill(project: Project, plan: Plan, teller: Teller) -> RunReport:
    with teller.meter() as meter:
        report = project.backfill(plan, start=data.FIRST_DS, end=data.LAST_DS, meter=meter)
    for node in report.nodes:
        columns = len(plan.node(node.name).schema.fields)
        teller.line(f"  {node.name:<20} {node.rows:>9,} rows × {columns} columns")
    speed = report.rows / report.seconds
    teller.line(f"  {report.rows:,} rows in {report.seconds:.1f} s: {speed:,.0f} rows/s")
    return report


def _read(warehouse: Warehouse) -> pa.Table:
    """All rows of `flight_risk` as they were published."""
    table = warehouse.current(RISK)
    assert table is not None
    names = [name for name in table.schema() if name != "ds"]
    return pa.Table.from_batches(
        [batch for ds in table.partitions() for batch in table.batches(ds, names)]
    )


def _compute_again(reference: Reference, teller: Teller, *, sabotage: bool) -> pa.Table:
    missed = reference.missed_arrival() if sabotage else None
    if missed is not None:
        teller.line(f"  sabotage: SQL does not see the arrival of flight_id={missed}")
    began = time.perf_counter()
    theirs = reference.flight_risk(without_arrival=missed)
    reference.close()
    teller.line(f"  DuckDB took {time.perf_counter() - began:.1f} s")
    return theirs


def _tell_result(teller: Teller, comparison: Comparison, ours: pa.Table) -> None:
    features = len(comparison.columns) - len(_CARRIED)
    teller.heading(f"{RISK}: {ours.num_rows:,} rows, {features} features; share that is not null")
    tell_columns(teller, comparison, _CARRIED)
    teller.line()
    found = (
        f"{comparison.compared:,} values compared in {len(comparison.columns)} columns,"
        f" {comparison.differing:,} differ"
    )
    if comparison.first is None:
        teller.good(found)
        return
    teller.bad(found)
    teller.bad(describe(comparison.first))


def _tell_end(teller: Teller, folder: Path, plan: Plan, story: Story) -> None:
    teller.heading("What comes from where")
    for line in lineage(plan).text().splitlines():
        teller.line(f"  {line}")
    teller.heading("Where to look next")
    teller.line("  src/catenary/demo/features.py    the definitions, as you would write them")
    teller.line("  src/catenary/demo/reference.sql  the same again, in SQL")
    teller.line(f"  {folder}/warehouse/{RISK}    what a model trains on, as Parquet")
    teller.line("  catenary init my-features        a worked chain of your own")
    teller.line(f"\n{story.seconds:.1f} s in all; delete {folder} whenever you like")
