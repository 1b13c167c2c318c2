"""Consistent snapshots with the exact binary log position they were taken at."""

import logging
import time
from collections.abc import Collection, Sequence
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER

from dms_pipeline.binlog.connection import describe_error
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import BinlogError

logger = logging.getLogger(__name__)

_SNAPSHOT = "START TRANSACTION WITH CONSISTENT SNAPSHOT"
_ISOLATION = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"
_WITHOUT_TRANSACTIONS = """
    SELECT table_schema, table_name FROM information_schema.tables
      JOIN information_schema.engines USING (engine)
     WHERE table_schema IN %s AND transactions <> 'YES'
"""
_ERROR_PARSE = 1064
_ATTEMPTS = 20
_QUIET_S = 0.25
# The server's default would wait a year for a long query to end, and all writers behind the lock.
_LOCK_WAIT_S = 5
_OWNERS_POLL_S = 0.01
_OWNERS_TIMEOUT_S = 60.0


Bracket = tuple[BinlogPosition, BinlogPosition]
"""A snapshot holds all transactions before the first and none behind the second."""


class NeverQuietError(BinlogError):
    """A source that commits all the time lets nobody know where a snapshot lies in its log."""


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

    The snapshot holds all transactions before the position and none behind it. That is certain

    * on MariaDB, which reports the position of the snapshot itself;
    * on MySQL with ``gtid_mode=ON``, in a moment in which no transaction is on its way from the log
      into the tables;
    * on MySQL for an account that may FLUSH TABLES WITH READ LOCK, which is held for that moment.

    Without both, on MySQL, a quiet quarter of a second decides: nothing was written to the log for
    that long before the snapshot, nor until it was open. What the server wrote to its log before
    has reached the tables then, unless the commit hung between the two for longer than that.

    Tables of engines without transactions are not part of any snapshot.

    Raises:
        NeverQuietError: the server is never quiet, and refuses the lock.
    """
    _rows(connection, _ISOLATION)
    if is_mariadb(connection) and (position := _mariadb_snapshot(connection)) is not None:
        return position
    position = _bracketed_snapshot([connection]) or _locked_snapshot(connection)
    if position is None and not _has_gtids(connection):
        position = _bracketed_snapshot([connection], quiet_s=_QUIET_S)
    if position is None:
        raise NeverQuietError(
            f"no quiet moment for a snapshot in {_ATTEMPTS} attempts, and a read lock was refused."
            " Grant RELOAD to the account or load at a quieter time"
        )
    return position


def bracketed_snapshot(connection: "Connection[Any]") -> Bracket:
    """Open a snapshot and tell between which positions it lies: where it can be known, at one."""
    try:
        position = consistent_snapshot(connection)
    except NeverQuietError:
        covered = covering_snapshot(connection)
        return covered, current_position(connection)
    return position, position


def unlocked_snapshot(connection: "Connection[Any]") -> Bracket | None:
    """Like `bracketed_snapshot`, but None where only a lock or waiting would tell its place."""
    _rows(connection, _ISOLATION)
    position = _mariadb_snapshot(connection) if is_mariadb(connection) else None
    position = position or _bracketed_snapshot([connection])
    return None if position is None else (position, position)


def covering_snapshot(connection: "Connection[Any]") -> BinlogPosition:
    """Open a snapshot that holds every transaction before the position, and maybe later ones.

    For readers that can apply a change twice. Unlike ``consistent_snapshot`` it needs no quiet
    moment: where the server never has one, the position is older than the snapshot, by as much as
    commits need that were on their way (without GTIDs, a quarter of a second).
    """
    _rows(connection, _ISOLATION)
    if is_mariadb(connection) and (position := _mariadb_snapshot(connection)) is not None:
        return position
    if (position := _bracketed_snapshot([connection])) is not None:
        return position
    if (position := _locked_snapshot(connection)) is not None:
        return position
    position = current_position(connection)
    if _has_gtids(connection):
        _wait_for_owners(connection)
    else:
        time.sleep(_QUIET_S)
    _rows(connection, _SNAPSHOT)
    logger.info("the source commits all the time: the snapshot is younger than %s", position)
    return position


def shared_snapshot(connections: "Sequence[Connection[Any]]") -> BinlogPosition | None:
    """Open the same snapshot on every connection, and tell where it lies in the log.

    Without a lock: on a server that tells where each snapshot lies, or that with ``gtid_mode=ON``
    tells that nothing is on its way into the tables, it is tried until no transaction comes in
    between. None if there was no such moment, or the server tells neither.
    """
    first = connections[0]
    for connection in connections:
        _rows(connection, _ISOLATION)
    if not is_mariadb(first):
        return _bracketed_snapshot(connections)
    for _ in range(_ATTEMPTS):
        positions = {_mariadb_snapshot(connection) for connection in connections}
        if len(positions) == 1:
            return positions.pop()
    return None


def tables_without_snapshots(
    connection: "Connection[Any]", schemas: Collection[str]
) -> frozenset[TableId]:
    """Tables of engines without transactions, which show every row as soon as it is written."""
    if not schemas:
        return frozenset()
    with connection.cursor() as cursor:
        cursor.execute(_WITHOUT_TRANSACTIONS, (sorted(schemas),))
        return frozenset(TableId(schema, table) for schema, table in cursor.fetchall())


def _mariadb_snapshot(connection: "Connection[Any]") -> BinlogPosition | None:
    _rows(connection, _SNAPSHOT)
    status = {
        _text(name).lower(): _text(value)
        for name, value in _rows(connection, "SHOW STATUS LIKE 'binlog_snapshot_%'")
    }
    if not status.get("binlog_snapshot_file"):
        return None
    offset = int(status["binlog_snapshot_position"])
    return BinlogPosition(status["binlog_snapshot_file"], offset)


def _bracketed_snapshot(
    connections: "Sequence[Connection[Any]]", *, quiet_s: float | None = None
) -> BinlogPosition | None:
    """A snapshot with the log's end the same before and after it; None if there was no such moment.

    MySQL writes a transaction to its log before it commits it in the tables: that the log did not
    grow does not yet mean that all of it can be seen. With GTIDs the server tells which
    transactions are between the two; without, only ``quiet_s`` without growth can be asked for.
    """
    connection = connections[0]
    if quiet_s is None and not _has_gtids(connection):
        return None
    for _ in range(_ATTEMPTS):
        before = current_position(connection)
        if quiet_s is not None:
            time.sleep(quiet_s)
        elif _owned_gtids(connection):
            continue
        for each in connections:
            _rows(each, _SNAPSHOT)
        if current_position(connection) == before:
            return before
        for each in connections:
            _rows(each, "ROLLBACK")
    return None


def _locked_snapshot(connection: "Connection[Any]") -> BinlogPosition | None:
    """A snapshot while all commits wait; None where the account may not ask for that."""
    _rows(connection, f"SET SESSION lock_wait_timeout = {_LOCK_WAIT_S}")
    try:
        _rows(connection, "FLUSH TABLES WITH READ LOCK")
    except pymysql.MySQLError as error:
        logger.info("no read lock for the snapshot: %s", describe_error(error))
        return None
    try:
        position = current_position(connection)
        _rows(connection, _SNAPSHOT)
    finally:
        _rows(connection, "UNLOCK TABLES")
    return position


def _has_gtids(connection: "Connection[Any]") -> bool:
    try:
        mode = _text(_rows(connection, "SELECT @@GLOBAL.gtid_mode")[0][0])
    except pymysql.MySQLError as error:
        if error.args[0] != ER.UNKNOWN_SYSTEM_VARIABLE:
            raise
        return False
    return mode.upper() == "ON"


def _owned_gtids(connection: "Connection[Any]") -> str:
    """The transactions that are in the log, or about to be, and not yet in the tables."""
    return _text(_rows(connection, "SELECT @@GLOBAL.gtid_owned")[0][0])


def _wait_for_owners(connection: "Connection[Any]") -> None:
    """Until every transaction that is on its way now has arrived in the tables."""
    waiting = _gtids(_owned_gtids(connection))
    deadline = time.monotonic() + _OWNERS_TIMEOUT_S
    while waiting:
        if time.monotonic() > deadline:
            raise BinlogError(
                f"transactions {', '.join(sorted(waiting))} are in the binary log of the source and"
                f" not committed for {_OWNERS_TIMEOUT_S:.0f} s. Is a semisynchronous replica away?"
            )
        time.sleep(_OWNERS_POLL_S)
        waiting &= _gtids(_owned_gtids(connection))


def _gtids(owned: str) -> set[str]:
    """What ``uuid:number#thread:number#thread,uuid:...`` lists, one by one."""
    found: set[str] = set()
    for group in owned.split(","):
        server, *numbers = group.strip().split(":")
        found.update(f"{server}:{number}" for number in numbers if "#" in number)
    return found


def _rows(connection: "Connection[Any]", statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def _text(value: Any) -> str:
    """Connections of the full load hand out bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
