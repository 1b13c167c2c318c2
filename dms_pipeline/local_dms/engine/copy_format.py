"""The two formats of a COPY stream, as PostgreSQL's manual describes them under COPY."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

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

    @property
    def header(self) -> bytes:
        return _BINARY_HEADER if self is CopyFormat.BINARY else b""

    @property
    def trailer(self) -> bytes:
        return _BINARY_TRAILER if self is CopyFormat.BINARY else b""

    def stream(self, pieces: Iterable[bytes]) -> bytes:
        """Of rows, in whatever pieces they are."""
        return b"".join((self.header, *pieces, self.trailer))

    def with_word(self, rows: list[CopyRow], column_count: int, word: str) -> list[CopyRow]:
        """Rows of so many columns, with a plain word in one more column behind those."""
        text = word.encode()
        if self is CopyFormat.TEXT:
            end = b"\t" + text + b"\n"
            return [row[:-1] + end for row in rows]
        field = struct.pack(">i", len(text)) + text
        count = struct.pack(">h", column_count + 1)
        return [count + row[len(count) :] + field for row in rows]


@dataclass(slots=True)
class CopyRows:
    """Rows one behind the other, and how many; not each in a piece of its own."""

    pieces: list[bytes] = field(default_factory=list)
    count: int = 0

    @classmethod
    def of(cls, rows: Iterable[CopyRow]) -> Self:
        rows = list(rows)
        return cls([b"".join(rows)], len(rows))

    def add(self, pieces: Iterable[bytes], rows: int) -> None:
        # Many small pieces take twice the memory of one until they are sent.
        self.pieces.append(b"".join(pieces))
        self.count += rows


def copy_line(row: EncodedRow) -> bytes:
    """One line of COPY text."""
    return b"\t".join([NULL_FIELD if field is None else field for field in row]) + b"\n"
