"""The body of a row event: which rows of which table were inserted, updated or deleted."""

from dms_pipeline.binlog.event_codes import BODY, ROW_KINDS, ROWS_COMPRESSED, ROWS_WITH_EXTRA_DATA
from dms_pipeline.binlog.events import RowKind, RowsEvent
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.query_event import decompress
from dms_pipeline.binlog.table_map import TableMap
from dms_pipeline.binlog.wire import read_length
from dms_pipeline.errors import BinlogError


def parse_rows(
    code: int, packet: bytes, stop: int, *, table_map: TableMap, file: BinlogPosition, end: int
) -> RowsEvent:
    """The rows of an event, as it was sent up to ``stop``, that ends at ``end`` in the file.

    Raises:
        BinlogError: the rows lack columns, or have columns of an unknown type.
    """
    kind = ROW_KINDS[code]
    start = BODY + 8
    if code in ROWS_WITH_EXTRA_DATA:
        start += int.from_bytes(packet[start : start + 2], "little")
    try:
        header = table_map.update_header if kind == "update" else table_map.row_header
    except BinlogError as error:
        raise BinlogError(f"{_where(table_map, file.at(end))}: {error}") from error
    if packet.startswith(header, start):
        start += len(header)
    else:
        start = _skip_column_bitmaps(packet, start, kind, _where(table_map, file.at(end)))
    if code in ROWS_COMPRESSED:
        packet = decompress(packet[start:stop])
        start, stop = 0, len(packet)
    return RowsEvent(table_map, kind, packet, start, stop, file, end)


def _where(table_map: TableMap, position: BinlogPosition) -> str:
    return f"rows of table {table_map.table} before {position}"


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
