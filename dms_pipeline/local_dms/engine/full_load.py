"""Full load: one table from a source snapshot into a target table, streamed.

Each table is one transaction on the target: a table is there completely or as it was before.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pymysql
from psycopg import sql
from pymysql.connections import Connection
from pymysql.cursors import SSCursor

from dms_pipeline.binlog.connection import ConnectionSettings, describe_error
from dms_pipeline.errors import LoadError, SourceError, TargetError
from dms_pipeline.local_dms.engine.change_batch import EncodedRow
from dms_pipeline.local_dms.engine.table_plan import TablePlan
from dms_pipeline.local_dms.engine.target_errors import describe_target_error
from dms_pipeline.local_dms.engine.target_tables import (
    TargetConnection,
    add_primary_key,
    create_table,
    drop_table,
    names,
    qualified,
    table_exists,
    truncate_table,
)
from dms_pipeline.local_dms.engine.task_settings import PrepMode

logger = logging.getLogger(__name__)

_CHUNK_ROWS = 1000


class LoadInterruptedError(Exception):
    """A stop was asked for in the middle of a table; nothing of that table was kept."""


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


def load_table(
    source: "Connection[Any]",
    target: TargetConnection,
    plan: TablePlan,
    *,
    prep_mode: PrepMode,
    on_rows: Callable[[int], None],
    should_stop: Callable[[], bool],
) -> int:
    """Copy one table and commit. Returns the number of rows.

    Raises:
        LoadInterruptedError: ``should_stop`` said so; rolled back.
        LoadError: a value does not fit, or the target refused.
    """
    try:
        with target.transaction():
            created = _prepare(target, plan, prep_mode)
            rows = _copy(source, target, plan, on_rows=on_rows, should_stop=should_stop)
            if created:
                add_primary_key(target, plan)
    except psycopg.Error as error:
        lost = isinstance(error, psycopg.OperationalError)
        raise (TargetError if lost else LoadError)(
            f"full load of table {plan.table_id}: {describe_target_error(error)}"
        ) from error
    except pymysql.MySQLError as error:
        raise SourceError(f"full load of table {plan.table_id}: {describe_error(error)}") from error
    logger.info("loaded table %s: %d rows", plan.table_id, rows)
    return rows


def _prepare(target: TargetConnection, plan: TablePlan, prep_mode: PrepMode) -> bool:
    """Make the target table ready; tells whether it is new and still lacks its key."""
    if prep_mode == "DROP_AND_CREATE":
        drop_table(target, plan)
    elif table_exists(target, plan):
        if prep_mode == "TRUNCATE_BEFORE_LOAD":
            truncate_table(target, plan)
        return False
    create_table(target, plan)
    return True


def _copy(
    source: "Connection[Any]",
    target: TargetConnection,
    plan: TablePlan,
    *,
    on_rows: Callable[[int], None],
    should_stop: Callable[[], bool],
) -> int:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(qualified(plan), names(plan.columns))
    count = 0
    with (
        _unload(source, select_statement(plan)) as rows,
        target.cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        while chunk := rows.fetchmany(_CHUNK_ROWS):
            if should_stop():
                raise LoadInterruptedError
            copy.write(b"".join([copy_line(plan.encode_text(row)) for row in chunk]))
            count += len(chunk)
            on_rows(count)
    return count


@contextmanager
def _unload(source: "Connection[Any]", statement: str) -> Iterator[SSCursor]:
    """Rows as they arrive. After an error the connection is good for nothing but closing."""
    rows = source.cursor(SSCursor)
    try:
        rows.execute(statement)
        yield rows
    except BaseException:
        # Closing the cursor would first read the rest of the table.
        rows.connection = None  # type: ignore[assignment]
        raise
    rows.close()


def copy_line(row: EncodedRow) -> bytes:
    r"""One line of COPY text; NULL is ``\N``."""
    return b"\t".join([b"\\N" if field is None else field for field in row]) + b"\n"


def select_statement(plan: TablePlan) -> str:
    columns = ", ".join(
        column.mapping.select.format(quoted(column.source.name)) for column in plan.columns
    )
    table = plan.table_id
    return f"SELECT {columns} FROM {quoted(table.schema)}.{quoted(table.table)}"


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
