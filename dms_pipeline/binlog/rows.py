"""The rows of one event, decoded only when somebody looks at them."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from dms_pipeline.binlog.row_decoder import Row
from dms_pipeline.binlog.table_map import TableMap
from dms_pipeline.errors import BinlogError


@dataclass(frozen=True, slots=True)
class RowImages:
    """The rows whose images lie between two offsets; each iteration decodes them anew.

    Attributes:
        table_map: how the images are laid out.
        where: which rows they are, for messages.
    """

    data: bytes = field(repr=False)
    start: int
    stop: int
    table_map: TableMap = field(kw_only=True)
    where: str = field(kw_only=True)

    def __iter__(self) -> Iterator[Row]:
        data, decode = self.data, self.table_map.decode_row
        offset, stop = self.start, self.stop
        while offset < stop:
            try:
                row, offset = decode(data, offset)
            except (struct.error, IndexError, ValueError, zlib.error) as error:
                raise BinlogError(f"{self.where} cannot be decoded: {error}") from error
            yield row
        self.check_end(offset)

    def spans(self) -> Iterator[tuple[int, int]]:
        """Where each image begins and ends, found by walking: no value is decoded."""
        offset, stop, skip = self.start, self.stop, self.table_map.skip_row
        while offset < stop:
            behind = skip(self.data, offset)
            yield offset, behind
            offset = behind
        self.check_end(offset)

    def check_end(self, offset: int) -> None:
        """Raises a BinlogError if this is not where the last image ends."""
        if offset != self.stop:
            raise BinlogError(
                f"{self.where} do not fit the columns of their table map: {self.stop} bytes"
                f" were expected to end at {offset}"
            )
