"""Tables with one `ds` partition a day: read through `Table`, written through `OutputTable`.

Read next: ``catenary/tables/parquet`` (folders of files), ``catenary/tables/memory`` (frames).
Held to account by: ``tests/unit/tables``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from catenary.schema import Schema


class Table(Protocol):
    """A table that is read. Any method may be called from several threads at once."""

    @property
    def name(self) -> str:
        """The name that definitions call it by."""
        ...

    @property
    def sparse(self) -> bool:
        """Whether a day without a partition is one without rows, rather than one yet to land."""
        ...

    def schema(self) -> Schema:
        """All columns, the partition column (a string) among them.

        Called while planning, so it must not read rows, nor import heavy libraries if it can be
        told without them.

        Raises:
            MissingPartitionError: if there is neither a recorded schema nor any partition.
            UnreadableError: if the file that is asked is damaged.
        """
        ...

    def partitions(self) -> tuple[str, ...]:
        """The days that exist, ascending. Asked anew for each run: partitions may land meanwhile."""
        ...

    def batches(self, ds: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of one existing partition, in their stored order, these columns in this order.

        Only the named columns are read from storage, and no more than a few batches are held.
        The partition column, if asked for, holds `ds`. Arrow types may vary in what has no meaning
        (dictionaries, time units); the engine normalises them.

        Raises:
            MissingPartitionError: if the partition does not exist.
            SchemaMismatchError: if a column is missing here or has another type than `schema` says.
            UnreadableError: names the damaged file.
        """
        ...


class Tables(Protocol):
    """Where tables are found by name."""

    def table(self, name: str, *, partition_column: str = "ds") -> Table:
        """The table of that name.

        Raises:
            MissingTableError: names the nearest one that exists.
        """
        ...


class OutputTable(Table, Protocol):
    """A table that a run writes, one version of it: values of one fingerprint.

    Between `Outputs.open` and the end of its context no other run writes the same table.
    """

    def written(self) -> Mapping[str, str]:
        """The partitions that stand whole, and for each the token it was written with."""
        ...

    def write(self, ds: str, rows: pa.Table, *, inputs: str) -> None:
        """Make partition `ds` consist of `rows`: it is there afterwards as a whole, or as before.

        Called from several threads for different days.

        Args:
            ds: the partition.
            rows: without the partition column.
            inputs: a token that says which input partitions existed; given back by `written`.

        Raises:
            StorageError: if the disk refuses; what stood before still stands.
        """
        ...

    def publish(self, possible: Collection[str]) -> tuple[str, ...]:
        """Make this version the one that readers find by name. Called once the range is complete.

        Readers lose no day by it: while the version that they find has days that this one lacks and
        could have, it stays the one.

        Args:
            possible: the days that this version can have at all.

        Returns:
            The days for whose sake the other version stays; empty if this one is found now.
        """
        ...


class Outputs(Protocol):
    """Where output tables are written."""

    def open(
        self, name: str, fingerprint: str, schema: Schema
    ) -> AbstractContextManager[OutputTable]:
        """The version of table `name` that holds values of `fingerprint`, made if it is not there.

        Raises:
            BusyError: if another run is writing the table; names its process.
            StorageError: if the folder cannot be made.
        """
        ...

    def written(self, name: str, fingerprint: str) -> Mapping[str, str]:
        """Like `OutputTable.written`, without claiming the table; empty if there is none."""
        ...
