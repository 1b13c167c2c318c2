"""Connections to the source for a full load: several, if they can be made to see the same state."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection

from dms_pipeline.binlog.connection import ConnectionSettings, describe_error
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.snapshot import (
    covering_snapshot,
    current_position,
    shared_snapshot,
)

logger = logging.getLogger(__name__)

_REPEATABLE_READ = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"
_SNAPSHOT = "START TRANSACTION WITH CONSISTENT SNAPSHOT"
_LOCK_WAIT_S = 3


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the source, seen through every one of the connections.

    ``position`` is where that state lies in the binary log; None if it was not asked for.
    """

    connections: tuple["Connection[Any]", ...]
    position: BinlogPosition | None

    def close(self) -> None:
        for connection in self.connections:
            connection.close()


def open_unload_connection(settings: ConnectionSettings) -> "Connection[Any]":
    """A connection that returns every value as the bytes the server stores or prints.

    No conversion of character sets, UTC for TIMESTAMP, and no SQL mode that alters what is printed.
    """
    connection = settings.connect(conv={}, use_unicode=False, read_timeout=3600)
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION time_zone = '+00:00', sql_mode = ''")
        cursor.execute("SET character_set_results = NULL")
        # The target may keep the reader waiting, for instance for a lock.
        cursor.execute("SET SESSION net_write_timeout = 3600")
    return connection


@contextmanager
def open_snapshot(
    settings: ConnectionSettings, count: int, *, with_position: bool
) -> Iterator[Snapshot]:
    """``count`` connections on one snapshot; one where only a lock would do, and is not allowed."""
    snapshot = None
    if count > 1:
        snapshot = _shared(settings, count, with_position=with_position) or _locked(
            settings, count, with_position=with_position
        )
    if snapshot is None:
        snapshot = _single(settings, with_position=with_position)
    try:
        yield snapshot
    finally:
        snapshot.close()


def _single(settings: ConnectionSettings, *, with_position: bool) -> Snapshot:
    connection = open_unload_connection(settings)
    try:
        if with_position:
            return Snapshot((connection,), covering_snapshot(connection))
        _run(connection, _REPEATABLE_READ, _SNAPSHOT)
    except BaseException:
        connection.close()
        raise
    return Snapshot((connection,), None)


def _shared(settings: ConnectionSettings, count: int, *, with_position: bool) -> Snapshot | None:
    """Snapshots that are found to be the same, while others write; None if they never were."""
    with ExitStack() as opened:
        connections = []
        for _ in range(count):
            connections.append(open_unload_connection(settings))
            opened.callback(connections[-1].close)
        position = shared_snapshot(connections)
        if position is None:
            return None
        opened.pop_all()
    return Snapshot(tuple(connections), position if with_position else None)


def _locked(settings: ConnectionSettings, count: int, *, with_position: bool) -> Snapshot | None:
    """Snapshots opened while no transaction can commit; None if the lock was refused.

    The lock is held only while the snapshots are opened.
    """
    lock = settings.connect()
    connections: list[Connection[Any]] = []
    try:
        if not _take_lock(lock):
            return None
        position = current_position(lock) if with_position else None
        for _ in range(count):
            connections.append(open_unload_connection(settings))
            _run(connections[-1], _REPEATABLE_READ, _SNAPSHOT)
        _run(lock, "UNLOCK TABLES")
    except BaseException:
        Snapshot(tuple(connections), None).close()
        raise
    finally:
        # Closing releases the lock, whatever happened.
        lock.close()
    return Snapshot(tuple(connections), position)


def _take_lock(connection: "Connection[Any]") -> bool:
    try:
        # Behind a long query the lock would hold up every writer of the source.
        _run(connection, f"SET SESSION lock_wait_timeout = {_LOCK_WAIT_S}")
        _run(connection, "FLUSH TABLES WITH READ LOCK")
    except pymysql.MySQLError as error:
        logger.info(
            "tables are loaded one after the other: no read lock to share a snapshot with, %s",
            describe_error(error),
        )
        return False
    return True


def _run(connection: "Connection[Any]", *statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
