"""Chronon's driver: compute the missing days of a compiled GroupBy, and of what it is chained on.

As `catenary backfill`, of one compiled definition.
"""

from pathlib import Path

from catenary.cli.driving import Conf, ConfPath, EndDate, StartDate, StepDays, backfilled
from catenary.cli.opening import Json, Root


def command(
    conf_path: ConfPath,
    *,
    end_date: EndDate = None,
    start_partition_override: StartDate = None,
    step_days: StepDays = None,
    conf: Conf = None,
    root: Root = Path(),
    json: Json = False,
) -> None:
    """Run the backfill and say what was written."""
    backfilled(
        "group-by-backfill",
        conf_path,
        root=root,
        start=start_partition_override,
        end=end_date,
        step_days=step_days,
        conf=conf or (),
        json=json,
    )
