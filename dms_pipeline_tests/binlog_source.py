"""A source server for tests of the binary log: statements in, the events they became out."""

import itertools
from typing import Any

import pymysql
from pymysql.connections import Connection

from dms_pipeline.binlog.connection import ConnectionSettings
from dms_pipeline.binlog.events import FormatEvent, RotateEvent
from dms_pipeline.binlog.snapshot import current_position
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline.local_dms.servers import MySQLServer

_schemas = itertools.count(1)


def admin(server: MySQLServer) -> "Connection[Any]":
    return pymysql.connect(
        host="127.0.0.1",
        port=server.port,
        user="admin",
        password=server.settings.admin_password,
        charset="utf8mb4",
        autocommit=True,
        max_allowed_packet=64 * 1024 * 1024,
    )


def as_dms_user(server: MySQLServer) -> ConnectionSettings:
    return ConnectionSettings("127.0.0.1", server.port, server.dms_user, server.dms_password)


def execute(server: MySQLServer, *statements: str | bytes) -> None:
    with admin(server) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def fresh_schema(server: MySQLServer) -> str:
    schema = f"binlog_{next(_schemas)}"
    execute(server, f"DROP DATABASE IF EXISTS {schema}", f"CREATE DATABASE {schema}")
    return schema


def events_of(server: MySQLServer, schema: str, *statements: str | bytes) -> list[Any]:
    """What one session's statements wrote to the log, without what only opens the stream."""
    with admin(server) as connection, connection.cursor() as cursor:
        cursor.execute(f"USE {schema}")
        start = current_position(connection)
        for statement in statements:
            cursor.execute(statement)
        end = current_position(connection)
    with BinlogStream(as_dms_user(server), start=start) as stream:
        events = list(stream.events_until(end))
    return [event for event in events if not isinstance(event, (RotateEvent, FormatEvent))]
