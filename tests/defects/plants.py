"""Planted defects as texts: where, what stands there, and what would be wrong.

A file says what the mistake is; then, for each place, the path inside the package, a line of seven
`<`, what stands there, a line of seven `=`, what would be wrong, and a line of seven `>`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
_EDIT = re.compile(r"^(\S+)\n<<<<<<<\n(.*?)\n=======\n(.*?)\n?>>>>>>>$", re.M | re.S)


@dataclass(frozen=True)
class Edit:
    """One text that is put in another's place; the other occurs exactly once in its file."""

    file: str
    stands: str
    wrong: str

    def plant(self, package: Path) -> None:
        """Make the mistake in a copy of the package.

        A compiled module's library is removed, so that its source runs.
        """
        source = package / self.file
        text = source.read_text()
        times = text.count(self.stands)
        assert times == 1, f"{self.file} has {times} times:\n{self.stands}\nplant the mistake anew"
        source.write_text(text.replace(self.stands, self.wrong))
        for library in source.parent.glob(f"{source.stem}.*.so"):
            library.unlink()


def defects() -> dict[str, list[Edit]]:
    """Every planted defect by its name."""
    return {
        file.stem: [Edit(*found) for found in _EDIT.findall(file.read_text())]
        for file in sorted(HERE.glob("*.txt"))
    }
