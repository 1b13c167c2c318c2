"""What is in the tuples of binary COPY, compared with lines of COPY text."""

import re
import struct
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from psycopg import pq
from psycopg.adapt import Transformer

from dms_pipeline.local_dms.engine.copy_format import CopyRows, EncodedRow
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn, ValueDoesNotFitError
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import UnfitValueError

OIDS = {
    "smallint": 21, "integer": 23, "bigint": 20, "numeric": 1700, "double precision": 701,
    "date": 1082, "timestamp": 1114, "boolean": 16, "bytea": 17, "varchar": 1043, "text": 25,
}  # fmt: skip


def loaded(field: bytes | None, column: PlannedColumn, form: pq.Format) -> Any:
    """What psycopg makes of a field."""
    if field is None:
        return None
    oid = OIDS[column.mapping.target_type.partition("(")[0]]
    if form is pq.Format.TEXT:
        field = re.sub(rb"\\(.)", lambda found: ESCAPED.get(found[1], found[1]), field)
        if column.mapping.target_type == "boolean":
            field = {b"1": b"t", b"0": b"f"}[field]
    value = Transformer().get_loader(oid, form).load(field)
    return repr(value) if isinstance(value, float) else value


ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def fields(data: bytes) -> list[bytes | None]:
    found: list[bytes | None] = []
    while data:
        length = int.from_bytes(data[:4], "big", signed=True)
        found.append(data[4 : 4 + length] if length >= 0 else None)
        data = data[4 + max(length, 0) :]
    return found


def same(made: bytes, encoded: EncodedRow, columns: Sequence[PlannedColumn]) -> None:
    values = [loaded(*pair, pq.Format.BINARY) for pair in zip(fields(made), columns, strict=True)]
    assert values == [loaded(*pair, pq.Format.TEXT) for pair in zip(encoded, columns, strict=True)]


def expect_refusal(error: ValueDoesNotFitError, make: Callable[[], object]) -> None:
    """Of a value that does not fit; what is wrong with a text may be left to PostgreSQL."""
    if "text" not in error.reason:
        with pytest.raises((UnfitValueError, struct.error)):
            make()


def tuples_in(rows: CopyRows) -> list[bytes]:
    """One by one, in the order of their bytes."""
    stream, found, start = b"".join(rows.pieces), list[bytes](), 0
    while start < len(stream):
        end = start + 2
        for _ in range(int.from_bytes(stream[start:end], "big")):
            size = int.from_bytes(stream[end : end + 4], "big", signed=True)
            end += 4 + max(size, 0)
        found.append(stream[start:end])
        start = end
    assert len(found) == rows.count
    return sorted(found)
