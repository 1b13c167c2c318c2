"""The two formats of a COPY stream, as PostgreSQL's manual describes them under COPY."""

from collections.abc import Iterable
from enum import Enum

Field = bytes | None
"""One value as it goes into a COPY text stream; None is NULL."""
EncodedRow = tuple[Field, ...]
CopyRow = bytes
"""A row as it goes into a COPY stream of either format: a line with its end, or a tuple."""

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


def copy_line(row: EncodedRow) -> bytes:
    """One line of COPY text."""
    return b"\t".join([NULL_FIELD if field is None else field for field in row]) + b"\n"
