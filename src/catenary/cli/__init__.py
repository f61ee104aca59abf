"""The command line: `catenary VERB`, one file per verb, each thin.

The table of verbs is all that `catenary --help` loads; a verb's module is imported when it is used.
"""

from catenary.cli.main import main

__all__ = ["main"]
