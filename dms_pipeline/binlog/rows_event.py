"""The body of a row event: which rows of which table were inserted, updated or deleted."""

from dms_pipeline.binlog.event_codes import ROW_KINDS, ROWS_COMPRESSED, ROWS_WITH_EXTRA_DATA
from dms_pipeline.binlog.events import RowKind, RowsEvent
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.query_event import decompress
from dms_pipeline.binlog.rows import RowImages
from dms_pipeline.binlog.table_map import TableMap
from dms_pipeline.binlog.wire import read_length
from dms_pipeline.errors import BinlogError


def parse_rows(code: int, body: bytes, *, table_map: TableMap, end: BinlogPosition) -> RowsEvent:
    """The rows of the event that ends at ``end``, not decoded yet.

    Raises:
        BinlogError: the rows lack columns, or have columns of an unknown type.
    """
    kind = ROW_KINDS[code]
    offset = 8
    if code in ROWS_WITH_EXTRA_DATA:
        offset += int.from_bytes(body[8:10], "little")
    header = table_map.update_header if kind == "update" else table_map.row_header
    if body.startswith(header, offset):
        offset += len(header)
    else:
        offset = _skip_column_bitmaps(body, offset, kind, _where(table_map, end))
    data = body
    if code in ROWS_COMPRESSED:
        data, offset = decompress(body[offset:]), 0
    try:
        _ = table_map.skip_row, table_map.decode_row
    except BinlogError as error:
        raise BinlogError(f"{_where(table_map, end)}: {error}") from error
    rows = RowImages(data, offset, table_map=table_map, end=end)
    types = table_map.column_types
    return RowsEvent(table_map.table, kind, rows, types, table_map.metadata, end)


def _where(table_map: TableMap, end: BinlogPosition) -> str:
    return f"rows of table {table_map.table} before {end}"


def _skip_column_bitmaps(body: bytes, offset: int, kind: RowKind, where: str) -> int:
    count, offset = read_length(body, offset)
    size = (count + 7) // 8
    everything = (1 << count) - 1
    for _ in range(2 if kind == "update" else 1):
        present = int.from_bytes(body[offset : offset + size], "little")
        if present & everything != everything:
            raise BinlogError(
                f"{where} lack columns; set binlog_row_image=FULL on the source and run a full load"
            )
        offset += size
    return offset
