"""Snapshots of a dataset on a server: leased ones, of which it shows while reading what is read.

    lease ──► version ──► rows as they are now, and what commits since replaced ──► rows as they were

What a commit replaced is kept while an older lease lasts. Each answer brings what was replaced since the
answer before; the oldest value of a key is the snapshot's.

Keys that were read one by one before come with the lease: a stage reads the same small records each time.
What is known beforehand needs no lease: it is asked for at once, and lies in memory then (``view.lua``).
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from catenary.stores.redis import packing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from catenary.stores.redis.dataset import Lease

_FIRST_PAGE: Final = 64
_PAGE: Final = 4_000


class LeasedSnapshot:
    """Fulfils `ports.Snapshot`, a round trip per read.

    Args:
        lease: of the version that is shown.
        known: what some keys hold in it.
        wished: told of a key that is not among them.
    """

    def __init__(
        self, lease: Lease, known: Mapping[bytes, bytes | None], wished: Callable[[bytes], None]
    ) -> None:
        self._lease = lease
        self._known = known
        self._wished = wished
        self._before: dict[bytes, bytes | None] = {}
        """What keys held that were written since."""

    def get(self, key: bytes) -> bytes | None:
        """The key's value."""
        if key in self._known:
            return self._known[key]
        self._wished(key)
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values in the keys' order."""
        if not keys:
            return []
        _, values = self._read(*packing.lists(keys))
        found = chain.from_iterable(values)
        if not self._before:
            return list(found)
        before = self._before
        return [before.get(key, now) for key, now in zip(keys, found, strict=True)]

    def scan(self, prefix: bytes, *, after: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """Keys with this prefix and their values, ascending."""
        begin = prefix if after is None or after < prefix else after + b"\0"
        return self._rows(begin, packing.successor(prefix))

    def walk(self) -> Callable[[bytes], Iterator[tuple[bytes, bytes]]]:
        """From a key to the rows from it on."""
        return lambda key: self._rows(key, None)

    def _rows(self, begin: bytes, end: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        """Rows from a key on and before another, page by page."""
        until = b"+" if end is None else packing.beyond(end)
        size = _FIRST_PAGE
        while end is None or begin < end:
            keys, values = self._read(b"range", packing.at_least(begin), until, size)
            # What commits since have removed or added in between belongs into this page.
            if len(keys) < size:
                yield from self._as_it_was(keys, values, begin, end)
                return
            following = keys[-1] + b"\0"
            yield from self._as_it_was(keys, values, begin, following)
            begin, size = following, min(4 * size, _PAGE)

    def _as_it_was(
        self, keys: list[bytes], values: list[list[bytes]], begin: bytes, stop: bytes | None
    ) -> Iterator[tuple[bytes, bytes]]:
        rows = dict(zip(keys, chain.from_iterable(values), strict=True))
        changed = [key for key in self._before if key >= begin and (stop is None or key < stop)]
        if not changed:
            return iter(rows.items())
        for key in changed:
            held = self._before[key]
            if held is None:
                rows.pop(key, None)
            else:
                rows[key] = held
        return iter(sorted(rows.items()))

    def _read(self, *wanted: object) -> tuple[list[bytes], list[list[bytes]]]:
        undone, keys, values = self._lease.read(*wanted)
        for commit in undone:
            for key, told in zip(commit[::2], commit[1::2], strict=True):
                self._before.setdefault(key, None if told == b"0" else told[1:])
        return keys, values
