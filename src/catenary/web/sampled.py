"""Requests that are logged: those of some keys, always the same ones, with what they were answered.

    answer ──► is its key sampled? ──► queue ──► one thread ──► the log, many records at a time

A record is a JSON object. One of kind `schema` comes first, for every definition that is served; those of
kind `request` name it by its fingerprint. Logging holds no answer up and fails none: what the queue or the
log does not take is counted, and dropped.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from catenary.errors import CatenaryError
from catenary.web.counters import LOGGED, UNLOGGED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from catenary.ports import Log
    from catenary.serve.answers import Row

_STEPS: Final = 100_000
_QUEUED: Final = 10_000
_AT_ONCE: Final = 1_000
_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_log: Final = logging.getLogger(__name__)


def is_sampled(keys: Mapping[str, object], percent: float) -> bool:
    """Whether requests for these keys are logged: the same for equal keys, wherever they are asked.

    >>> is_sampled({"user": "ann"}, 100.0), is_sampled({"user": "ann"}, 0.0)
    (True, False)
    """
    found = hashlib.blake2b(_encode(keys), digest_size=8).digest()
    return int.from_bytes(found, "big") % _STEPS < percent * _STEPS / 100


class RequestLog:
    """Appends sampled requests to a partition of a topic.

    Args:
        log: where to.
        topic: of it; it must be there.
        partition: this worker's own, since a partition has one writer.
        percent: of the keys.
        schemas: records that say what the fingerprints mean.
        counted: told how many were logged, and how many were not.
    """

    def __init__(
        self,
        log: Log,
        topic: str,
        partition: int,
        percent: float,
        schemas: Sequence[Mapping[str, object]],
        counted: Callable[[str, int], None],
    ) -> None:
        self._target = (log, topic, partition)
        self._percent = percent
        self._counted = counted
        self._queue: queue.Queue[bytes | None] = queue.Queue(_QUEUED)
        for each in schemas:
            self._put({"kind": "schema", **each})
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)
        self._thread.start()

    def offer(
        self,
        name: str,
        schema: str,
        needed: Sequence[str],
        keys: Mapping[str, object],
        at_ms: int | None,
        row: Row,
    ) -> None:
        """Log a request if its key is sampled.

        Args:
            name: the definition's.
            schema: its fingerprint.
            needed: the columns that are its key.
            keys: the request.
            at_ms: as of when; None for now.
            row: what it was answered.
        """
        if not is_sampled({each: keys.get(each) for each in needed}, self._percent):
            return
        self._put(
            {
                "kind": "request",
                "name": name,
                "schema": schema,
                "ts": time.time_ns() // 1_000_000 if at_ms is None else at_ms,
                "keys": keys,
                "features": row,
                "status": row.status,
                "token": str(row.token),
            }
        )

    def close(self) -> None:
        """Log what is queued, and stop."""
        self._queue.put(None)
        self._thread.join()

    def _put(self, record: dict[str, Any]) -> None:
        try:
            self._queue.put_nowait(_encode(record))
        except queue.Full:
            self._counted(UNLOGGED, 1)

    def _run(self) -> None:
        going = True
        while going:
            records: list[bytes] = []
            each = self._queue.get()
            while each is not None:
                records.append(each)
                if len(records) == _AT_ONCE or self._queue.empty():
                    break
                each = self._queue.get()
            going = each is not None
            if records:
                self._append(records)

    def _append(self, records: list[bytes]) -> None:
        log, topic, partition = self._target
        try:
            log.append(topic, records, partition=partition)
        except CatenaryError as error:
            self._counted(UNLOGGED, len(records))
            _log.warning("%d requests were not logged: %s", len(records), error.problem)
        else:
            self._counted(LOGGED, len(records))
