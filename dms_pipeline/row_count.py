"""Counts rows on both sides so that the comparison holds while the source is being written.

The source is counted inside one consistent snapshot whose binary log position is known. What
happened between the load's checkpoint and that position is not on the target yet; the binary log
says what it was: expected rows = rows in the snapshot - net inserts since the checkpoint.

Where a server does not let its position be known, the snapshot lies between two positions; so does
a count of a table whose engine has no snapshots. A table that was changed between the two cannot be
decided, all others can.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER

from dms_pipeline.binlog.events import (
    BinlogEvent,
    QueryEvent,
    RowsEvent,
    TransactionBegin,
    TransactionEnd,
)
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.snapshot import (
    bracketed_snapshot,
    current_position,
    tables_without_snapshots,
)
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline.binlog.table_id import TableId, quoted_table
from dms_pipeline.pipeline_config import ReplicatedTable
from dms_pipeline.resources.source import MySQLSource
from dms_pipeline.resources.target import PostgresTarget


@dataclass(frozen=True, slots=True)
class RowCount:
    """Rows of one table on both sides; None where the side has no such table.

    ``undecided`` tells why source and target cannot be compared exactly; empty when they can.
    """

    table: ReplicatedTable
    source: int | None
    target: int | None
    net_inserts: int
    undecided: str = ""

    @property
    def expected(self) -> int | None:
        return None if self.source is None else self.source - self.net_inserts

    @property
    def matches(self) -> bool:
        return self.target is not None and self.target == self.expected


def count_rows(
    tables: Collection[ReplicatedTable],
    *,
    source: MySQLSource,
    target: PostgresTarget,
    checkpoint: BinlogPosition,
) -> tuple[RowCount, ...]:
    """Counts every table; the target must not be loaded meanwhile.

    Raises:
        SourceError, TargetError: if a side refuses or is unreachable.
    """
    if not tables:
        return ()
    names = frozenset(table.source for table in tables)
    with source.connect() as connection:
        floating = names & tables_without_snapshots(connection, {name.schema for name in names})
        earliest, latest = bracketed_snapshot(connection)
        source_counts = {name: _count(connection, name) for name in sorted(names)}
        counted = current_position(connection) if floating else latest
    target_counts = target.row_counts(table.target for table in tables)
    since = _Changes(names, floating, earliest, latest)
    since.read_all(source, start=checkpoint, end=counted)
    return tuple(
        RowCount(
            table=table,
            source=source_counts[table.source],
            target=target_counts[table.target],
            net_inserts=since.net_inserts[table.source],
            undecided=since.undecided.get(table.source, ""),
        )
        for table in tables
    )


@dataclass(slots=True)
class _Changes:
    """Net inserts of the transactions that were committed; ``pending`` is of the one being read.

    Attributes:
        tables: what is looked at.
        floating: those of them that are in no snapshot.
        earliest: every transaction before it is in the snapshot.
        latest: no transaction behind it is in the snapshot.
    """

    tables: frozenset[TableId]
    floating: frozenset[TableId]
    earliest: BinlogPosition
    latest: BinlogPosition
    net_inserts: Counter[TableId] = field(default_factory=Counter)
    undecided: dict[TableId, str] = field(default_factory=dict)
    pending: Counter[TableId] = field(default_factory=Counter)

    def read_all(self, source: MySQLSource, *, start: BinlogPosition, end: BinlogPosition) -> None:
        if start >= end:
            return
        with BinlogStream(source.settings, start=start, include=self.tables.__contains__) as stream:
            for event in stream.events_until(end):
                self._read(event)

    def _read(self, event: BinlogEvent) -> None:
        match event:
            case TransactionBegin():
                self.pending.clear()
            case RowsEvent(kind="insert"):
                self.pending[event.table] += event.change_count
            case RowsEvent(kind="delete"):
                self.pending[event.table] -= event.change_count
            case TransactionEnd():
                self._end(event)
                self.pending.clear()
            case QueryEvent():
                self._doubt(
                    _touched_by(event, self.tables, self.pending),
                    f"what a statement at {event.position} did to its rows is not in the binary "
                    f"log: {event.statement[:80]}",
                )

    def _end(self, event: TransactionEnd) -> None:
        if event.outcome == "xa_prepare":
            self._doubt(self.pending, f"an XA transaction was open at {event.position}")
        elif event.outcome == "commit" and event.position <= self.earliest:
            self.net_inserts.update(self.pending)
        elif event.outcome == "commit":
            is_late = event.position > self.latest
            unclear = self.floating & self.pending.keys() if is_late else self.pending
            self._doubt(unclear, f"it was being written at {event.position}, when it was counted")

    def _doubt(self, tables: Iterable[TableId], reason: str) -> None:
        self.undecided.update(dict.fromkeys(tables, reason))


def _touched_by(
    event: QueryEvent, tables: frozenset[TableId], pending: Iterable[TableId]
) -> list[TableId]:
    """Tables whose count a statement makes doubtful."""
    if event.in_transaction and event.statement.lower().startswith("rollback to"):
        return list(pending)
    return [table for table in tables if event.may_concern(table)]


def _count(connection: "Connection[Any]", table: TableId) -> int | None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {quoted_table(table)}")
            row = cursor.fetchone()
    except pymysql.ProgrammingError as error:
        if error.args[0] in (ER.NO_SUCH_TABLE, ER.BAD_DB_ERROR):
            return None
        raise
    return int(row[0]) if row else None
