"""Full load: one table from a source snapshot into a target table, streamed.

Each table is one transaction on the target: a table is there completely or as it was before.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pymysql
from psycopg import sql
from pymysql.connections import Connection

from dms_pipeline.binlog.connection import describe_error, is_about_statement, source_error
from dms_pipeline.binlog.table_id import quoted, quoted_table
from dms_pipeline.errors import LoadError
from dms_pipeline.local_dms.engine.copy_format import CopyFormat, CopyRow, CopyRows, copy_line
from dms_pipeline.local_dms.engine.protocol_tuples import ProtocolTuples
from dms_pipeline.local_dms.engine.table_plan import TablePlan, ValueDoesNotFitError
from dms_pipeline.local_dms.engine.target_errors import describe_target_error, target_error
from dms_pipeline.local_dms.engine.target_tables import (
    TargetConnection,
    add_primary_key,
    create_table,
    drop_table,
    has_planned_types,
    names,
    qualified,
    table_exists,
    truncate_table,
)
from dms_pipeline.local_dms.engine.task_settings import PrepMode
from dms_pipeline.local_dms.engine.text_lines import compile_line, read_row
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import UnfitValueError
from dms_pipeline.local_dms.engine.unload import LoadInterruptedError, preparing, unloading

logger = logging.getLogger(__name__)

_CHUNK_BYTES = 256 * 1024

OnUnfit = Callable[[ValueDoesNotFitError], None]


@dataclass(frozen=True, slots=True)
class _Arriving:
    """Rows of a COPY stream, as many at a time as have come."""

    format: CopyFormat
    rows: Iterable[CopyRows]


Opened = AbstractContextManager[_Arriving]


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
    load = _TableLoad(source, target, plan, prep_mode, on_rows, should_stop)
    with _errors_told(load.what, target):
        rows = load.trusting()
        if rows is None:
            rows = load.checking(on_unfit)
    logger.info("loaded table %s: %d rows", plan.table_id, rows)
    return rows


@contextmanager
def _errors_told(what: str, target: TargetConnection) -> Iterator[None]:
    try:
        yield
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


@dataclass(frozen=True, slots=True)
class _TableLoad:
    """One table from the source into the target, in one transaction whenever it is tried."""

    source: "Connection[Any]"
    target: TargetConnection
    plan: TablePlan
    prep_mode: PrepMode
    on_rows: Callable[[int], None]
    should_stop: Callable[[], bool]

    @property
    def what(self) -> str:
        return f"full load of table {self.plan.table_id}"

    def trusting(self) -> int | None:
        """Returns the number of rows, or None if every value has to be looked at."""
        if self.plan.added:
            return None
        try:
            return self._load(self._open_trusting)
        except (UnfitValueError, psycopg.DataError) as error:
            # Which value of which row it is, and what is to become of it, shows row by row.
            logger.info("%s: every value is looked at, as one does not fit: %s", self.what, error)
            return None

    def checking(self, on_unfit: OnUnfit) -> int:
        """Returns the number of rows that were not left out."""
        return self._load(lambda _: _checking(self.source, self.plan, on_unfit))

    def _open_trusting(self, is_new: bool) -> Opened:
        takes_binary = is_new or has_planned_types(self.target, self.plan)
        return _trusting(self.source, self.plan, takes_binary=takes_binary)

    def _load(self, opened: Callable[[bool], Opened]) -> int:
        """``opened`` is told whether the target table is new."""
        with self.target.transaction():
            is_new = _prepare(self.target, self.plan, self.prep_mode)
            with opened(is_new) as arriving:
                count = _copy(
                    self.target,
                    self.plan,
                    arriving,
                    on_rows=self.on_rows,
                    should_stop=self.should_stop,
                )
            if is_new:
                add_primary_key(self.target, self.plan)
        return count


@contextmanager
def _trusting(
    source: "Connection[Any]", plan: TablePlan, *, takes_binary: bool
) -> Iterator[_Arriving]:
    """Leaves to PostgreSQL what PostgreSQL checks. Added columns are not for this."""
    if takes_binary:
        with preparing(source, select_statement(plan, CopyFormat.BINARY)) as prepared:
            if prepared is not None and ProtocolTuples.of(plan, prepared.columns) is not None:
                with prepared.unloading() as sent:
                    maker = ProtocolTuples.of(plan, sent.columns)
                    if maker is None:
                        raise UnfitValueError("columns are sent otherwise than announced")
                    yield _Arriving(CopyFormat.BINARY, sent.tuples(maker))
                return
    line = compile_line(plan)
    with unloading(source, select_statement(plan)) as sent:
        yield _Arriving(CopyFormat.TEXT, (CopyRows.of(map(line, rows)) for rows in sent))


@contextmanager
def _checking(source: "Connection[Any]", plan: TablePlan, on_unfit: OnUnfit) -> Iterator[_Arriving]:
    """Looks at every value itself, so that it can leave out a row."""

    def lines(rows: list[bytes]) -> Iterator[CopyRow]:
        for row in rows:
            try:
                yield copy_line(plan.encode_text(read_row(row)))
            except ValueDoesNotFitError as error:
                on_unfit(error)

    with unloading(source, select_statement(plan)) as sent:
        yield _Arriving(CopyFormat.TEXT, (CopyRows.of(lines(rows)) for rows in sent))


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
    target: TargetConnection,
    plan: TablePlan,
    arriving: _Arriving,
    *,
    on_rows: Callable[[int], None],
    should_stop: Callable[[], bool],
) -> int:
    """While the target takes some rows, the next ones are read."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN ({})").format(
        qualified(plan), names(plan.columns), sql.SQL(arriving.format.value)
    )
    count = 0
    with (
        target.cursor() as cursor,
        cursor.copy(statement) as copy,
        ThreadPoolExecutor(1, "copy") as writer,
    ):
        written: Future[None] | None = None
        for chunk, chunk_rows in _chunks(arriving):
            if written is not None:
                written.result()
            if should_stop():
                raise LoadInterruptedError
            written = writer.submit(copy.write, chunk)
            count += chunk_rows
            on_rows(count)
        if written is not None:
            written.result()
    return count


def _chunks(arriving: _Arriving) -> Iterator[tuple[bytes, int]]:
    """The stream and how many rows, in pieces that are small unless a row is large."""
    pieces, size, count = [arriving.format.header], 0, 0
    for rows in arriving.rows:
        pieces += rows.pieces
        size += sum(map(len, rows.pieces))
        count += rows.count
        if size >= _CHUNK_BYTES:
            yield b"".join(pieces), count
            pieces, size, count = [], 0, 0
    pieces.append(arriving.format.trailer)
    yield b"".join(pieces), count


def select_statement(plan: TablePlan, copy_format: CopyFormat = CopyFormat.TEXT) -> str:
    """For what is to become a stream of this format."""
    is_binary = copy_format is CopyFormat.BINARY
    columns = ", ".join(
        (mapping.sent_select if is_binary else mapping.select).format(quoted(name))
        for mapping, name in ((column.mapping, column.source.name) for column in plan.inputs)
    )
    where = f" WHERE {plan.row_filter.sql}" if plan.row_filter else ""
    return f"SELECT {columns} FROM {quoted_table(plan.table_id)}{where}"
