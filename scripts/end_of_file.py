"""Ends each given text file with exactly one newline; exit code 1 if a file had to change."""

from __future__ import annotations

import sys
from pathlib import Path


def main(names: list[str]) -> int:
    """Mend the files and name those that changed."""
    changed = 0
    for name in names:
        path = Path(name)
        before = path.read_bytes()
        after = before.rstrip(b"\n") + b"\n" if before.strip() else b""
        if after != before:
            path.write_bytes(after)
            sys.stdout.write(f"{name}: end of file mended\n")
            changed = 1
    return changed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
