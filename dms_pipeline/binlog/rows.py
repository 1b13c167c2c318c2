"""The rows of one event, decoded only when somebody looks at them."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, overload

from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.table_map import TableMap
from dms_pipeline.errors import BinlogError

Row = tuple[Any, ...]


class RowImages(Sequence[Row]):
    """The row images between two offsets of an event, as a sequence of decoded rows.

    Its length, and ``spans``, are found by walking: no value is decoded. Each iteration decodes
    anew and keeps nothing; an index or a slice keeps the decoded rows.

    Args:
        data: the event's body; ``start`` is where its first row image begins.
        table_map: how the images are laid out.
        end: the position behind the event, for messages.
    """

    __slots__ = ("_decoded", "_length", "data", "end", "start", "table_map")

    def __init__(
        self, data: bytes, start: int, *, table_map: TableMap, end: BinlogPosition
    ) -> None:
        self.data = data
        self.start = start
        self.table_map = table_map
        self.end = end
        self._length: int | None = None
        self._decoded: list[Row] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickled, (self.data[self.start :], self.table_map, self.end)

    @property
    def _where(self) -> str:
        return f"rows of table {self.table_map.table} before {self.end}"

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
        offset, end, skip = self.start, len(self.data), self.table_map.skip_row
        while offset < end:
            behind = skip(self.data, offset)
            yield offset, behind
            offset = behind
        self._check_end(offset)

    def walked(self, count: int, offset: int) -> None:
        """Note how many images somebody else has walked over, up to an offset.

        Raises:
            BinlogError: the images do not have these columns.
        """
        self._check_end(offset)
        self._length = count

    def __iter__(self) -> Iterator[Row]:
        if self._decoded is not None:
            yield from self._decoded
            return
        data, decode = self.data, self.table_map.decode_row
        offset, end = self.start, len(data)
        while offset < end:
            try:
                row, offset = decode(data, offset)
            except (struct.error, IndexError, ValueError, zlib.error) as error:
                raise BinlogError(f"{self._where} cannot be decoded: {error}") from error
            yield row
        self._check_end(offset)

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

    def _check_end(self, offset: int) -> None:
        if offset != len(self.data):
            raise BinlogError(
                f"{self._where} do not fit the columns of their table map: {len(self.data)} bytes"
                f" were expected to end at {offset}"
            )


def _unpickled(data: bytes, table_map: TableMap, end: BinlogPosition) -> RowImages:
    return RowImages(data, 0, table_map=_one_of_a_kind(table_map), end=end)


@lru_cache(1000)
def _one_of_a_kind(table_map: TableMap) -> TableMap:
    """One for all equal ones, so that what is made of it is made once."""
    return table_map
