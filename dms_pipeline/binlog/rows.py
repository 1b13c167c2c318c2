"""The rows of one event, decoded only when somebody looks at them."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, overload

from dms_pipeline.binlog.column_sizes import ColumnFormat, RowSkipper
from dms_pipeline.binlog.row_decoder import RowDecoder
from dms_pipeline.errors import BinlogError

Row = tuple[Any, ...]


class RowImages(Sequence[Row]):
    """The row images between two offsets of an event, as a sequence of decoded rows.

    Its length, and ``spans``, are found by walking: no value is decoded. Each iteration decodes
    anew and keeps nothing; an index or a slice keeps the decoded rows.

    Args:
        data: the event's body; ``start`` is where its first row image begins.
        columns: how the images are laid out; ``skip`` and ``decode`` were made of them.
        where: names table and position in messages.
    """

    __slots__ = ("_decode", "_decoded", "_length", "_skip", "_where", "columns", "data", "start")

    def __init__(
        self,
        data: bytes,
        start: int,
        *,
        columns: tuple[ColumnFormat, ...],
        skip: RowSkipper,
        decode: RowDecoder,
        where: str,
    ) -> None:
        self.data = data
        self.start = start
        self.columns = columns
        self._skip = skip
        self._decode = decode
        self._where = where
        self._length: int | None = None
        self._decoded: list[Row] | None = None

    @property
    def byte_count(self) -> int:
        """What the undecoded rows take in memory."""
        return len(self.data) - self.start

    def __len__(self) -> int:
        if self._length is None:
            self._length = sum(1 for _ in self.spans())
        return self._length

    def spans(self) -> Iterator[tuple[int, int]]:
        """Where each row image begins and ends in the event."""
        offset, end = self.start, len(self.data)
        while offset < end:
            behind = self._skip(self.data, offset)
            yield offset, behind
            offset = behind
        self.check_end(offset)

    def __iter__(self) -> Iterator[Row]:
        if self._decoded is not None:
            yield from self._decoded
            return
        data, decode = self.data, self._decode
        offset, end = self.start, len(data)
        while offset < end:
            try:
                row, offset = decode(data, offset)
            except (struct.error, IndexError, ValueError, zlib.error) as error:
                raise BinlogError(f"{self._where} cannot be decoded: {error}") from error
            yield row
        self.check_end(offset)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if self._decoded is None:
            self._decoded = list(self)
        return self._decoded[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        # Rows are the source's data: not for logs.
        return f"<{self.byte_count} bytes of {self._where}>"

    def check_end(self, offset: int) -> None:
        """Whoever walked over all images must have come to the end of the event.

        Raises:
            BinlogError: the images do not have these columns.
        """
        if offset != len(self.data):
            raise BinlogError(
                f"{self._where} do not fit the columns of their table map: {len(self.data)} bytes"
                f" were expected to end at {offset}"
            )
