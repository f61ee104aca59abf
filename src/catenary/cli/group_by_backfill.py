"""Chronon's driver: compute the missing days of a compiled GroupBy, and of what it is chained on.

As `catenary backfill`, of one compiled definition.
"""

from catenary.cli.driving import backfilling

command = backfilling("group-by-backfill")
