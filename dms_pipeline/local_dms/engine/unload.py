"""The rows of a query as the packets that the server sends, which the driver would take apart.

A row is one packet. In MySQL's text protocol it has each value behind its length, or one byte for
NULL (MySQL's manual, "Text Resultset Row"). The answer to a prepared statement is in the binary
protocol ("Binary Protocol Resultset Row"), which costs both sides less.
"""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import COMMAND, CR, FLAG
from pymysql.err import raise_mysql_exception
from pymysql.protocol import FieldDescriptorPacket, MysqlPacket

from dms_pipeline.binlog.connection import is_about_statement
from dms_pipeline.binlog.packets import PacketCutter
from dms_pipeline.local_dms.engine.copy_format import CopyRows
from dms_pipeline.local_dms.engine.protocol_tuples import ProtocolTuples
from dms_pipeline.local_dms.engine.type_mapping.sent_fields import SentColumn

_READ_BYTES = 256 * 1024
_ERROR, _END = 0xFF, 0xFE
_LONGEST_END = 9
# Behind a byte that says it is no error: the statement's number, then how many columns and
# parameters there are.
_PREPARED = struct.Struct("<xIHH")
# The statement's number, no cursor, once: https://dev.mysql.com/doc/dev/mysql-server/latest/
# page_protocol_com_stmt_execute.html
_EXECUTE = struct.Struct("<IBI")
_CLOSE = struct.Struct("<I")


class LoadInterruptedError(Exception):
    """A stop was asked for in the middle of a table; nothing of that table was kept."""


class RowPackets:
    """Those of one query, in their order; iterate once, over as many as have come at a time.

    Attributes:
        columns: as the server describes them in front of the rows.
    """

    def __init__(self, source: "Connection[Any]", begin: Callable[[], Any]) -> None:
        self._source = source
        self._cutter = PacketCutter()
        self._is_open = False
        # A statement that is refused has no rows.
        begin()
        self._is_open = True
        described = source._result.fields  # type: ignore[attr-defined]  # noqa: SLF001
        self.columns = tuple(map(_sent_column, described))

    def __iter__(self) -> Iterator[list[bytes]]:
        while self._is_open:
            packets = self._cutter.cut(self._read())
            self._look_for_end(packets)
            yield packets

    def tuples(self, maker: ProtocolTuples) -> Iterator[CopyRows]:
        """Instead of the packets, what becomes of them in the binary protocol."""
        while self._is_open:
            made = CopyRows()
            packets = self._cutter.cut(self._read(), partial(maker.take, made))
            self._look_for_end(packets)
            made.add(maker.tuples(packets), len(packets))
            yield made

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

    def _look_for_end(self, packets: list[bytes]) -> None:
        if not packets or not _is_last(packets[-1]):
            return
        packet = packets.pop()
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


class PreparedStatement:
    """A query that takes no parameters. Closed, unless the connection is good for nothing more.

    Attributes:
        columns: as the rows will have them.
    """

    def __init__(self, source: "Connection[Any]", statement: str) -> None:
        self._source = source
        self._command(COMMAND.COM_STMT_PREPARE, statement.encode(source.encoding))
        answer = self._packet().get_all_data()
        self._number, columns, _ = _PREPARED.unpack_from(answer)
        self.columns = tuple(
            _sent_column(self._packet(FieldDescriptorPacket)) for _ in range(columns)
        )
        # The end of the columns.
        self._packet()

    @contextmanager
    def unloading(self) -> Iterator[RowPackets]:
        """Rows in the binary protocol as they come."""
        with _unloading(self._source, self._execute) as rows:
            yield rows

    def close(self) -> None:
        self._command(COMMAND.COM_STMT_CLOSE, _CLOSE.pack(self._number))

    def _execute(self) -> None:
        self._command(COMMAND.COM_STMT_EXECUTE, _EXECUTE.pack(self._number, 0, 1))
        self._source._read_query_result(unbuffered=True)  # type: ignore[attr-defined]  # noqa: SLF001

    def _command(self, command: int, content: bytes) -> None:
        self._source._execute_command(command, content)  # type: ignore[attr-defined]  # noqa: SLF001

    def _packet(self, kind: type[MysqlPacket] = MysqlPacket) -> Any:
        read: Any = self._source._read_packet  # noqa: SLF001
        return read(kind)


@contextmanager
def preparing(source: "Connection[Any]", statement: str) -> Iterator[PreparedStatement | None]:
    """None if the server prepares none, or not this one."""
    prepared = _prepared(source, statement)
    if prepared is None:
        yield None
        return
    try:
        yield prepared
    except (pymysql.MySQLError, LoadInterruptedError):
        raise
    except BaseException:
        prepared.close()
        raise
    else:
        prepared.close()


@contextmanager
def unloading(source: "Connection[Any]", statement: str) -> Iterator[RowPackets]:
    """Rows in the text protocol as they come."""
    with _unloading(source, lambda: source.query(statement, unbuffered=True)) as rows:
        yield rows


@contextmanager
def _unloading(source: "Connection[Any]", begin: Callable[[], Any]) -> Iterator[RowPackets]:
    """After an error of the source, or an interruption, rows are left unread."""
    rows = RowPackets(source, begin)
    try:
        yield rows
    except (pymysql.MySQLError, LoadInterruptedError):
        rows.abandon()
        raise
    except BaseException:
        rows.finish()
        raise


def _prepared(source: "Connection[Any]", statement: str) -> PreparedStatement | None:
    try:
        return PreparedStatement(source, statement)
    except pymysql.MySQLError as error:
        if not is_about_statement(error):
            raise
        return None


def _sent_column(described: Any) -> SentColumn:
    return SentColumn(described.type_code, bool(described.flags & FLAG.UNSIGNED))


def _is_last(packet: bytes) -> bool:
    return packet[0] == _ERROR or (packet[0] == _END and len(packet) < _LONGEST_END)


def _lost(reason: str) -> pymysql.OperationalError:
    return pymysql.OperationalError(
        CR.CR_SERVER_LOST, f"Lost connection to MySQL server during query ({reason})"
    )
