"""Definitions of source tables as they were at a place in the log, not as they are today.

information_schema only knows today. Every statement between the place and today is read ahead from
the log, and today's definition is walked back along them. What the statements do not tell (where a
dropped column stood, of which type a changed one was) is taken from what earlier runs noted on the
target. Where nothing tells, the table's rows before that statement are refused, with the statement
as the reason, and never read by guess.
"""

import logging
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection

from dms_pipeline.binlog.connection import ConnectionSettings
from dms_pipeline.binlog.events import QueryEvent
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.snapshot import current_position
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline.binlog.table_id import TableId, quoted_table
from dms_pipeline.errors import SourceUnavailableError
from dms_pipeline.local_dms.engine import column_layout
from dms_pipeline.local_dms.engine.column_layout import Layout, UnknownLayoutError
from dms_pipeline.local_dms.engine.ddl import DdlStatement, logged_ddl, renamed_to
from dms_pipeline.local_dms.engine.model import SourceTable
from dms_pipeline.local_dms.engine.past_table import (
    Clauses,
    PastTable,
    completed,
    sets_charset,
    walked_back,
)
from dms_pipeline.local_dms.engine.source_schema import read_tables
from dms_pipeline.local_dms.engine.sql_words import UnreadableStatementError

logger = logging.getLogger(__name__)

_ATTEMPTS = 10
_LOCK_WAIT_S = 60
_LOCK_WAIT_TIMEOUT = 1205


@dataclass(frozen=True, slots=True)
class LoggedDdl:
    """A statement and where it ends in the log."""

    position: BinlogPosition
    ddl: DdlStatement


class UnknownTableError(Exception):
    """A table's definition at a place cannot be told; the text says why."""


class NotCreatedYetError(UnknownTableError):
    """A table was created, or came under its name, only behind the place."""


@dataclass(frozen=True, slots=True)
class _Today:
    """A table as information_schema had it at a place in the log; None if it is not there."""

    position: BinlogPosition
    definition: SourceTable | None


class SchemaHistory:
    """Knows the changes of selected tables' definitions from where it was first asked to look.

    It looks no further than it has to: a long log takes as long to look through as to read.
    """

    def __init__(self, settings: ConnectionSettings, selects: Callable[[TableId], bool]) -> None:
        self._settings = settings
        self._selects = selects
        self._ddl: list[LoggedDdl] = []
        self._known_until: BinlogPosition | None = None
        self._today: dict[TableId, _Today] = {}

    def read_ahead(
        self, source: "Connection[Any]", start: BinlogPosition, tables: Iterable[TableId]
    ) -> None:
        """Learn today's definitions of these tables, and every statement since ``start``."""
        self._ddl = [known for known in self._ddl if known.position > start]
        wanted = set(tables)
        for _ in range(_ATTEMPTS):
            begin = current_position(source)
            _wait_for_alterations(source, wanted)
            found = read_tables(source, dict.fromkeys(wanted, 0))
            end = current_position(source)
            self._scan(max(self._known_until or start, start), end)
            # A definition read while it was being altered would be of no known place.
            read = {table for table in wanted if not self._between(table, begin, end)}
            self._today |= {table: _Today(end, found.get(table)) for table in read}
            wanted -= read
            if not wanted:
                return
        raise SourceUnavailableError(
            f"the definition of table {min(wanted)} on the source changes faster than it can be"
            " read; try again at a quieter time"
        )

    def knows(self, table: TableId, position: BinlogPosition) -> bool:
        """Whether ``table_at`` can be asked."""
        today = self._today.get(table)
        return today is not None and not today.position < position

    def is_dropped_after(self, table: TableId, position: BinlogPosition) -> bool:
        """Whether the table as it is at ``position`` is gone by today."""
        if self._known_until is None or self._known_until < position:
            with closing(self._settings.connect()) as source:
                self._scan(position, current_position(source))
        return any(
            logged.ddl.kind in ("drop", "drop_schema") or logged.ddl.replaces
            for logged in self._ddl
            if position < logged.position and names_table(logged.ddl, table)
        )

    def table_at(
        self,
        table: TableId,
        position: BinlogPosition,
        *,
        known: PastTable | None = None,
        behind: Clauses = (),
    ) -> PastTable:
        """The table behind ``position``.

        Args:
            table: one that was read ahead.
            position: behind a statement, or where reading starts.
            known: the table there, as far as it is known without looking back from today.
            behind: what the statement says that ends at the position.

        Raises:
            UnknownTableError: not even its columns and their order can be told.
        """
        today = self._today[table]
        later = self._between(table, position, today.position)
        try:
            definition = _of_same_identity(table, today.definition, later)
            layout = self._exactly_back(definition, later) if known is None else known.layout
        except UnknownTableError:
            if known is None or len(known.unknown) == len(known.layout):
                raise
            return known
        clauses = [logged.ddl.clauses for logged in later]
        walked = walked_back(definition, layout, clauses, behind=behind)
        return walked if known is None else completed(walked, known)

    def charset_at(self, table: TableId, position: BinlogPosition) -> str | None:
        """The table's default character set behind ``position``, if it has kept it until today."""
        today = self._today[table]
        later = self._between(table, position, today.position)
        if today.definition is None or any(
            _ends_identity(logged, table) or sets_charset(logged.ddl.clauses) for logged in later
        ):
            return None
        return today.definition.charset

    @staticmethod
    def _exactly_back(today: SourceTable, later: list[LoggedDdl]) -> Layout:
        layout = tuple(column.name for column in today.columns)
        for logged in reversed(later):
            try:
                layout = column_layout.before(layout, logged.ddl.clauses)
            except UnknownLayoutError as error:
                raise UnknownTableError(
                    f"its definition was changed by {logged.ddl.shown!r} before {logged.position},"
                    f" and what it was before cannot be told ({error})"
                ) from error
        return layout

    def _between(
        self, table: TableId, start: BinlogPosition, end: BinlogPosition
    ) -> list[LoggedDdl]:
        return [
            logged
            for logged in self._ddl
            if start < logged.position <= end and names_table(logged.ddl, table)
        ]

    def _scan(self, start: BinlogPosition, end: BinlogPosition) -> None:
        if not start < end:
            return
        self._known_until = end
        with BinlogStream(self._settings, start=start, include=None) as stream:
            for event in stream.events_until(end):
                if isinstance(event, QueryEvent):
                    self._note(event)

    def _note(self, event: QueryEvent) -> None:
        try:
            ddl = logged_ddl(event)
        except UnreadableStatementError:
            # Refused when the stream gets there.
            return
        if ddl is None:
            return
        if ddl.kind == "drop_schema" or any(self._selects(table) for table in ddl.tables):
            self._ddl.append(LoggedDdl(event.position, ddl))


def _wait_for_alterations(source: "Connection[Any]", tables: Iterable[TableId]) -> None:
    """Wait until what the log says of these tables shows in information_schema.

    MySQL writes a statement to the log before it commits it to the dictionary, and
    information_schema reads the dictionary without a lock. The statement holds the table's metadata
    lock until then, for which a SELECT waits:
    https://dev.mysql.com/doc/refman/8.4/en/metadata-locking.html

    Raises:
        SourceUnavailableError: somebody keeps the lock of a table.
    """
    with source.cursor() as cursor:
        cursor.execute(f"SET SESSION lock_wait_timeout = {_LOCK_WAIT_S}")
        for table in tables:
            try:
                cursor.execute(f"SELECT 1 FROM {quoted_table(table)} LIMIT 0")
            except pymysql.MySQLError as error:
                if error.args[0] == _LOCK_WAIT_TIMEOUT:
                    raise SourceUnavailableError(
                        f"table {table} has been locked on the source for {_LOCK_WAIT_S} s, by LOCK"
                        " TABLES or an ALTER TABLE that waits for an open transaction; end that"
                        " session (SHOW PROCESSLIST), or try again later"
                    ) from error
                # A table that is not there, or may not be read, has been waited for all the same.
                if not source.open:
                    raise


def names_table(ddl: DdlStatement, table: TableId) -> bool:
    if ddl.kind == "drop_schema":
        return ddl.tables[0].schema == table.schema
    return table in ddl.tables or renamed_to(ddl) == table


def _of_same_identity(
    table: TableId, today: SourceTable | None, later: list[LoggedDdl]
) -> SourceTable:
    for logged in later:
        if (reason := _ends_identity(logged, table)) is not None:
            is_new = logged.ddl.kind == "create" and not logged.ddl.replaces
            raise (NotCreatedYetError if is_new else UnknownTableError)(reason)
    if today is None:
        raise UnknownTableError("the table is not on the source any more")
    return today


def _ends_identity(logged: LoggedDdl, table: TableId) -> str | None:
    """Why the table of that name is another one behind this statement, if it is."""
    ddl = logged.ddl
    if ddl.kind == "create" and ddl.if_not_exists and not ddl.replaces:
        # The log holds it also where the table was there and nothing happened.
        return None
    if ddl.kind in ("create", "drop", "drop_schema", "rename") or renamed_to(ddl) is not None:
        return (
            f"the table of that name became another one by {ddl.shown!r} before {logged.position}"
        )
    return None
