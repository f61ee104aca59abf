"""The scripts of this folder, which read and write datasets, and their runs."""

from __future__ import annotations

from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from catenary.stores.redis.nodes import Command

if TYPE_CHECKING:
    from collections.abc import Sequence


class Script:
    """A script of this folder."""

    def __init__(self, name: str) -> None:
        self.text = (Path(__file__).with_name(f"{name}.lua")).read_bytes()
        # The server knows a script by this digest of its text; nothing is secured by it.
        self.digest = sha1(self.text, usedforsecurity=False).hexdigest()


class Run(NamedTuple):
    """A script's run on keys of one hash tag."""

    script: Script
    keys: Sequence[bytes]
    arguments: Sequence[object]

    def by_digest(self) -> Command:
        """For a server that knows the script, which others refuse."""
        return self._command("EVALSHA", self.script.digest)

    def by_text(self) -> Command:
        """For a server that knows the script from then on."""
        return self._command("EVAL", self.script.text)

    def _command(self, name: str, said: str | bytes) -> Command:
        words = (name, said, len(self.keys), *self.keys, *self.arguments)
        return Command(self.keys[0], words)
