"""The source resource: what MySQL or MariaDB itself says, asked directly and not through DMS."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pymysql
from pymysql.connections import Connection

from dms_pipeline.aws.secrets import DatabaseCredentials, recent_secrets
from dms_pipeline.binlog.connection import ConnectionSettings, describe_error
from dms_pipeline.binlog.events import QueryEvent
from dms_pipeline.binlog.foreign_keys import unlogged_rules
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.snapshot import binary_logs, current_position, server_version
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import SourceError
from dms_pipeline.resources.aws_session import AwsSession
from dms_pipeline.schema_drift import ColumnSize

_SETTINGS = (
    "log_bin",
    "binlog_format",
    "binlog_row_image",
    "binlog_transaction_compression",
    "server_id",
    "server_uuid",
    "binlog_expire_logs_seconds",
    "expire_logs_days",
)
_COLUMNS = """
    SELECT table_schema, table_name, column_name, data_type,
           IF(data_type IN ('char', 'varchar'), character_maximum_length, NULL),
           IF(data_type = 'decimal', numeric_precision, NULL),
           IF(data_type = 'decimal', numeric_scale, NULL), extra LIKE '%%GENERATED%%'
      FROM information_schema.columns WHERE table_schema IN %s
     ORDER BY table_schema, table_name, ordinal_position
"""
_NO_SUCH_TABLE, _DENIED = 1146, 1142


@dataclass(frozen=True, slots=True)
class SourceServer:
    """What a load needs to know of a server; another server has another ``identity``.

    ``retention_s``: for how long it keeps binary logs; None if it is not known to delete any.
    """

    version: str
    identity: str
    variables: dict[str, str]
    binary_logs: tuple[str, ...]
    end: BinlogPosition | None
    retention_s: float | None = None

    def why_not_from(self, position: BinlogPosition) -> str:
        """Why reading cannot begin at the position, in words; empty if it can."""
        if not self.binary_logs or self.end is None:
            return "the source writes no binary log"
        oldest = self.binary_logs[0]
        if position.base_is_abbreviated:
            position = position.with_base_of(oldest)
        if position > self.end:
            return (
                f"{position} lies after {self.end}, where the source's binary log ends: the log "
                "was begun anew, or the position is another server's"
            )
        if position.file not in self.binary_logs:
            return (
                f"the binary log {position.file} is gone from the source; the oldest left is "
                f"{oldest}"
            )
        return ""


@dataclass(frozen=True, slots=True)
class MySQLSource:
    """One source server. Every method raises `SourceError` when it refuses or is unreachable."""

    credentials: DatabaseCredentials = field(repr=False)

    @property
    def settings(self) -> ConnectionSettings:
        login = self.credentials
        return ConnectionSettings(
            login.host, login.port, login.username, login.password, connect_timeout_s=5
        )

    @contextmanager
    def connect(self) -> Iterator["Connection[Any]"]:
        try:
            connection = self.settings.connect()
        except SourceError as error:
            raise SourceError(
                f"{error}. Is the server up (a local one: `dms-pipeline local up`), and are host, "
                "port and password in its secret right?"
            ) from error
        try:
            yield connection
        except pymysql.MySQLError as error:
            raise SourceError(f"the {self.settings} failed: {describe_error(error)}") from error
        finally:
            # Not close(): after a lost connection that raises a second error over the first.
            connection._force_close()  # type: ignore[attr-defined]  # noqa: SLF001

    def server(self) -> SourceServer:
        with self.connect() as connection:
            placeholders = ", ".join(["%s"] * len(_SETTINGS))
            with connection.cursor() as cursor:
                cursor.execute(
                    f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({placeholders})", _SETTINGS
                )
                variables = {name.lower(): str(value) for name, value in cursor.fetchall()}
            logged = variables.get("log_bin") == "ON"
            return SourceServer(
                version=server_version(connection),
                # MariaDB has no server_uuid.
                identity=variables.get("server_uuid") or f"server_id {variables['server_id']}",
                variables=variables,
                binary_logs=tuple(name for name, _ in binary_logs(connection)) if logged else (),
                end=current_position(connection) if logged else None,
                retention_s=_rds_retention_s(connection, default=_retention_s(variables)),
            )

    def end(self) -> BinlogPosition:
        """Where the binary log ends now."""
        with self.connect() as connection:
            return current_position(connection)

    def log_bytes(self, start: BinlogPosition, end: BinlogPosition) -> int:
        """How much of the binary log lies between two positions, neither of which was purged."""
        with self.connect() as connection:
            sizes = {BinlogPosition(name, size) for name, size in binary_logs(connection)}
        whole = (log.offset for log in sizes if start.sequence <= log.sequence < end.sequence)
        return sum(whole) + end.offset - start.offset

    def try_to_read_log(self, start: BinlogPosition) -> None:
        """Ask for the binary log as the row count check does; raises if the account may not."""
        with BinlogStream(self.settings, start=start) as stream:
            stream.confirm()

    def tables(self) -> tuple[TableId, ...]:
        """Every table that the account can see, but those of the server itself."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT table_schema, table_name FROM information_schema.tables"
                " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN"
                " ('mysql', 'sys', 'information_schema', 'performance_schema')"
            )
            return tuple(sorted(TableId(*row) for row in cursor.fetchall()))

    def columns(self, tables: Iterable[TableId]) -> dict[TableId, tuple[ColumnSize, ...]]:
        """The columns of the tables that exist."""
        wanted = frozenset(tables)
        found: dict[TableId, tuple[ColumnSize, ...]] = {}
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(_COLUMNS, (sorted({table.schema for table in wanted}),))
            for schema, table, name, kind, size, precision, scale, generated in cursor.fetchall():
                digits = None if precision is None else (int(precision), int(scale))
                column = ColumnSize(name, kind, size and int(size), digits, bool(generated))
                name_of = TableId(schema, table)
                found[name_of] = (*found.get(name_of, ()), column)
        return {table: found[table] for table in wanted & found.keys()}

    def statements_since(self, position: BinlogPosition) -> list[QueryEvent]:
        """What the binary log has from the position on that is not rows: DDL, and the like."""
        with BinlogStream(self.settings, start=position, include=None) as stream:
            events = stream.events_until(self.end())
            return [event for event in events if isinstance(event, QueryEvent)]

    def primary_keys(self, tables: Iterable[TableId]) -> dict[TableId, bool]:
        """For each of the tables that exist: whether it has a primary key."""
        wanted = frozenset(tables)
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(
                # Not table_constraints: it shows nothing to an account that may only SELECT.
                "SELECT table_schema, table_name, MAX(column_key = 'PRI')"
                " FROM information_schema.columns JOIN information_schema.tables"
                "  USING (table_schema, table_name)"
                " WHERE table_schema IN %s AND table_type = 'BASE TABLE'"
                " GROUP BY table_schema, table_name",
                (sorted({table.schema for table in wanted}),),
            )
            found = {TableId(row[0], row[1]): bool(row[2]) for row in cursor.fetchall()}
        return {table: found[table] for table in wanted & found.keys()}

    def unlogged_rules(self, tables: Iterable[TableId]) -> dict[TableId, list[str]]:
        """Of these tables those that the server itself changes by a foreign key, unlogged."""
        with self.connect() as connection:
            return unlogged_rules(connection, tables)


def _retention_s(variables: dict[str, str]) -> float | None:
    """By the newer of the two settings, if the server has it; 0 means for ever."""
    seconds = float(variables.get("binlog_expire_logs_seconds", 0))
    return seconds or float(variables.get("expire_logs_days", 0)) * 86400 or None


def _rds_retention_s(connection: "Connection[Any]", *, default: float | None) -> float | None:
    """RDS deletes binary logs by a setting of its own, and without one as soon as it can.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/mysql-stored-proc-configuring.html
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT value FROM mysql.rds_configuration WHERE name = 'binlog retention hours'"
            )
            row = cursor.fetchone()
    except pymysql.MySQLError as error:
        if error.args[0] not in (_NO_SUCH_TABLE, _DENIED):
            raise
        return default
    return float((row or (None,))[0] or 0) * 3600


class SourceResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Source servers, reached with the credentials in Secrets Manager."""

    aws: dg.ResourceDependency[AwsSession]

    def database(self, secret_id: str) -> MySQLSource:
        return MySQLSource(recent_secrets(self.aws.access()).read(secret_id))
