"""Peers whose requirements do not fit beside ours: each has an environment of its own.

requirements/<peer>.lock ──► build/bench/<peer>-venv, made when a row first needs it
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from bench.harness import BUILD

REQUIREMENTS = Path("requirements")


class PeerMissingError(RuntimeError):
    """A peer cannot be installed here; its rows have no figures."""


def python(peer: str) -> Path:
    """The interpreter of the peer's environment, with what its lock file names.

    Raises:
        PeerMissingError: if it cannot be installed; shows the end of what pip said.
    """
    lock = REQUIREMENTS / f"{peer}.lock"
    folder = BUILD / f"{peer}-venv"
    found, done = folder / "bin" / "python", folder / "locked"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if done.exists() and done.read_text() == digest:
        return found
    print(f"installing {peer} into {folder} …", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    for command in (
        [sys.executable, "-m", "venv", folder],
        [found, "-m", "pip", "install", "-q", "--require-hashes", "-r", lock],
    ):
        ended = subprocess.run(command, capture_output=True, text=True)
        if ended.returncode != 0:
            said = (ended.stdout + ended.stderr).strip()[-1500:]
            message = (
                f"{peer} cannot be installed from {lock}: {said}\n"
                f"its rows need a package index that has these versions; `make lock` resolves them anew"
            )
            raise PeerMissingError(message)
    done.write_text(digest)
    return found
