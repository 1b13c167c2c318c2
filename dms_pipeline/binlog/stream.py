"""The replication stream: events of a MySQL or MariaDB server from a position on, as they happen.

``poll`` waits a limited time, so that a reader can stop at a wall-clock time on an idle source.
Nothing is acknowledged to the server; a reader that dies reads again from the position it kept.
"""

import logging
import random
import struct
import time
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, Self

import pymysql
from pymysql.connections import Connection

from dms_pipeline.binlog.connection import SERVER_GOES_AWAY, ConnectionSettings, source_error
from dms_pipeline.binlog.events import BinlogEvent
from dms_pipeline.binlog.framing import EventFramer, TableFilter
from dms_pipeline.binlog.packets import EventReader
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.errors import BinlogError, SourceError, SourceUnavailableError

logger = logging.getLogger(__name__)

_COM_BINLOG_DUMP = 0x12
_HEARTBEAT_S = 5
_POLL_S = 1.0
_SILENCE_LIMIT_S = 60
_GREATEST_OFFSET = 0xFFFFFFFF
_ERROR_MASTER_FATAL_READING_BINLOG = 1236


class BinlogStream:
    """Reads from ``start`` on. Use as a context manager; one pass, one thread.

    Args:
        settings: the source; the account needs REPLICATION SLAVE.
        start: a position between transactions.
        include: tables whose rows are wanted; others are passed over undecoded. With None only
            statements are told of.
        server_id: a replica id nobody else uses on this source; random by default.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        *,
        start: BinlogPosition,
        include: TableFilter | None = lambda table: True,
        server_id: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._start = start
        self._server_id = server_id or random.randint(2_000_000_000, 4_000_000_000)
        self._clock = clock
        self._framer = EventFramer(start, include)
        self._connection: Connection[Any] | None = None
        self._packets: EventReader | None = None
        self._events: Iterator[BinlogEvent] = iter(())
        self._last_heard = 0.0

    @property
    def position(self) -> BinlogPosition:
        """The end of the last event read, also inside a transaction."""
        return self._framer.position

    @property
    def safe_position(self) -> BinlogPosition:
        """The last position read that lies between transactions: reading may resume there."""
        return self._framer.safe_position

    def __enter__(self) -> Self:
        self._connection = self._settings.connect()
        try:
            self._request_dump(self._connection)
        except (pymysql.MySQLError, OSError) as error:
            self.close()
            raise source_error(f"{self._settings} refused to send its binary log", error) from error
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None and self._connection.open:
            # A polite quit would wait behind the events that are still on their way.
            self._connection._force_close()  # type: ignore[attr-defined]  # noqa: SLF001
        self._connection = None

    def poll(self, timeout_s: float) -> BinlogEvent | None:
        """The next event, or None if there was none of interest within about ``timeout_s``."""
        deadline = self._clock() + timeout_s
        while (event := next(self._events, None)) is None:
            if not self._receive(max(deadline - self._clock(), 0.0)):
                return None
            if self._last_heard >= deadline:
                return next(self._events, None)
        return event

    def arrived(self, timeout_s: float) -> Iterator[BinlogEvent]:
        """The events of interest that are there; if there are none, what comes in time.

        Positions move with the events that are taken.
        """
        if (first := next(self._events, None)) is not None:
            return chain((first,), self._events)
        return self._events if self._receive(timeout_s) else iter(())

    def confirm(self, timeout_s: float = 10.0) -> None:
        """Wait for the server's first answer.

        Raises:
            SourceError: the server refuses to send its log, or does not answer.
        """
        if not self._receive(timeout_s):
            raise SourceUnavailableError(
                f"{self._settings} did not send its binary log within {timeout_s:.0f} s"
            )
        first = next(self._events, None)
        self._events = chain(() if first is None else (first,), self._events)

    def events_until(self, end: BinlogPosition) -> Iterator[BinlogEvent]:
        """Every event before ``end``, a position that the source has already written up to."""
        while not self._framer.has_reached(end):
            for event in self.arrived(_POLL_S):
                yield event
                if self._framer.has_reached(end):
                    return

    def _receive(self, timeout_s: float) -> bool:
        """Whether packets have come, whose events are the next ones."""
        if self._packets is None:
            raise BinlogError("the replication stream is not open")
        packets = self._packets.take(timeout_s)
        refusal = self._packets.refusal
        if not packets and refusal is None:
            self._check_silence()
            return False
        self._last_heard = self._clock()
        self._events = self._framer.events(packets)
        if refusal is not None:
            self._events = chain(self._events, self._refused(refusal))
        return True

    def _refused(self, packet: bytes) -> Iterator[BinlogEvent]:
        """Ends the stream in an error, behind the events that came before it."""
        raise self._refusal(packet)
        yield

    def _refusal(self, packet: bytes) -> BinlogError | SourceError:
        if packet[0] == 0xFE and len(packet) < 9:
            return SourceUnavailableError(
                "the source ended the stream of its binary log; it is shutting down"
            )
        number = int.from_bytes(packet[1:3], "little")
        message = packet[9:].decode(errors="replace")
        if number == _ERROR_MASTER_FATAL_READING_BINLOG:
            return BinlogError(
                f"the source cannot send its binary log from {self._framer.position}:"
                f" ({number}) {message}. If file {self._framer.position.file} was purged, changes"
                " are lost and a full load is needed"
            )
        if number in SERVER_GOES_AWAY:
            return SourceUnavailableError(
                f"the source stopped sending its binary log: ({number}) {message}"
            )
        refused = pymysql.ProgrammingError(number, message)
        return source_error(f"{self._settings} does not send its binary log", refused)

    def _check_silence(self) -> None:
        silence_s = self._clock() - self._last_heard
        if silence_s > _SILENCE_LIMIT_S:
            raise SourceUnavailableError(
                f"nothing heard from the source for {silence_s:.0f} s, not even a heartbeat"
            )

    def _request_dump(self, connection: "Connection[Any]") -> None:
        with connection.cursor() as cursor:
            # Announces that checksums are understood; without it the server refuses to send them.
            # MySQL has been renaming these variables; the one that a server does not know is
            # nothing to it.
            for word in ("master", "source"):
                cursor.execute(f"SET @{word}_binlog_checksum = @@global.binlog_checksum")
                period_ns = _HEARTBEAT_S * 1_000_000_000
                cursor.execute(f"SET @{word}_heartbeat_period = {period_ns}")
            cursor.execute("SET @mariadb_slave_capability = 4")
            # The reader may pause for as long as the target takes to apply a batch.
            cursor.execute("SET SESSION net_write_timeout = 3600")
        if self._start.offset > _GREATEST_OFFSET:
            raise BinlogError(
                f"reading cannot begin at {self._start}: the replication protocol reaches only the"
                " first 4 GB of a file. Begin at the next file (offset 4) if nothing of interest"
                " lies between, or run a full load"
            )
        file = self._start.file.encode()
        request = struct.pack("<IHI", self._start.offset, 0, self._server_id) + file
        connection._execute_command(  # type: ignore[attr-defined]  # noqa: SLF001
            _COM_BINLOG_DUMP, request
        )
        self._packets = EventReader(connection._sock)  # type: ignore[attr-defined]  # noqa: SLF001
        self._last_heard = self._clock()
        logger.info("reading the binary log from %s as replica %d", self._start, self._server_id)
