"""The table map event: which table and column formats the row events after it belong to."""

from dataclasses import dataclass

from dms_pipeline.binlog.row_decoder import (
    ColumnFormat,
    RowDecoder,
    compile_row_decoder,
    metadata_length,
)
from dms_pipeline.binlog.table_id import TableId


@dataclass(frozen=True, slots=True)
class TableMap:
    """A table with its compiled decoder; None where the reader does not want its rows."""

    table: TableId
    column_types: bytes
    decode_row: RowDecoder | None


def read_length(buffer: bytes, offset: int) -> tuple[int, int]:
    """A length-encoded integer of the MySQL protocol, and the offset after it."""
    first = buffer[offset]
    if first < 0xFB:
        return first, offset + 1
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}[first]
    return int.from_bytes(buffer[offset + 1 : offset + 1 + size], "little"), offset + 1 + size


def parse_table_id(body: bytes) -> tuple[TableId, int]:
    """The table's name from the body behind the numeric id, and the offset after the name."""
    schema_end = 9 + body[8]
    schema = body[9:schema_end].decode()
    table_start = schema_end + 2
    table_end = table_start + body[schema_end + 1]
    return TableId(schema, body[table_start:table_end].decode()), table_end + 1


def parse_columns(body: bytes, offset: int) -> tuple[ColumnFormat, ...]:
    """The column formats, from the column count on; optional metadata behind them is not needed."""
    count, offset = read_length(body, offset)
    types = body[offset : offset + count]
    _, offset = read_length(body, offset + count)
    columns = []
    for type_code in types:
        end = offset + metadata_length(type_code)
        columns.append(ColumnFormat(type_code, body[offset:end]))
        offset = end
    return tuple(columns)


def parse_table_map(body: bytes, *, wanted: bool) -> TableMap:
    table, offset = parse_table_id(body)
    columns = parse_columns(body, offset)
    types = bytes(column.type_code for column in columns)
    return TableMap(table, types, compile_row_decoder(columns) if wanted else None)
