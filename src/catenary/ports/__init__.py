"""The shapes that adapters fill, with their contracts: tables that are read, tables that are written.

    engines  ──►  Tables / Table        what a run reads
             ──►  Outputs / OutputTable  what a run writes
             ──►  Meter                  what it tells those who watch
    app      ──►  Engine                 who runs a plan

An engine knows these shapes only; which adapter stands behind them is chosen in `app`. What crosses
a port is Arrow data, or one of the frozen values defined here.
"""

from catenary.ports.engine import Capabilities, Engine, Job, Limits
from catenary.ports.meter import Meter, SilentMeter
from catenary.ports.report import NodeReport, RunReport
from catenary.ports.table import Outputs, OutputTable, Table, Tables

__all__ = [
    "Capabilities",
    "Engine",
    "Job",
    "Limits",
    "Meter",
    "NodeReport",
    "OutputTable",
    "Outputs",
    "RunReport",
    "SilentMeter",
    "Table",
    "Tables",
]
