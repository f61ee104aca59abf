"""The command as its console script starts it. Arguments: those of `catenary`.

Its output is thrown away; the process is what is timed.
"""

import os
import sys

from catenary.cli import main

sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the process ends
code = main(sys.argv[1:])
sys.stdout = sys.__stdout__
print("{}")
sys.exit(code)
