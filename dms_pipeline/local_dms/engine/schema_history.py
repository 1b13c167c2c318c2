"""Definitions of source tables as they were at a place in the log, not as they are today.

information_schema only knows today. Every statement between the place and today is read ahead from
the log, and today's definition is walked back along them. Where that is not possible (a column was
dropped: nobody knows where it stood) the table's rows before that statement are refused, with the
statement as the reason, and never read by guess.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pymysql.connections import Connection

from dms_pipeline.binlog.connection import ConnectionSettings
from dms_pipeline.binlog.events import QueryEvent
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.snapshot import current_position
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import SourceUnavailableError
from dms_pipeline.local_dms.engine import column_layout
from dms_pipeline.local_dms.engine.column_layout import Layout, UnknownLayoutError
from dms_pipeline.local_dms.engine.ddl import DdlStatement, parse_ddl, renamed_to
from dms_pipeline.local_dms.engine.ddl_clauses import AlterClause, CharsetConverted, KeyChanged
from dms_pipeline.local_dms.engine.model import Column, SourceTable
from dms_pipeline.local_dms.engine.source_schema import read_tables
from dms_pipeline.local_dms.engine.sql_words import UnreadableStatementError

logger = logging.getLogger(__name__)

Order = Callable[[set[str]], Layout | None]

_ATTEMPTS = 10
_IGNORED = Column(name="", data_type="int", column_type="int")


def no_order(names: set[str]) -> Layout | None:
    return None


@dataclass(frozen=True, slots=True)
class LoggedDdl:
    """A statement and where it ends in the log."""

    position: BinlogPosition
    ddl: DdlStatement


@dataclass(frozen=True, slots=True)
class PastTable:
    """A table as rows at some place in the log have it.

    Attributes:
        source: columns in the order of those rows, with the names they had there.
        dropped_later: columns whose definition is not known any more and does not matter.
        retyped_later: columns whose definition was another one than ``source`` says.
    """

    source: SourceTable
    dropped_later: frozenset[str] = frozenset()
    retyped_later: frozenset[str] = frozenset()
    target_types: Mapping[str, str] = field(default_factory=dict)
    """What the target has for the columns that were retyped."""


class UnknownTableError(Exception):
    """A table's definition at a place cannot be told; the text says why."""


class SchemaHistory:
    """Knows every change of a selected table's definition up to where it was last read ahead."""

    def __init__(self, settings: ConnectionSettings, selects: Callable[[TableId], bool]) -> None:
        self._settings = settings
        self._selects = selects
        self._ddl: list[LoggedDdl] = []
        self._known_until: BinlogPosition | None = None
        self._today: dict[TableId, SourceTable | None] = {}

    def read_ahead(
        self, source: "Connection[Any]", start: BinlogPosition, tables: Iterable[TableId]
    ) -> None:
        """Learn today's definitions of these tables, and every statement since ``start``."""
        wanted = {*self._today, *tables}
        end = current_position(source)
        self._ddl = [known for known in self._ddl if known.position > start]
        known_until = max(self._known_until or start, start)
        for _ in range(_ATTEMPTS):
            self._scan(known_until, end)
            found = read_tables(source, dict.fromkeys(wanted, 0))
            known_until, end = end, current_position(source)
            seen = len(self._ddl)
            # Definitions read while one of them was being altered would be of no known place.
            self._scan(known_until, end)
            known_until = max(end, known_until)
            if len(self._ddl) == seen:
                break
        else:
            raise SourceUnavailableError(
                "the definitions of the source's tables change faster than they can be read;"
                " try again at a quieter time"
            )
        self._known_until = known_until
        self._today |= {table: found.get(table) for table in wanted}

    def knows(self, table: TableId, position: BinlogPosition) -> bool:
        """Whether ``table_at`` can be asked."""
        behind = self._known_until is None or self._known_until < position
        return not behind and table in self._today

    def is_dropped_after(self, table: TableId, position: BinlogPosition) -> bool:
        """Whether the table as it is at ``position`` is gone today."""
        return any(
            logged.ddl.kind in ("drop", "drop_schema") or logged.ddl.replaces
            for logged in self._after(table, position)
        )

    def table_at(
        self,
        table: TableId,
        position: BinlogPosition,
        layout: Layout | None = None,
        *,
        order: Order = no_order,
    ) -> PastTable:
        """The table behind ``position``.

        Args:
            table: one that was read ahead.
            position: behind a statement, or where reading starts.
            layout: the order of its columns there, if it is known; else it is walked back to.
            order: puts columns into the order they had there, for statements that cannot be
                walked back; None if it cannot either.
        """
        later = self._after(table, position)
        today = self._today.get(table)
        clauses: list[AlterClause] = []
        for logged in later:
            reason = _ends_identity(logged, table)
            if reason is not None:
                raise UnknownTableError(reason)
            if any(isinstance(clause, CharsetConverted) for clause in logged.ddl.clauses):
                raise UnknownTableError(
                    f"its character set was another one before {logged.ddl.shown!r} at"
                    f" {logged.position}"
                )
            clauses += logged.ddl.clauses
        if today is None:
            raise UnknownTableError("the table is not on the source any more")
        if layout is None:
            layout = self._walk_back(today, later, order)
        return _past_table(today, layout, clauses)

    def _walk_back(self, today: SourceTable, later: list[LoggedDdl], order: Order) -> Layout:
        try:
            return self._exactly_back(today, later)
        except UnknownTableError:
            names = {column.name for column in today.columns}
            try:
                for logged in reversed(later):
                    names = column_layout.names_before(names, logged.ddl.clauses)
            except UnknownLayoutError:
                names = set()
            layout = order(names) if names else None
            if layout is None:
                raise
            return layout

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

    def _after(self, table: TableId, position: BinlogPosition) -> list[LoggedDdl]:
        return [
            logged
            for logged in self._ddl
            if logged.position > position and names_table(logged.ddl, table)
        ]

    def _scan(self, start: BinlogPosition, end: BinlogPosition) -> None:
        if not start < end:
            return
        with BinlogStream(self._settings, start=start, include=lambda table: False) as stream:
            for event in stream.events_until(end):
                if isinstance(event, QueryEvent):
                    self._note(event)

    def _note(self, event: QueryEvent) -> None:
        try:
            ddl = parse_ddl(event.statement, event.schema)
        except UnreadableStatementError:
            # Refused when the stream gets there.
            return
        if ddl is None:
            return
        if ddl.kind == "drop_schema" or any(self._selects(table) for table in ddl.tables):
            self._ddl.append(LoggedDdl(event.position, ddl))


def names_table(ddl: DdlStatement, table: TableId) -> bool:
    if ddl.kind == "drop_schema":
        return ddl.tables[0].schema == table.schema
    return table in ddl.tables or renamed_to(ddl) == table


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


def _past_table(today: SourceTable, layout: Layout, later: list[AlterClause]) -> PastTable:
    by_name = {column.name.lower(): column for column in today.columns}
    earlier_names: dict[str, str] = {}
    dropped, retyped, columns = set(), set(), []
    for name in layout:
        todays_name = column_layout.later_name(name, later)
        definition = by_name.get((todays_name or "").lower())
        if todays_name is None or definition is None:
            dropped.add(name)
            columns.append(replace(_IGNORED, name=name))
            continue
        earlier_names[definition.name.lower()] = name
        columns.append(replace(definition, name=name))
        if column_layout.is_retyped(name, later):
            retyped.add(name)
    key = tuple(earlier_names.get(part.lower(), "") for part in today.primary_key)
    unique = tuple(
        tuple(earlier_names.get(part.lower(), "") for part in index) for index in today.unique_keys
    )
    if any(isinstance(clause, KeyChanged) for clause in later) or "" in key:
        key = ()
        unique = ()
    unique = tuple(index for index in unique if "" not in index)
    source = replace(today, columns=tuple(columns), primary_key=key, unique_keys=unique)
    return PastTable(source, frozenset(dropped), frozenset(retyped))
