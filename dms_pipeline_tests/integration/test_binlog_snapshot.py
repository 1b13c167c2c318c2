"""Where a snapshot lies in the log, while transactions are being committed."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pymysql
import pytest

from dms_pipeline.binlog.connection import ConnectionSettings
from dms_pipeline.binlog.events import RowsEvent
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.snapshot import (
    consistent_snapshot,
    covering_snapshot,
    current_position,
    is_mariadb,
    shared_snapshot,
)
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline.local_dms.servers import MySQLServer
from dms_pipeline_tests.binlog_source import admin, as_dms_user, execute, fresh_schema

WRITERS = 3
SNAPSHOTS = 12


@pytest.fixture
def counter(source_server: MySQLServer) -> str:
    schema = fresh_schema(source_server)
    execute(source_server, f"CREATE TABLE {schema}.c (id INT AUTO_INCREMENT PRIMARY KEY)")
    return f"{schema}.c"


@contextmanager
def commits_without_end(
    server: MySQLServer, table: str, *, writers: int = WRITERS, pause_s: float = 0.0
) -> Iterator[None]:
    stop = threading.Event()

    def write() -> None:
        with admin(server) as connection, connection.cursor() as cursor:
            while not stop.wait(pause_s):
                cursor.execute(f"INSERT INTO {table} () VALUES ()")

    threads = [threading.Thread(target=write) for _ in range(writers)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def rows_seen(connection: "pymysql.Connection[pymysql.cursors.Cursor]", table: str) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {table}")
        return {row[0] for row in cursor.fetchall()}


def rows_logged(
    settings: ConnectionSettings, start: BinlogPosition, end: BinlogPosition, table: str
) -> set[int]:
    with BinlogStream(settings, start=start, include=lambda name: str(name) == table) as stream:
        return {
            row[0]
            for event in stream.events_until(end)
            if isinstance(event, RowsEvent)
            for row in event.rows
        }


def snapshots(
    server: MySQLServer,
    table: str,
    settings: ConnectionSettings,
    take: Callable[["pymysql.Connection[pymysql.cursors.Cursor]"], BinlogPosition],
) -> Iterator[tuple[set[int], set[int]]]:
    """What each snapshot shows, and what the log holds before its position."""
    with admin(server) as connection:
        start = current_position(connection)
    with commits_without_end(server, table):
        for _ in range(SNAPSHOTS):
            with settings.connect() as connection:
                position = take(connection)
                seen = rows_seen(connection, table)
            yield seen, rows_logged(settings, start, position, table)


def test_snapshot_of_an_account_that_may_lock_holds_exactly_what_is_before_its_position(
    source_server, counter
):
    settings = ConnectionSettings(
        "127.0.0.1", source_server.port, "admin", source_server.settings.admin_password
    )
    for seen, logged in snapshots(source_server, counter, settings, consistent_snapshot):
        assert seen == logged


def test_covering_snapshot_of_a_replication_account_holds_all_before_its_position(
    source_server, counter
):
    settings = as_dms_user(source_server)
    for seen, logged in snapshots(source_server, counter, settings, covering_snapshot):
        assert seen >= logged


def test_quiet_source_needs_no_lock_for_an_exact_position(source_server, counter):
    execute(source_server, f"INSERT INTO {counter} () VALUES (), ()")
    settings = as_dms_user(source_server)
    with settings.connect() as connection:
        position = consistent_snapshot(connection)
        assert position == current_position(connection)
        assert rows_seen(connection, counter) == {1, 2}


def test_snapshots_are_shared_without_a_lock_while_others_write(source_server, counter):
    settings = as_dms_user(source_server)
    with admin(source_server) as connection:
        start = current_position(connection)
    shared = 0
    with commits_without_end(source_server, counter, writers=1, pause_s=0.02):
        for _ in range(SNAPSHOTS):
            with ExitStack() as opened:
                connections = [opened.enter_context(settings.connect()) for _ in range(4)]
                position = shared_snapshot(connections)
                if position is None:
                    continue
                shared += 1
                seen = [rows_seen(connection, counter) for connection in connections]
            assert seen == [rows_logged(settings, start, position, counter)] * 4
    assert shared > SNAPSHOTS / 2


def test_snapshots_that_cannot_be_shared_are_not(source_server, counter):
    """The log moves on between any two of them."""
    settings = as_dms_user(source_server)

    class Moving(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            for connection in list.__iter__(self):
                execute(source_server, f"INSERT INTO {counter} () VALUES ()")
                yield connection

    with settings.connect() as one, settings.connect() as other:
        assert shared_snapshot(Moving([one, other])) is None


def test_quiet_moment_decides_where_the_source_has_no_gtids(mysql_server, monkeypatch):
    """Without GTIDs and without the right to lock."""
    monkeypatch.setattr("dms_pipeline.binlog.snapshot._has_gtids", lambda connection: False)
    with as_dms_user(mysql_server).connect() as connection:
        assert not is_mariadb(connection)
        assert consistent_snapshot(connection) == current_position(connection)
