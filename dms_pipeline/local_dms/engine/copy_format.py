"""The two formats of a COPY stream, as PostgreSQL's manual describes them under COPY."""

import struct
from collections.abc import Iterable
from enum import Enum

Field = bytes | None
"""One value as it goes into a COPY text stream; None is NULL."""
EncodedRow = tuple[Field, ...]
CopyRow = bytes
"""A row as it goes into a COPY stream of either format: a line with its end, or a tuple."""
Key = bytes
"""The fields of a key as they stand in such a row."""

NULL_FIELD = b"\\N"
"""NULL in COPY text."""

_BINARY_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_BINARY_TRAILER = b"\xff\xff"


class CopyFormat(Enum):
    """The value is the option of the COPY statement."""

    TEXT = "FORMAT text"
    BINARY = "FORMAT binary"

    def stream(self, rows: Iterable[CopyRow]) -> bytes:
        joined = b"".join(rows)
        return joined if self is CopyFormat.TEXT else _BINARY_HEADER + joined + _BINARY_TRAILER

    def key_rows(self, keys: Iterable[Key], column_count: int) -> list[CopyRow]:
        """Rows that have only the columns of the key."""
        if self is CopyFormat.TEXT:
            return [key + b"\n" for key in keys]
        count = struct.pack(">h", column_count)
        return [count + key for key in keys]


def copy_line(row: EncodedRow) -> bytes:
    """One line of COPY text."""
    return b"\t".join([NULL_FIELD if field is None else field for field in row]) + b"\n"
