"""`python -m catenary` is the command line."""

import sys

from catenary.cli import main

if __name__ == "__main__":
    sys.exit(main())
