"""Batches of records' bytes to columns: Avro, JSON, Protobuf, one call for a batch, no object per field.

    addresses of the batch's buffers ──rows──► Columns (for Arrow's C data interface), refusals

What a program and a plan are stands in ``avro.h``, ``jsonrows.h``, ``protobuf.h`` and ``grown.h``. A record that fails
leaves nothing behind in the columns; it is told with its number, the byte, a code and a place.

Read next: ``catenary/codecs`` (schemas to programs, codes to words).
Held to account by: ``tests/property/test_codecs_avro.py``, ``test_codecs_json.py``, ``test_codecs_protobuf.py``.
"""

import cython
from cython.cimports.catenary.compiled.handed import Columns
from cython.cimports.catenary.compiled.records import (
    catenary_avro_rows,
    catenary_columns,
    catenary_drop,
    catenary_field,
    catenary_grown,
    catenary_hand_over,
    catenary_json_rows,
    catenary_op,
    catenary_protobuf_rows,
    catenary_records,
    catenary_refusals,
)
from cython.cimports.cpython.bytes import PyBytes_AS_STRING
from cython.cimports.libc.stdint import int64_t, uint8_t
from cython.cimports.libc.stdlib import free
from cython.cimports.libc.string import memset

numbers_type = cython.typedef(cython.pointer(cython.const[int64_t]))
bytes_type = cython.typedef(cython.pointer(cython.const[uint8_t]))
columns_type = cython.typedef(cython.pointer(catenary_grown))
refusals_type = cython.typedef(cython.pointer(catenary_refusals))


@cython.cfunc
def _taken(columns: columns_type, many: int64_t, rows: int64_t, refused: refusals_type):
    """The columns as one array, and the refusals as tuples; frees what is not handed over."""
    handed: Columns = Columns()
    failed: cython.bint = rows < 0
    at: int64_t
    told: list = []
    if not failed:
        failed = catenary_hand_over(columns, 0, cython.address(handed.array)) != 0
    catenary_drop(columns, many)
    if not failed:
        for at in range(refused.many):
            told.append(
                (
                    refused.told[at].row,
                    refused.told[at].at,
                    refused.told[at].code,
                    refused.told[at].place,
                    refused.told[at].came,
                )
            )
    free(refused.told)
    if failed:
        raise MemoryError
    return handed, told


@cython.cclass
class Reader:
    """A program, and the plan of the columns that it fills; stateless, so threads may share it.

    Args:
        kind: `avro`, `json` or `protobuf`.
        ops: of Avro, six int64 each (`catenary_op`); of Protobuf, eleven (`catenary_field`); of JSON, where each column's name stands among
            the constants: start and end.
        constants: what ops point to.
        plan: of the columns, five int64 each (`catenary_columns`).
    """

    kind: cython.int
    ops: bytes
    constants: bytes
    plan: bytes

    def __init__(self, kind: str, ops: bytes, constants: bytes, plan: bytes):
        self.kind = ("avro", "json", "protobuf").index(kind)
        self.ops = ops
        self.constants = constants
        self.plan = plan

    def rows(
        self,
        data: cython.ulonglong,
        offsets: cython.ulonglong,
        valid: cython.ulonglong,
        skipped: cython.longlong,
        many: cython.longlong,
        header: cython.longlong = 0,
    ):
        """Decode a batch.

        Args:
            data: address of the records' bytes.
            offsets: address of the first record's int64 offset.
            valid: address of the bitmap of records that are there; 0 if all are.
            skipped: bits of it that belong to other records, before the first.
            many: records.
            header: bytes at the start of each that are not the codec's; every record has them.

        Returns:
            The columns, and (record, byte, code, place, came) per record that is no row, ascending.

        Raises:
            MemoryError: if there is none; the batch may be read again in parts.
        """
        width: int64_t = len(self.plan) // 40
        size: int64_t = len(self.ops) // (88 if self.kind == 2 else 48)
        plan: numbers_type = cython.cast(numbers_type, PyBytes_AS_STRING(self.plan))
        ops: numbers_type = cython.cast(numbers_type, PyBytes_AS_STRING(self.ops))
        constants: bytes_type = cython.cast(bytes_type, PyBytes_AS_STRING(self.constants))
        columns: columns_type = cython.NULL
        records: catenary_records
        records.data = cython.cast(bytes_type, data)
        records.offsets = cython.cast(numbers_type, offsets)
        records.valid = cython.cast(bytes_type, valid)
        records.skipped = skipped
        records.header = header
        records.many = many
        refused: catenary_refusals
        found: int64_t = -1
        with cython.nogil:
            columns = catenary_columns(plan, width, many)
            memset(cython.address(refused), 0, cython.sizeof(catenary_refusals))
            if columns != cython.NULL:
                if self.kind == 1:
                    found = catenary_json_rows(
                        constants,
                        ops,
                        columns,
                        cython.address(records),
                        cython.address(refused),
                    )
                elif self.kind == 2:
                    found = catenary_protobuf_rows(
                        cython.cast(cython.pointer(cython.const[catenary_field]), ops),
                        size,
                        constants,
                        columns,
                        cython.address(records),
                        cython.address(refused),
                    )
                else:
                    found = catenary_avro_rows(
                        cython.cast(cython.pointer(cython.const[catenary_op]), ops),
                        size,
                        constants,
                        columns,
                        cython.address(records),
                        cython.address(refused),
                    )
        if columns == cython.NULL:
            raise MemoryError
        return _taken(columns, width, found, cython.address(refused))
