"""The records behind a value: read, decoded and enriched again, for explaining, not for computing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from catenary.state.records import lanes_of
from catenary.stream.lanes import Lanes
from catenary.stream.pipeline import ASIDE, ROW

if TYPE_CHECKING:
    from catenary.ports import Records
    from catenary.state.records import Lane

ORIGIN = ("topic", "partition", "offset", "source")


class Traced(Lanes):
    """Lanes whose records can be looked at once more; none of them need be taken."""

    def events(self, entity: bytes, start_ms: int, end_ms: int) -> pa.Table:
        """The rows of one entity that the log still has and the stage has committed.

        Args:
            entity: its bytes.
            start_ms: the first event time that counts.
            end_ms: the first that does not.

        Returns:
            The accumulators' inputs, `ts`, and where each came from: `topic`, `partition`, `offset`,
            `source`. Without columns if there are none.
        """
        found: list[pa.Table] = []
        for lane in self._held():
            begin = max(lane.began, self._log.starts([lane.place])[lane.place])
            for records in self._passed(lane, begin):
                rows = self._rows_of(entity, lane, records, start_ms, end_ms)
                if rows is not None:
                    found.append(rows)
        return pa.concat_tables(found).sort_by("ts") if found else pa.table({})

    def _rows_of(
        self, entity: bytes, lane: Lane, records: Records, start_ms: int, end_ms: int
    ) -> pa.Table | None:
        """The entity's rows among the records, with where they came from; None if there are none."""
        pipeline = self._inputs[lane.source].pipeline
        done = pipeline.decode(lane, records)
        ts = done.rows.column("ts").to_numpy()
        done = pipeline.only(done, (ts >= start_ms) & (ts < end_ms))
        if done.rows.num_rows == 0:
            return None
        batch = pipeline.enrich(done).batch
        if entity not in batch.entities:
            return None
        mine = batch.codes == list(batch.entities).index(entity)
        rows = batch.rows.filter(pa.array(mine))
        origin = (
            pa.array([lane.topic] * rows.num_rows, pa.string()),
            pa.array([lane.partition] * rows.num_rows, pa.int64()),
            pa.array(batch.offsets[mine]),
            pa.array([lane.source] * rows.num_rows, pa.int64()),
        )
        for name, column in zip(ORIGIN, origin, strict=True):
            rows = rows.append_column(name, column)
        return rows

    def left(self, source: int, partition: int, offset: int) -> dict[str, Any]:
        """The left's columns and `ts` of the row that a record gave; empty if it gave none."""
        for lane in self._held():
            if (lane.source, lane.partition) == (source, partition):
                records = self._log.read(
                    lane.place, offset, max_records=1, max_bytes=self._settings.max_batch_bytes
                )
                done = self._inputs[source].pipeline.decode(lane, records.until(offset + 1))
                whole = done.rows.filter(pc.invert(done.rows.column(ASIDE)))
                rows: list[dict[str, Any]] = whole.drop_columns([ROW, ASIDE]).to_pylist()
                return rows[0] if rows else {}
        return {}

    def _held(self) -> list[Lane]:
        with self.dataset.snapshot() as snapshot:
            return list(lanes_of(snapshot).values())
