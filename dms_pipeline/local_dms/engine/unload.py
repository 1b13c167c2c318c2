"""The rows of a query as the packets that the server sends, which the driver would take apart.

In MySQL's text protocol a row is one packet: each value behind its length, or one byte for NULL
(MySQL's manual, "Text Resultset Row").
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import CR
from pymysql.err import raise_mysql_exception

from dms_pipeline.binlog.packets import PacketCutter

_READ_BYTES = 256 * 1024
_ERROR, _END = 0xFF, 0xFE
_LONGEST_END = 9


class LoadInterruptedError(Exception):
    """A stop was asked for in the middle of a table; nothing of that table was kept."""


class RowPackets:
    """Those of one query, in their order; iterate once, over as many as have come at a time."""

    def __init__(self, source: "Connection[Any]", statement: str) -> None:
        self._source = source
        self._cutter = PacketCutter()
        self._is_open = False
        # A statement that is refused has no rows.
        source.query(statement, unbuffered=True)
        self._is_open = True

    def __iter__(self) -> Iterator[list[bytes]]:
        while self._is_open:
            packets = self._cutter.cut(self._read())
            if packets and _is_last(packets[-1]):
                self._end(packets.pop())
            yield packets

    def finish(self) -> None:
        """Read what is left, so that the connection can be used again."""
        for _ in self:
            pass

    def abandon(self) -> None:
        """Leave the rest unread. The connection is good for nothing but closing."""
        self._is_open = False
        self._forget_result()

    def _read(self) -> bytes:
        try:
            data: bytes = self._source._rfile.read1(_READ_BYTES)  # type: ignore[attr-defined]  # noqa: SLF001
        except OSError as error:
            raise _lost(str(error)) from error
        if not data:
            raise _lost("it was closed")
        return data

    def _end(self, packet: bytes) -> None:
        self._is_open = False
        self._forget_result()
        if packet[0] == _ERROR:
            raise_mysql_exception(packet)

    def _forget_result(self) -> None:
        result = self._source._result  # type: ignore[attr-defined]  # noqa: SLF001
        if result is not None:
            # The driver must not wait for rows that were read here.
            result.unbuffered_active = False
            result.connection = None


@contextmanager
def unloading(source: "Connection[Any]", statement: str) -> Iterator[RowPackets]:
    """Rows as they come. After an error of the source, or an interruption, they are left unread."""
    rows = RowPackets(source, statement)
    try:
        yield rows
    except (pymysql.MySQLError, LoadInterruptedError):
        rows.abandon()
        raise
    except BaseException:
        rows.finish()
        raise


def _is_last(packet: bytes) -> bool:
    return packet[0] == _ERROR or (packet[0] == _END and len(packet) < _LONGEST_END)


def _lost(reason: str) -> pymysql.OperationalError:
    return pymysql.OperationalError(
        CR.CR_SERVER_LOST, f"Lost connection to MySQL server during query ({reason})"
    )
