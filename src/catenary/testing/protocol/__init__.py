"""An executable model of chained streams: the protocol, small enough to be tried out at random.

    schedule ──► topics ──► stages ──► stores ──► reads
                   └──► oracle (what a backfill says) ──► every row and read is equal, or says why not

Pure Python over small integers, written from the protocol alone and sharing nothing with the stages and
stores that it runs ahead of. Each rule can be turned the other way (`VARIANTS`), and then some schedule
must fail: a rule that nothing needs is none.

Read next: ``shapes.py``, ``stage.py``, ``reading.py``; ``schedule.py`` for what happens to them.
Held to account by: ``tests/property/test_protocol_model.py``.
"""

from catenary.testing.protocol.draws import KINDS
from catenary.testing.protocol.schedule import Report, Schedule, run
from catenary.testing.protocol.trace import Step, Trace
from catenary.testing.protocol.variants import PROTOCOL, VARIANTS, Rules, Variant, without

__all__ = [
    "KINDS",
    "PROTOCOL",
    "VARIANTS",
    "Report",
    "Rules",
    "Schedule",
    "Step",
    "Trace",
    "Variant",
    "run",
    "without",
]
