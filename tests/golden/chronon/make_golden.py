"""Compiles the definitions in `repo` as Chronon itself does: `make chronon` runs this.

Needs the environment of `requirements/chronon.lock`, which is not Catenary's. Writes `production`
beside this file, or the folder that is named: a file per definition, named and laid out by Chronon's own
compiler.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDERS = ("group_bys/shop", "joins/shop")


def main(target: Path) -> None:
    """Compile all folders into an empty one."""
    shutil.rmtree(target, ignore_errors=True)
    for folder in FOLDERS:
        subprocess.run(
            [
                sys.executable,
                str(_compiler()),
                f"--chronon_root={HERE / 'repo'}",
                f"--input_path={folder}",
                f"--output_root={target}",
                "--force-overwrite",
                "--yes",
            ],
            check=True,
            cwd=HERE / "repo",
            env={"PYTHONPATH": str(HERE / "repo"), "PYTHONDONTWRITEBYTECODE": "1"},
        )


def _compiler() -> Path:
    return Path(sys.prefix) / "bin" / "compile.py"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "production")
