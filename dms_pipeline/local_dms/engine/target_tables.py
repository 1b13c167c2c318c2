"""Tables on the target: how they are named, created, emptied and looked up in PostgreSQL."""

from collections.abc import Iterable
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from dms_pipeline.local_dms.engine.table_plan import PlannedColumn, TablePlan
from dms_pipeline.local_dms.engine.target_errors import connection_error, target_error
from dms_pipeline.local_dms.engine.task_spec import TargetSettings

TargetConnection = psycopg.Connection[tuple[Any, ...]]

_SESSION_SETTINGS = (
    "timezone=UTC",
    "datestyle=ISO",
    "lock_timeout=60s",
    # The default of 4 is for disks that turn. With it PostgreSQL reads a table of 100,000 rows as a
    # whole to find a hundred of them, which takes many times as long as a hundred look-ups.
    "random_page_cost=1.1",
)
_TEXTS = frozenset({"character varying", "text", "character"})
_FULL_NAMES = {"varchar": "character varying", "timestamp": "timestamp without time zone"}


def connect_target(settings: TargetSettings, timeout_s: int = 10) -> TargetConnection:
    try:
        return psycopg.connect(
            host=settings.host,
            port=settings.port,
            user=settings.user,
            password=settings.password,
            dbname=settings.dbname,
            autocommit=True,
            connect_timeout=timeout_s,
            client_encoding="utf8",
            application_name="local_dms",
            options=" ".join(f"-c {setting}" for setting in _SESSION_SETTINGS),
        )
    except psycopg.Error as error:
        raise connection_error(settings, error) from None


def qualified(plan: TablePlan) -> sql.Identifier:
    return sql.Identifier(plan.target_schema, plan.target_table)


def names(columns: Iterable[PlannedColumn]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(column.target_name) for column in columns)


def table_exists(connection: TargetConnection, plan: TablePlan) -> bool:
    return _has_table(connection, plan.target_schema, plan.target_table)


def has_planned_types(connection: TargetConnection, plan: TablePlan) -> bool:
    """Whether the table's columns hold values in the same form as columns of the planned types.

    Nobody can alter the table any more within the caller's transaction.
    """
    table = qualified(plan)
    # In one message: the server looks at the table for the second statement when it has the lock.
    cursor = connection.execute(
        sql.SQL(
            "LOCK TABLE {} IN ROW EXCLUSIVE MODE;"
            " SELECT attname, format_type(atttypid, NULL) FROM pg_catalog.pg_attribute"
            " WHERE attrelid = {}::regclass AND attnum > 0 AND NOT attisdropped"
        ).format(table, sql.Literal(table.as_string(connection))),
        prepare=False,
    )
    cursor.nextset()
    known: dict[str, str] = dict(cursor.fetchall())
    for column in plan.columns:
        name = column.mapping.target_type.partition("(")[0]
        planned, found = _FULL_NAMES.get(name, name), known.get(column.target_name)
        if found != planned and not (found in _TEXTS and planned in _TEXTS):
            return False
    return True


def create_schema(connection: TargetConnection, schema: str) -> None:
    """Look first: CREATE SCHEMA IF NOT EXISTS needs CREATE on the database even if it exists."""
    if not _has_schema(connection, schema):
        with connection.transaction():
            _wait_for_other_creators(connection)
            if not _has_schema(connection, schema):
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))


def create_control_table(
    connection: TargetConnection, schema: str, table: str, columns: LiteralString
) -> None:
    """A table that every task on this target uses, with its schema, unless it is there.

    Raises:
        TargetError: naming the table and the setting that its schema comes from.
    """
    try:
        if not _has_table(connection, schema, table):
            with connection.transaction():
                _wait_for_other_creators(connection)
                create_schema(connection, schema)
                if not _has_table(connection, schema, table):
                    connection.execute(
                        sql.SQL("CREATE TABLE {} ({})").format(
                            sql.Identifier(schema, table), sql.SQL(columns)
                        )
                    )
    except psycopg.Error as error:
        what = f"control table {table} (ControlTablesSettings.ControlSchema {schema})"
        raise target_error(what, error, connection) from error


def _wait_for_other_creators(connection: TargetConnection) -> None:
    """Until the transaction ends, no other task creates what tasks share.

    IF NOT EXISTS does not do: of two sessions at once, one fails with a duplicate key in the
    catalogue. It also believes the session's cache, which does not hear of the other in time;
    look by a query.
    """
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('local_dms create', 0))")


def _has_schema(connection: TargetConnection, schema: str) -> bool:
    known = connection.execute(
        "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", (schema,)
    ).fetchone()
    return known is not None


def _has_table(connection: TargetConnection, schema: str, table: str) -> bool:
    known = connection.execute(
        "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
        " ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s"
        " AND c.relkind IN ('r', 'p')",
        (schema, table),
    ).fetchone()
    return known is not None


def create_table(connection: TargetConnection, plan: TablePlan) -> None:
    """The table without its key. Only key columns are NOT NULL: zero dates arrive as NULL.

    To add the key, PostgreSQL would else read all rows once more to see that none is.
    """
    create_schema(connection, plan.target_schema)
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}{}").format(
            sql.Identifier(column.target_name),
            # Types come from our own catalogue, never from the source's text.
            sql.SQL(column.mapping.target_type),
            sql.SQL(" NOT NULL" if place in plan.key else ""),
        )
        for place, column in enumerate(plan.columns)
    )
    connection.execute(sql.SQL("CREATE TABLE {} ({})").format(qualified(plan), columns))


def add_primary_key(connection: TargetConnection, plan: TablePlan) -> None:
    if plan.key:
        connection.execute(
            sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(
                qualified(plan), names(plan.key_columns)
            )
        )


def drop_table(connection: TargetConnection, plan: TablePlan) -> None:
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(qualified(plan)))


def truncate_table(connection: TargetConnection, plan: TablePlan) -> None:
    connection.execute(sql.SQL("TRUNCATE TABLE {}").format(qualified(plan)))
