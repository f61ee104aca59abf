"""Chronon's driver: compute the missing days of a compiled Join, and of what it reads.

As `catenary backfill`, of one compiled definition. Days that stand are not computed again, whenever
they were written; there is no first hole to run, and none to leave.
"""

from catenary.cli.driving import backfilling

command = backfilling("join")
