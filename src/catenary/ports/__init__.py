"""The shapes that adapters fill, with their contracts: tables, logs, stores, engines.

    engines  ──►  Tables / Table        what a run reads
             ──►  Outputs / OutputTable  what a run writes
             ──►  Meter                  what it tells those who watch
    stages   ──►  Log, Store, Lookup     what they follow, where state lies, how parents are read
    app      ──►  Engine                 who runs a plan

An engine knows these shapes only; which adapter stands behind them is chosen in `app`. What crosses
a port is Arrow data, or one of the frozen values defined here.
"""

from catenary.ports.engine import Capabilities, Engine, Job, Limits
from catenary.ports.log import Log, Membership, Records
from catenary.ports.lookup import Looked, Lookup
from catenary.ports.meter import Meter, SilentMeter
from catenary.ports.report import NodeReport, RunReport, UploadReport
from catenary.ports.store import Dataset, Extent, Snapshot, Store
from catenary.ports.table import Outputs, OutputTable, Table, Tables
from catenary.ports.token import SourcePartition, Token

__all__ = [
    "Capabilities",
    "Dataset",
    "Engine",
    "Extent",
    "Job",
    "Limits",
    "Log",
    "Looked",
    "Lookup",
    "Membership",
    "Meter",
    "NodeReport",
    "OutputTable",
    "Outputs",
    "Records",
    "RunReport",
    "SilentMeter",
    "Snapshot",
    "SourcePartition",
    "Store",
    "Table",
    "Tables",
    "Token",
    "UploadReport",
]
