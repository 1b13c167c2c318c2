"""Consistent snapshots with the exact binary log position they were taken at."""

import logging
from typing import Any

import pymysql
from pymysql.connections import Connection

from dms_pipeline.binlog.connection import describe_error
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.errors import BinlogError

logger = logging.getLogger(__name__)

_SNAPSHOT = "START TRANSACTION WITH CONSISTENT SNAPSHOT"
_ERROR_PARSE = 1064
_ATTEMPTS = 20


def server_version(connection: "Connection[Any]") -> str:
    return str(_rows(connection, "SELECT VERSION()")[0][0])


def is_mariadb(connection: "Connection[Any]") -> bool:
    return "mariadb" in server_version(connection).lower()


def current_position(connection: "Connection[Any]") -> BinlogPosition:
    """The end of the binary log as the server sees it now."""
    try:
        rows = _rows(connection, "SHOW MASTER STATUS")
    except pymysql.ProgrammingError as error:
        # MySQL 8.4 dropped the old spelling.
        if error.args[0] != _ERROR_PARSE:
            raise
        rows = _rows(connection, "SHOW BINARY LOG STATUS")
    if not rows:
        raise BinlogError("the source writes no binary log: log_bin is OFF; start it with log_bin")
    return BinlogPosition(str(_text(rows[0][0])), int(rows[0][1]))


def binary_logs(connection: "Connection[Any]") -> list[tuple[str, int]]:
    """Name and size of every binary log the server still has, oldest first."""
    return [(_text(row[0]), int(row[1])) for row in _rows(connection, "SHOW BINARY LOGS")]


def consistent_snapshot(connection: "Connection[Any]") -> BinlogPosition:
    """Open a repeatable read snapshot on the connection and tell exactly where it lies in the log.

    MariaDB reports the position of the snapshot itself. On MySQL the position is read before and
    after, until nothing was committed in between; on a server that is never quiet, a moment of
    FLUSH TABLES WITH READ LOCK decides.
    """
    _rows(connection, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    if is_mariadb(connection):
        _rows(connection, _SNAPSHOT)
        status = {
            _text(name).lower(): _text(value)
            for name, value in _rows(connection, "SHOW STATUS LIKE 'binlog_snapshot_%'")
        }
        if status.get("binlog_snapshot_file"):
            offset = int(status["binlog_snapshot_position"])
            return BinlogPosition(status["binlog_snapshot_file"], offset)
    for _ in range(_ATTEMPTS):
        before = current_position(connection)
        _rows(connection, _SNAPSHOT)
        if current_position(connection) == before:
            return before
        _rows(connection, "ROLLBACK")
    return _locked_snapshot(connection)


def _locked_snapshot(connection: "Connection[Any]") -> BinlogPosition:
    logger.info("the source commits all the time: taking the snapshot under a read lock")
    try:
        _rows(connection, "FLUSH TABLES WITH READ LOCK")
    except pymysql.MySQLError as error:
        raise BinlogError(
            f"no quiet moment for a snapshot in {_ATTEMPTS} attempts, and a read lock was refused:"
            f" {describe_error(error)}. Grant RELOAD to the account or load at a quieter time"
        ) from error
    try:
        position = current_position(connection)
        _rows(connection, _SNAPSHOT)
    finally:
        _rows(connection, "UNLOCK TABLES")
    return position


def _rows(connection: "Connection[Any]", statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def _text(value: Any) -> str:
    """Connections of the full load hand out bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
