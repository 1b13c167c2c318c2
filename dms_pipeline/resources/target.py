"""The target resource: what PostgreSQL itself says, asked directly and not through DMS."""

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, LiteralString

import dagster as dg
import psycopg
from psycopg import sql

from dms_pipeline.aws.secrets import DatabaseCredentials, recent_secrets
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import TargetError
from dms_pipeline.records import ApplyException
from dms_pipeline.resources.aws_session import AwsSession
from dms_pipeline.schema_drift import ColumnSize

_COLUMNS = """
    SELECT table_schema, table_name, column_name, udt_name, character_maximum_length,
           numeric_precision, numeric_scale
      FROM information_schema.columns WHERE table_schema = ANY(%s)
     ORDER BY table_schema, table_name, ordinal_position
"""
_PRIVILEGES = """
    SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
       AND has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
       AND has_table_privilege(c.oid, 'DELETE'), pg_has_role(c.relowner, 'USAGE')
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = %s AND c.relname = %s AND c.relkind IN ('r', 'p')
"""
# https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.ControlTable.html
_APPLY_EXCEPTIONS: LiteralString = """
    SELECT * FROM (SELECT "TASK_NAME" AS task, "ERROR_TIME" AS moment, "TABLE_OWNER" AS owner,
                          "TABLE_NAME" AS name, "ERROR", "STATEMENT"
                     FROM {schema}.awsdms_apply_exceptions) AS told
"""
_SUSPENDED_TABLES: LiteralString = """
    SELECT * FROM (SELECT task_name AS task, suspend_timestamp AS moment, table_owner AS owner,
                          table_name AS name, suspend_reason, ''
                     FROM {schema}.awsdms_suspended_tables) AS told
"""
_OF_TASK: LiteralString = "WHERE task = %(task)s ORDER BY moment"
_SINCE: LiteralString = """
    WHERE moment >= %(since)s
      AND (owner, name) IN (SELECT * FROM unnest(%(owners)s::text[], %(names)s::text[]))
    ORDER BY moment
"""


@dataclass(frozen=True, slots=True)
class PostgresTarget:
    """One target database. Every method raises `TargetError` when it refuses or is unreachable."""

    credentials: DatabaseCredentials = field(repr=False)

    @contextmanager
    def connect(self) -> Iterator["psycopg.Connection[Any]"]:
        login = self.credentials
        where = f"{login.host}:{login.port}/{login.dbname} as {login.username}"
        try:
            connection = psycopg.connect(
                host=login.host,
                port=login.port,
                user=login.username,
                password=login.password,
                dbname=login.dbname or "postgres",
                connect_timeout=5,
                autocommit=True,
            )
        except psycopg.Error as error:
            raise TargetError(
                f"cannot connect to the target PostgreSQL at {where}: "
                f"{_text(error).rstrip('.?')}. Is the server up (a local one: "
                "`dms-pipeline local up`), and are host, port, database and password in its secret "
                "right?"
            ) from error
        try:
            with connection:
                yield connection
        except psycopg.Error as error:
            raise TargetError(f"the target PostgreSQL at {where} failed: {_text(error)}") from error

    def may_create_schemas(self) -> bool:
        with self.connect() as connection:
            row = connection.execute(
                "SELECT has_database_privilege(current_database(), 'CREATE')"
            ).fetchone()
        return bool(row and row[0])

    def missing_schemas(self, schemas: Iterable[str]) -> tuple[str, ...]:
        wanted = sorted(set(schemas))
        with self.connect() as connection:
            rows = connection.execute(
                "SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)", (wanted,)
            ).fetchall()
        present = {row[0] for row in rows}
        return tuple(schema for schema in wanted if schema not in present)

    def denied(self, tables: Iterable[TableId], *, recreated: bool) -> tuple[str, ...]:
        """What the user may not do with those of the tables that exist, in words.

        Args:
            tables: the tables to be loaded.
            recreated: whether they are dropped and made anew, as a full load does.
        """
        found = []
        with self.connect() as connection:
            for table in tables:
                row = connection.execute(_PRIVILEGES, (table.schema, table.table)).fetchone()
                may_write, owns = row or (True, True)
                if recreated and not owns:
                    found.append(f"drop {table}: let the user own it")
                elif not may_write:
                    found.append(
                        f"write {table}: GRANT USAGE on its schema, and SELECT, INSERT, UPDATE and "
                        "DELETE on it"
                    )
        return tuple(found)

    def apply_exceptions(self, task_name: str, *, schema: str) -> tuple[ApplyException, ...]:
        """Changes that the task could not apply, from DMS's control table; the oldest first."""
        return self._told(_APPLY_EXCEPTIONS, _OF_TASK, schema, {"task": task_name})

    def exceptions_since(
        self, since: datetime, tables: Collection[TableId], *, schema: str
    ) -> tuple[ApplyException, ...]:
        """Changes of these tables that any task could not apply since; the oldest first."""
        return self._told(_APPLY_EXCEPTIONS, _SINCE, schema, _later(since, tables))

    def suspensions_since(
        self, since: datetime, tables: Collection[TableId], *, schema: str
    ) -> tuple[ApplyException, ...]:
        """These tables as far as any task suspended them since.

        Only with the setting ``SuspendedTablesTableEnabled`` does DMS tell of them there.
        """
        return self._told(_SUSPENDED_TABLES, _SINCE, schema, _later(since, tables))

    def _told(
        self, table: LiteralString, rows: LiteralString, schema: str, values: dict[str, Any]
    ) -> tuple[ApplyException, ...]:
        """What a control table tells; nothing if there is no such table."""
        query = sql.SQL(table + rows).format(schema=sql.Identifier(schema))
        with self.connect() as connection:
            try:
                found = connection.execute(query, values).fetchall()
            except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                return ()
        return tuple(
            ApplyException(TableId(owner, name), error or "", statement or "")
            for _, _, owner, name, error, statement in found
        )

    def columns(self, tables: Iterable[TableId]) -> dict[TableId, tuple[ColumnSize, ...]]:
        """The columns of the tables that exist."""
        wanted = frozenset(tables)
        found: dict[TableId, tuple[ColumnSize, ...]] = {}
        with self.connect() as connection:
            schemas = sorted({table.schema for table in wanted})
            for schema, table, name, kind, characters, precision, scale in connection.execute(
                _COLUMNS, (schemas,)
            ).fetchall():
                digits = None if precision is None or kind != "numeric" else (precision, scale)
                name_of = TableId(schema, table)
                column = ColumnSize(name, kind, characters, digits)
                found[name_of] = (*found.get(name_of, ()), column)
        return {table: found[table] for table in wanted & found.keys()}

    def row_counts(self, tables: Iterable[TableId]) -> dict[TableId, int | None]:
        """Rows of each table; None where there is no such table."""
        counts: dict[TableId, int | None] = {}
        with self.connect() as connection:
            for table in tables:
                name = sql.Identifier(table.schema, table.table)
                try:
                    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name))
                    counts[table] = int((row.fetchone() or (0,))[0])
                except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
                    counts[table] = None
        return counts


class TargetResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Target databases, reached with the credentials in Secrets Manager."""

    aws: dg.ResourceDependency[AwsSession]

    def database(self, secret_id: str) -> PostgresTarget:
        return PostgresTarget(recent_secrets(self.aws.access()).read(secret_id))


def _later(since: datetime, tables: Collection[TableId]) -> dict[str, Any]:
    """DMS writes UTC into a timestamp without time zone."""
    return {
        "since": since.astimezone(UTC).replace(tzinfo=None),
        "owners": [table.schema for table in tables],
        "names": [table.table for table in tables],
    }


def _text(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
