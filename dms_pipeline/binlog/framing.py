"""From packets of a replication stream to events: headers, checksums, transactions, rows.

Pure: bytes in, events out. MariaDB opens a transaction with a GTID event and MySQL with a BEGIN
statement; both end it with an XID event or a COMMIT statement. What a caller may resume at is
``safe_position``: the end of the last complete group of events.
"""

import struct
import zlib
from collections.abc import Callable

from dms_pipeline.binlog.events import (
    BinlogEvent,
    FormatEvent,
    Outcome,
    QueryEvent,
    RotateEvent,
    Row,
    RowKind,
    RowsEvent,
    TransactionBegin,
    TransactionEnd,
)
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.binlog.table_map import (
    TableMap,
    parse_table_id,
    parse_table_map,
    read_length,
)
from dms_pipeline.errors import BinlogError

_HEADER = struct.Struct("<IBIIIH")
_HEADER_BYTES = 19
_CHECKSUM_BYTES = 4

_QUERY, _ROTATE, _FORMAT, _XID, _TABLE_MAP = 2, 4, 15, 16, 19
_XA_PREPARE, _PARTIAL_UPDATE, _TRANSACTION_PAYLOAD = 38, 39, 40
_MYSQL_GTIDS = (33, 34)
_MARIADB_GTID = 162
_MARIADB_GTID_STANDALONE = 1
_MARIADB_QUERY_COMPRESSED = 165
_ROW_KINDS: dict[int, RowKind] = {
    23: "insert", 24: "update", 25: "delete",
    30: "insert", 31: "update", 32: "delete",
    166: "insert", 167: "update", 168: "delete",
    169: "insert", 170: "update", 171: "delete",
}  # fmt: skip
_ROWS_WITH_EXTRA_DATA = frozenset({30, 31, 32, 169, 170, 171})
_ROWS_COMPRESSED = frozenset({166, 167, 168, 169, 170, 171})

TableFilter = Callable[[TableId], bool]


class EventFramer:
    """Turns the payload of each packet into at most one event and keeps the positions.

    Args:
        start: where the server was asked to begin.
        include: rows of other tables are passed over without being decoded.
    """

    def __init__(self, start: BinlogPosition, include: TableFilter) -> None:
        self.position = start
        self.safe_position = start
        self._include = include
        self._has_checksums = False
        self._maps_by_id: dict[bytes, TableMap] = {}
        self._maps_by_body: dict[bytes, TableMap] = {}
        self._group_start: int | None = None
        self._in_transaction = False

    def parse(self, packet: bytes) -> BinlogEvent | None:
        """The event of one packet behind its status byte, if it is of interest."""
        timestamp, code, _, _, end, _ = _HEADER.unpack_from(packet)
        start = self.position.offset
        if code == _ROTATE:
            return self._rotate(packet, end)
        if code == _FORMAT:
            self._read_checksum_algorithm(packet)
        elif self._has_checksums:
            self._verify(packet)
            packet = packet[:-_CHECKSUM_BYTES]
        if end:
            # Events the server makes up at the start of a dump have no place in the file.
            self.position = BinlogPosition(self.position.file, end)
        event = self._dispatch(code, packet[_HEADER_BYTES:], timestamp, start)
        if self._group_start is None:
            self.safe_position = self.position
        return event

    def _dispatch(self, code: int, body: bytes, timestamp: int, start: int) -> BinlogEvent | None:
        event: BinlogEvent | None = None
        if code in _ROW_KINDS:
            event = self._rows(code, body)
        elif code == _TABLE_MAP:
            self._table_map(body)
        elif code in (_QUERY, _MARIADB_QUERY_COMPRESSED):
            event = self._query(code, body, timestamp, start)
        elif code == _XID:
            event = self._end_transaction(timestamp, start, "commit")
        elif code == _XA_PREPARE:
            event = self._end_transaction(timestamp, start, "xa_prepare")
        elif code in _MYSQL_GTIDS:
            self._group_start = start
        elif code == _MARIADB_GTID:
            event = self._mariadb_gtid(body, timestamp, start)
        elif code == _FORMAT:
            event = FormatEvent(self.position, timestamp)
        else:
            self._refuse_unreadable(code)
        return event

    def _refuse_unreadable(self, code: int) -> None:
        if code == _TRANSACTION_PAYLOAD:
            raise BinlogError(
                f"compressed transaction at {self.position}: compressed transactions are not read;"
                " set binlog_transaction_compression=OFF on the source"
            )
        if code == _PARTIAL_UPDATE:
            raise BinlogError(
                f"partial JSON update at {self.position}: it cannot be read;"
                " set binlog_row_value_options='' on the source"
            )

    def _rotate(self, packet: bytes, end: int) -> RotateEvent:
        body = packet[_HEADER_BYTES:]
        # Whether a made-up rotate event carries a checksum depends on settings that the server
        # has not announced by then; the bytes themselves tell.
        if zlib.crc32(packet[:-_CHECKSUM_BYTES]) == int.from_bytes(packet[-4:], "little"):
            body = body[:-_CHECKSUM_BYTES]
        position = BinlogPosition(body[8:].decode(), int.from_bytes(body[:8], "little"))
        if end or position.file != self.position.file:
            self._maps_by_id.clear()
            self.position = position
            self.safe_position = position
        return RotateEvent(self.position)

    def _read_checksum_algorithm(self, packet: bytes) -> None:
        algorithm = packet[-_CHECKSUM_BYTES - 1]
        self._has_checksums = algorithm == 1

    def _verify(self, packet: bytes) -> None:
        stored = int.from_bytes(packet[-_CHECKSUM_BYTES:], "little")
        if zlib.crc32(memoryview(packet)[:-_CHECKSUM_BYTES]) != stored:
            raise BinlogError(f"event after {self.position} is damaged: its checksum is wrong")

    def _mariadb_gtid(self, body: bytes, timestamp: int, start: int) -> TransactionBegin | None:
        self._group_start = start
        if body[12] & _MARIADB_GTID_STANDALONE:
            return None
        self._in_transaction = True
        return TransactionBegin(start, self.position, timestamp)

    def _query(self, code: int, body: bytes, timestamp: int, start: int) -> BinlogEvent | None:
        schema_length, variables = body[8], int.from_bytes(body[11:13], "little")
        schema_start = 13 + variables
        schema = body[schema_start : schema_start + schema_length].decode()
        text = body[schema_start + schema_length + 1 :]
        if code == _MARIADB_QUERY_COMPRESSED:
            text = decompress(text)
        statement = text.decode(errors="replace")
        word = statement[:32].strip().rstrip(";").upper()
        if word == "BEGIN":
            return self._begin(timestamp, start)
        if self._in_transaction and word in ("COMMIT", "ROLLBACK"):
            return self._end_transaction(
                timestamp, start, "commit" if word == "COMMIT" else "rollback"
            )
        if not self._in_transaction:
            self._group_start = None
        return QueryEvent(schema, statement, self.position, timestamp, self._in_transaction)

    def _begin(self, timestamp: int, start: int) -> TransactionBegin:
        if self._group_start is None:
            self._group_start = start
        self._in_transaction = True
        return TransactionBegin(self._group_start, self.position, timestamp)

    def _end_transaction(self, timestamp: int, start: int, outcome: Outcome) -> TransactionEnd:
        self._in_transaction = False
        self._group_start = None
        return TransactionEnd(start, self.position, timestamp, outcome)

    def _table_map(self, body: bytes) -> None:
        table_map = self._maps_by_body.get(body[6:])
        if table_map is None:
            table, _ = parse_table_id(body)
            try:
                table_map = parse_table_map(body, wanted=self._include(table))
            except BinlogError as error:
                raise BinlogError(f"table {table}: {error}") from error
            self._maps_by_body[body[6:]] = table_map
        self._maps_by_id[body[:6]] = table_map

    def _rows(self, code: int, body: bytes) -> RowsEvent | None:
        table_map = self._maps_by_id.get(body[:6])
        if table_map is None:
            raise BinlogError(
                f"rows before {self.position} have no table map: the start position lies inside a"
                " transaction; needed is a position at a transaction's beginning"
            )
        if table_map.decode_row is None:
            return None
        kind = _ROW_KINDS[code]
        offset = 8
        if code in _ROWS_WITH_EXTRA_DATA:
            offset += int.from_bytes(body[8:10], "little")
        offset = self._skip_column_bitmaps(body, offset, table_map, kind)
        data = body
        if code in _ROWS_COMPRESSED:
            data, offset = decompress(body[offset:]), 0
        rows: list[Row] = []
        decode_row, end = table_map.decode_row, len(data)
        while offset < end:
            row, offset = decode_row(data, offset)
            rows.append(row)
        return RowsEvent(table_map.table, kind, rows, table_map.column_types)

    def _skip_column_bitmaps(
        self, body: bytes, offset: int, table_map: TableMap, kind: RowKind
    ) -> int:
        count, offset = read_length(body, offset)
        size = (count + 7) // 8
        for _ in range(2 if kind == "update" else 1):
            present = int.from_bytes(body[offset : offset + size], "little")
            if present & ((1 << count) - 1) != (1 << count) - 1:
                raise BinlogError(
                    f"rows of table {table_map.table} before {self.position} lack columns;"
                    " set binlog_row_image=FULL on the source and run a full load"
                )
            offset += size
        return offset


def decompress(data: bytes) -> bytes:
    """Undo MariaDB's log_bin_compress: a byte with the size of the length, length, data."""
    return zlib.decompress(data[1 + (data[0] & 7) :])
