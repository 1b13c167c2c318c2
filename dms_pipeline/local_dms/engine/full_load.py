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

from dms_pipeline.binlog.connection import describe_error, is_about_statement, source_error
from dms_pipeline.binlog.table_id import quoted, quoted_table
from dms_pipeline.errors import LoadError
from dms_pipeline.local_dms.engine.copy_format import copy_line
from dms_pipeline.local_dms.engine.snapshots import open_unload_connection
from dms_pipeline.local_dms.engine.table_plan import TablePlan, ValueDoesNotFitError
from dms_pipeline.local_dms.engine.target_errors import describe_target_error, target_error
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

__all__ = ["LoadInterruptedError", "load_table", "open_unload_connection"]

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 256 * 1024
_CHUNK_ROWS = 1000

OnUnfit = Callable[[ValueDoesNotFitError], None]


class LoadInterruptedError(Exception):
    """A stop was asked for in the middle of a table; nothing of that table was kept."""


def refuse(error: ValueDoesNotFitError) -> None:
    """The strictest answer to a value that does not fit: the table is not loaded."""
    raise error


def load_table(
    source: "Connection[Any]",
    target: TargetConnection,
    plan: TablePlan,
    *,
    prep_mode: PrepMode,
    on_rows: Callable[[int], None],
    should_stop: Callable[[], bool],
    on_unfit: OnUnfit = refuse,
) -> int:
    """Copy one table and commit. Returns the number of rows.

    A row with a value that does not fit is left out if ``on_unfit`` returns; it may raise instead.
    After an error the source connection can be used on only if the error was not a SourceError.

    Raises:
        LoadInterruptedError: ``should_stop`` said so; rolled back.
        LoadError: a value does not fit, the target refused, or the source cannot read the table.
        TargetError: the target is away, or has no room.
        SourceError: the source is away, or refused.
    """
    what = f"full load of table {plan.table_id}"
    try:
        with target.transaction():
            created = _prepare(target, plan, prep_mode)
            rows = _copy(
                source, target, plan, on_rows=on_rows, should_stop=should_stop, on_unfit=on_unfit
            )
            if created:
                add_primary_key(target, plan)
    except psycopg.OperationalError as error:
        raise target_error(what, error, target) from error
    except psycopg.Error as error:
        raise LoadError(f"{what}: {describe_target_error(error, target)}") from error
    except pymysql.MySQLError as error:
        if is_about_statement(error):
            # Broken files, virtual columns without a value for what is in a row, and the like.
            raise LoadError(
                f"{what}: the source cannot read it: {describe_error(error)}"
            ) from error
        raise source_error(what, error) from error
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
    on_unfit: OnUnfit,
) -> int:
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(qualified(plan), names(plan.columns))
    count = 0
    with (
        _unload(source, select_statement(plan)) as rows,
        target.cursor() as cursor,
        cursor.copy(statement) as copy,
    ):
        for chunk, chunk_rows in _chunks(rows, plan, on_unfit):
            if should_stop():
                raise LoadInterruptedError
            copy.write(chunk)
            count += chunk_rows
            on_rows(count)
    return count


def _chunks(rows: SSCursor, plan: TablePlan, on_unfit: OnUnfit) -> Iterator[tuple[bytes, int]]:
    """Lines of COPY text and how many, in pieces small enough whatever the size of a row."""
    lines: list[bytes] = []
    size = 0
    while (row := rows.fetchone()) is not None:
        try:
            lines.append(copy_line(plan.encode_text(row)))
        except ValueDoesNotFitError as error:
            on_unfit(error)
            continue
        size += len(lines[-1])
        if size >= _CHUNK_BYTES or len(lines) >= _CHUNK_ROWS:
            yield b"".join(lines), len(lines)
            lines, size = [], 0
    yield b"".join(lines), len(lines)


@contextmanager
def _unload(source: "Connection[Any]", statement: str) -> Iterator[SSCursor]:
    """Rows as they arrive. After an interruption the connection is good for nothing but closing."""
    rows = source.cursor(SSCursor)
    try:
        rows.execute(statement)
        yield rows
    except (pymysql.MySQLError, LoadInterruptedError, GeneratorExit):
        # Closing the cursor, or dropping its result, would first read the rest of the table. A
        # statement that was refused has no result.
        if (result := rows._result) is not None:  # type: ignore[attr-defined]  # noqa: SLF001
            result.unbuffered_active = False
        rows.connection = None  # type: ignore[assignment]
        raise
    finally:
        if rows.connection is not None:
            rows.close()


def select_statement(plan: TablePlan) -> str:
    columns = ", ".join(
        column.mapping.select.format(quoted(column.source.name)) for column in plan.inputs
    )
    table = plan.table_id
    where = f" WHERE {plan.row_filter.sql}" if plan.row_filter else ""
    return f"SELECT {columns} FROM {quoted_table(table)}{where}"
