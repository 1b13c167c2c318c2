"""The table map event: which table and column formats the row events after it belong to."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dms_pipeline.binlog.column_sizes import (
    ColumnFormat,
    RowSkipper,
    compile_row_skipper,
    metadata_length,
)
from dms_pipeline.binlog.row_decoder import RowDecoder, compile_row_decoder
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.binlog.table_metadata import TableMetadata, parse_table_metadata
from dms_pipeline.binlog.wire import length_bytes, read_length


@dataclass(frozen=True)
class TableMap:
    """A table as its row events are written; ``wanted`` tells whether the reader wants them."""

    table: TableId
    columns: tuple[ColumnFormat, ...]
    metadata: TableMetadata
    wanted: bool

    @cached_property
    def column_types(self) -> bytes:
        return bytes(column.type_code for column in self.columns)

    @cached_property
    def row_header(self) -> bytes:
        """What stands before rows that have all columns: their number, and a bit for each.

        Raises:
            BinlogError: there are columns of an unknown type.
        """
        _ = self.skip_row, self.decode_row
        return length_bytes(len(self.columns)) + self._all_columns

    @cached_property
    def update_header(self) -> bytes:
        return self.row_header + self._all_columns

    @property
    def _all_columns(self) -> bytes:
        count = len(self.columns)
        return ((1 << count) - 1).to_bytes((count + 7) // 8, "little")

    def __reduce__(self) -> tuple[Any, ...]:
        # The functions that were made of the columns cannot be pickled.
        return TableMap, (self.table, self.columns, self.metadata, self.wanted)

    @cached_property
    def decode_row(self) -> RowDecoder:
        return compile_row_decoder(self.columns)

    @cached_property
    def skip_row(self) -> RowSkipper:
        return compile_row_skipper(self.columns)


def parse_table_id(body: bytes) -> tuple[TableId, int]:
    """The table's name from the body behind the numeric id, and the offset after the name."""
    schema_end = 9 + body[8]
    schema = body[9:schema_end].decode()
    table_start = schema_end + 2
    table_end = table_start + body[schema_end + 1]
    return TableId(schema, body[table_start:table_end].decode()), table_end + 1


def parse_columns(body: bytes, offset: int) -> tuple[tuple[ColumnFormat, ...], int]:
    """The column formats, from the column count on, and where the optional metadata begins."""
    count, offset = read_length(body, offset)
    types = body[offset : offset + count]
    _, offset = read_length(body, offset + count)
    columns = []
    for type_code in types:
        end = offset + metadata_length(type_code)
        columns.append(ColumnFormat(type_code, body[offset:end]))
        offset = end
    # Behind the metadata: which columns may be NULL, of no use to a reader.
    return tuple(columns), offset + (count + 7) // 8


def parse_table_map(body: bytes, *, wanted: bool) -> TableMap:
    table, offset = parse_table_id(body)
    columns, offset = parse_columns(body, offset)
    return TableMap(table, columns, parse_table_metadata(body[offset:], columns), wanted)
