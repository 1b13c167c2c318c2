"""From packets of a replication stream to events: headers, checksums, transactions, rows.

Pure: bytes in, events out. MariaDB opens a transaction with a GTID event and MySQL with a BEGIN
statement; both end it with an XID event or a COMMIT statement. What a caller may resume at is
``safe_position``: the end of the last complete group of events.
"""

import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import filterfalse
from typing import NamedTuple
from zlib import crc32

from dms_pipeline.binlog import event_codes as codes
from dms_pipeline.binlog.events import (
    BinlogEvent,
    FormatEvent,
    Outcome,
    QueryEvent,
    RotateEvent,
    RowsEvent,
    TransactionBegin,
    TransactionEnd,
)
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.query_event import is_begin, parse_query
from dms_pipeline.binlog.rows_event import parse_rows
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.binlog.table_map import TableMap, parse_table_id, parse_table_map
from dms_pipeline.binlog.transaction_payload import inner_events
from dms_pipeline.binlog.xa import parse_xa_prepare
from dms_pipeline.errors import BinlogError

# Of a packet: its status, then of the event's header the time, the type, where the event ends, and
# flags.
_HEADER = struct.Struct("<xIBxxxxxxxxIH")
_NO_STATUS = b"\0"
_CHECKSUM_BYTES = 4
_CRC32 = 1
# From here on a status of zero leads to where a checksum begins, so that a packet can be checked
# without a copy of its event. With the event's own checksum the sum comes out the same for all.
_BEFORE_STATUS = 0x0F6A7026
_CHECKED = 0x2144DF1C
# Whether MariaDB's GTID stands before a statement instead of a transaction.
_GTID_FLAGS = codes.BODY + 12
_GTID_STANDALONE = 1
_LOAD_QUERY_HEADER_BYTES = 13
# Where the server's number of a table stands in a packet: first of all in the event's body.
_NUMBER_BYTES = 6
_TABLE_NUMBER = slice(codes.BODY, codes.BODY + _NUMBER_BYTES)
# A row event without a table, which some servers write to end a statement.
_NO_TABLE = b"\xff\xff\xff\x00\x00\x00"
_MOST_MAPS = 10_000
_OFFSET_SPAN = 1 << 32

_OF_STREAM = frozenset({codes.ROTATE, codes.FORMAT, *codes.HEARTBEATS})
_OF_CHANGES = (RowsEvent, TransactionBegin, TransactionEnd)

TableFilter = Callable[[TableId], bool]


class _Event(NamedTuple):
    """An event as it was sent, up to ``stop``; in the file it begins at ``start``."""

    code: int
    flags: int
    packet: bytes
    stop: int
    timestamp: int
    start: int

    @property
    def body(self) -> bytes:
        return self.packet[codes.BODY : self.stop]


class EventFramer:
    """Turns the payload of each packet into events and keeps the positions.

    Args:
        start: where the server was asked to begin.
        include: rows of other tables are passed over. With None only statements are told of, and
            where files begin and end.
    """

    def __init__(self, start: BinlogPosition, include: TableFilter | None) -> None:
        self._file = start
        self._offset = start.offset
        self._safe_offset = start.offset
        # Behind the event in hand; differs from `_offset` within a compressed transaction.
        self._end_offset = start.offset
        self._include = include
        self._checksum_bytes = 0
        self._last_map = b""
        self._maps_by_number: dict[bytes, TableMap] = {}
        self._maps_by_description: dict[bytes, TableMap] = {}
        self._group_start: int | None = None
        self._in_transaction = False

    @property
    def position(self) -> BinlogPosition:
        return self._file.at(self._offset)

    @property
    def safe_position(self) -> BinlogPosition:
        return self._file.at(self._safe_offset)

    def has_reached(self, position: BinlogPosition) -> bool:
        if self._file.file == position.file:
            return self._offset >= position.offset
        return not self.position < position

    @property
    def _end(self) -> BinlogPosition:
        return self._file.at(self._end_offset)

    def events(self, packets: Iterable[bytes]) -> Iterator[BinlogEvent]:
        """The events of interest in what was sent: of a packet mostly none or one.

        Positions move with the events that are taken: take all before going on with other packets.
        """
        if self._include is None:
            packets = filterfalse(self._passes_over, packets)
        return self._events(packets)

    def _events(self, packets: Iterable[bytes]) -> Iterator[BinlogEvent]:
        unpack, of_rows, of_stream = _HEADER.unpack_from, codes.OF_ROWS, _OF_STREAM
        xid, query = codes.XID, codes.QUERY
        mariadb_gtid, mysql_gtids = codes.MARIADB_GTID, codes.MYSQL_GTIDS
        for packet in packets:
            timestamp, code, end, flags = unpack(packet)
            start, stop = self._offset, len(packet) - self._checksum_bytes
            if code in of_stream:
                if code == codes.ROTATE:
                    yield self._rotate(packet, end)
                    continue
                if code in codes.HEARTBEATS:
                    continue
                self._read_checksum_algorithm(packet)
            elif self._checksum_bytes and crc32(packet, _BEFORE_STATUS) != _CHECKED:
                raise BinlogError(f"event after {self.position} is damaged: its checksum is wrong")
            self._end_offset = end = end if end >= start else self._offset_behind(end)
            # By far the most events come first; nothing below is about them.
            if code in of_rows and self._group_start is not None:
                self._offset = end
                if (rows := self._of_rows(code, packet, stop)) is not None:
                    yield rows
            elif code == xid:
                self._offset = self._safe_offset = end
                yield self._end_transaction(start, timestamp, "commit")
            elif code == mariadb_gtid and not packet[_GTID_FLAGS] & _GTID_STANDALONE:
                self._group_start, self._offset = start, end
                yield self._begin(start, timestamp)
            elif code in mysql_gtids:
                self._group_start, self._offset = start, end
            elif code == query and is_begin(packet, codes.BODY, stop):
                self._offset = end
                yield self._begin(start, timestamp)
            else:
                yield from self._told(_Event(code, flags, packet, stop, timestamp, start))

    def _passes_over(self, packet: bytes) -> bool:
        """For a reader of statements: of all else it matters only whether it is a transaction."""
        _, code, end, _ = _HEADER.unpack_from(packet)
        begins = code == codes.QUERY and is_begin(
            packet, codes.BODY, len(packet) - self._checksum_bytes
        )
        if not begins and code not in codes.OF_ROWS and code not in codes.OF_TRANSACTIONS:
            return False
        start, self._offset = self._offset, self._offset_behind(end)
        if begins:
            self._open(start)
        elif code == codes.XID:
            self._in_transaction, self._group_start = False, None
            self._safe_offset = self._offset
        elif code in codes.OF_TRANSACTIONS:
            self._group_start = start
            if code == codes.MARIADB_GTID:
                self._in_transaction = not packet[_GTID_FLAGS] & _GTID_STANDALONE
        return True

    def _told(self, event: _Event) -> Iterable[BinlogEvent]:
        told: Iterable[BinlogEvent]
        if event.code == codes.TRANSACTION_PAYLOAD:
            told = self._unpack(event)
        else:
            parsed = self._advance(event)
            told = () if parsed is None else (parsed,)
        if self._include is not None:
            return told
        return (each for each in told if not isinstance(each, _OF_CHANGES))

    def _offset_behind(self, end: int) -> int:
        """Where an event ends, of which the header keeps only 32 bits."""
        if not end:
            # The server makes it up at the start of a dump; it has no place in the file.
            return self._offset
        end |= self._offset & -_OFFSET_SPAN
        return end if end >= self._offset else end + _OFFSET_SPAN

    def _advance(self, event: _Event) -> BinlogEvent | None:
        self._offset = self._end_offset
        parsed = self._dispatch(event)
        if self._group_start is None:
            self._safe_offset = self._offset
        return parsed

    def _unpack(self, outer: _Event) -> Iterator[BinlogEvent]:
        """The events of a compressed transaction; the position moves with the last one."""
        try:
            following = None
            for packet in map(_NO_STATUS.__add__, inner_events(outer.body)):
                if following is not None and (parsed := self._dispatch(following)) is not None:
                    yield parsed
                timestamp, code, _, flags = _HEADER.unpack_from(packet)
                following = _Event(code, flags, packet, len(packet), timestamp, outer.start)
        except BinlogError as error:
            message = f"compressed transaction before {self._end}: {error}"
            raise BinlogError(message) from error
        if following is None:
            raise BinlogError(f"compressed transaction before {self._end} is empty")
        if (parsed := self._advance(following)) is not None:
            yield parsed

    def _dispatch(self, event: _Event) -> BinlogEvent | None:
        """An event of a compressed transaction, or one that is not known at first sight."""
        code = event.code
        result: BinlogEvent | None = None
        if code in codes.OF_ROWS:
            result = self._of_rows(code, event.packet, event.stop)
        elif code == codes.XID:
            result = self._end_transaction(event.start, event.timestamp, "commit")
        elif code == codes.MARIADB_GTID:
            # Of a statement that stands alone; one that begins a transaction does not come here.
            self._group_start = event.start
        elif code in (codes.QUERY, codes.MARIADB_QUERY_COMPRESSED, codes.EXECUTE_LOAD_QUERY):
            result = self._query(event)
        elif code == codes.XA_PREPARE:
            xid, one_phase = parse_xa_prepare(event.body)
            outcome: Outcome = "commit" if one_phase else "xa_prepare"
            result = self._end_transaction(event.start, event.timestamp, outcome, xid)
        elif code == codes.FORMAT:
            self._forget_maps()
            result = FormatEvent(self._end, event.timestamp)
        elif code not in codes.PASSED_OVER and not event.flags & codes.IGNORABLE_FLAG:
            self._refuse(code)
        return result

    def _refuse_partial_update(self, table_map: TableMap | None) -> None:
        if table_map is not None and not table_map.wanted:
            return
        table = "an unknown table" if table_map is None else f"table {table_map.table}"
        raise BinlogError(
            f"partial JSON update of {table} before {self._end}: it cannot be read;"
            " set binlog_row_value_options='' on the source and run a full load"
        )

    def _refuse(self, code: int) -> None:
        if code == codes.INCIDENT:
            raise BinlogError(
                f"the source notes before {self._end} that changes are missing from its log:"
                " run a full load"
            )
        raise BinlogError(
            f"event of unknown type {code} before {self._end}: it may hold changes of rows, and"
            " cannot be read"
        )

    def _rotate(self, packet: bytes, end: int) -> RotateEvent:
        body = packet[codes.BODY :]
        # Whether a made-up rotate event carries a checksum depends on settings that the server
        # has not announced by then; the bytes themselves tell.
        if crc32(packet, _BEFORE_STATUS) == _CHECKED:
            body = body[:-_CHECKSUM_BYTES]
        position = BinlogPosition(body[8:].decode(), int.from_bytes(body[:8], "little"))
        if end or position.file != self._file.file:
            self._forget_maps()
            # A server that was killed leaves its last group unfinished; the next file begins anew.
            self._group_start = None
            self._in_transaction = False
            self._file = position
            self._offset = self._safe_offset = position.offset
        return RotateEvent(self.position)

    def _read_checksum_algorithm(self, packet: bytes) -> None:
        has_checksums = packet[-_CHECKSUM_BYTES - 1] == _CRC32
        self._checksum_bytes = _CHECKSUM_BYTES if has_checksums else 0

    def _query(self, event: _Event) -> BinlogEvent | None:
        query = parse_query(
            event.body,
            compressed=event.code == codes.MARIADB_QUERY_COMPRESSED,
            extra_header=_LOAD_QUERY_HEADER_BYTES if event.code == codes.EXECUTE_LOAD_QUERY else 0,
        )
        word = query.statement[:32].strip().rstrip(";").upper()
        if word == "BEGIN" or word.startswith("XA START "):
            return self._begin(event.start, event.timestamp)
        if self._in_transaction:
            if word.startswith("XA END "):
                return None
            if word in ("COMMIT", "ROLLBACK"):
                outcome: Outcome = "commit" if word == "COMMIT" else "rollback"
                return self._end_transaction(event.start, event.timestamp, outcome)
        else:
            self._group_start = None
        return QueryEvent(
            schema=query.schema,
            statement=query.statement,
            position=self._end,
            timestamp=event.timestamp,
            in_transaction=self._in_transaction,
            session=query.session,
        )

    def _begin(self, start: int, timestamp: int) -> TransactionBegin:
        group_start = self._open(start)
        return TransactionBegin(group_start, self._file, self._end_offset, timestamp)

    def _open(self, start: int) -> int:
        """A transaction opens by an event that begins there; tells where its group begins.

        That is at the GTID before it, if there is one.
        """
        if self._group_start is None:
            self._group_start = start
        self._in_transaction = True
        return self._group_start

    def _end_transaction(
        self, start: int, timestamp: int, outcome: Outcome, xid: str | None = None
    ) -> TransactionEnd:
        self._in_transaction = False
        self._group_start = None
        return TransactionEnd(start, self._file, self._end_offset, timestamp, outcome, xid)

    def _of_rows(self, code: int, packet: bytes, stop: int) -> RowsEvent | None:
        if code == codes.TABLE_MAP:
            if (body := packet[codes.BODY : stop]) != self._last_map:
                self._read_map(body)
            return None
        table = packet[_TABLE_NUMBER]
        table_map = self._maps_by_number.get(table)
        if code == codes.PARTIAL_UPDATE:
            self._refuse_partial_update(table_map)
            return None
        if table_map is None:
            if table == _NO_TABLE:
                return None
            raise BinlogError(
                f"rows before {self._end} have no table map: the start position lies inside a"
                " transaction; needed is a position at a transaction's beginning"
            )
        if not table_map.wanted:
            return None
        return parse_rows(
            code, packet, stop, table_map=table_map, file=self._file, end=self._end_offset
        )

    def _forget_maps(self) -> None:
        self._last_map = b""
        self._maps_by_number.clear()

    def _read_map(self, body: bytes) -> None:
        # Behind the number all is the same when the server opens a table anew.
        number, described = body[:_NUMBER_BYTES], body[_NUMBER_BYTES:]
        table_map = self._maps_by_description.get(described)
        if table_map is None:
            if len(self._maps_by_description) >= _MOST_MAPS:
                self._maps_by_description.clear()
            table, _ = parse_table_id(body)
            is_wanted = self._include is not None and self._include(table)
            table_map = parse_table_map(body, wanted=is_wanted)
            self._maps_by_description[described] = table_map
        self._maps_by_number[number] = table_map
        self._last_map = body
