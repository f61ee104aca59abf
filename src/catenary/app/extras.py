"""Libraries that only an extra brings along."""

from __future__ import annotations

from catenary.errors import UnsupportedError


def needed(extra: str, what: str, error: ImportError) -> UnsupportedError:
    """The error for one that is not there.

    Args:
        extra: that brings it along.
        what: needs it.
        error: of the import.
    """
    return UnsupportedError(
        f"{what} needs {error.name or error}, which is not installed",
        hint=f"install the extra: pip install 'catenary[{extra}]'",
    )
