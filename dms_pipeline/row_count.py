"""Counts rows on both sides so that the comparison holds while the source is being written.

The source is counted inside consistent snapshots whose binary log positions are known. What
happened between the load's checkpoint and that position is not on the target yet; the binary log
says what it was: expected rows = rows in the snapshot - net inserts since the checkpoint. So all
tables are compared as of one moment, the checkpoint, by one pass over the log.

Where a server does not let its position be known, the snapshot lies between two positions; so does
a count of a table whose engine has no snapshots. A table that was changed between the two cannot be
decided, all others can.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
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
    Bracket,
    bracketed_snapshot,
    current_position,
    tables_without_snapshots,
    unlocked_snapshot,
)
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline.binlog.table_id import TableId, quoted_table
from dms_pipeline.pipeline_config import ReplicatedTable
from dms_pipeline.resources.source import MySQLSource
from dms_pipeline.resources.target import PostgresTarget

_CONNECTIONS = 4


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


@dataclass(frozen=True, slots=True)
class _SourceCount:
    """Rows of a table that hold every commit before ``earliest`` and none behind ``latest``."""

    rows: int | None
    earliest: BinlogPosition
    latest: BinlogPosition


def count_rows(
    tables: Collection[ReplicatedTable],
    *,
    source: MySQLSource,
    target: PostgresTarget,
    checkpoint: BinlogPosition,
) -> tuple[RowCount, ...]:
    """Counts every table, up to four at once on each side; the target must not be loaded meanwhile.

    Raises:
        SourceError, TargetError: if a side refuses or is unreachable.
    """
    if not tables:
        return ()
    with ThreadPoolExecutor(max_workers=1) as beside:
        answer = beside.submit(_target_counts, target, [table.target for table in tables])
        counts = _source_counts(source, [table.source for table in tables])
        target_counts = answer.result()
    since = _Changes(counts)
    since.read_all(source, start=checkpoint)
    return tuple(
        RowCount(
            table=table,
            source=counts[table.source].rows,
            target=target_counts[table.target],
            net_inserts=since.net_inserts[table.source],
            undecided=since.undecided.get(table.source, ""),
        )
        for table in tables
    )


def _target_counts(target: PostgresTarget, tables: Sequence[TableId]) -> dict[TableId, int | None]:
    shares = [tables[start::_CONNECTIONS] for start in range(min(_CONNECTIONS, len(tables)))]
    with ThreadPoolExecutor(len(shares)) as side_by_side:
        answers = list(side_by_side.map(target.row_counts, shares))
    return {table: rows for answer in answers for table, rows in answer.items()}


def _source_counts(source: MySQLSource, tables: Sequence[TableId]) -> dict[TableId, _SourceCount]:
    """One connection counts in a snapshot; others help where theirs cost no lock.

    Each table is counted in one snapshot, whose position is its own: which one does not matter.
    """
    waiting = SimpleQueue[TableId]()
    for table in tables:
        waiting.put(table)
    counts: dict[TableId, _SourceCount] = {}
    with source.connect() as connection:
        floating = tables_without_snapshots(connection, {name.schema for name in tables})

    def work(number: int) -> None:
        with source.connect() as connection:
            if number == 0:
                snapshot: Bracket | None = bracketed_snapshot(connection)
            else:
                snapshot = unlocked_snapshot(connection)
            if snapshot is None:
                return
            while True:
                try:
                    table = waiting.get_nowait()
                except Empty:
                    return
                counts[table] = _counted(connection, table, snapshot, table in floating)

    with ThreadPoolExecutor(_CONNECTIONS) as side_by_side:
        list(side_by_side.map(work, range(min(_CONNECTIONS, len(tables)))))
    return counts


def _counted(
    connection: "Connection[Any]", table: TableId, snapshot: Bracket, is_floating: bool
) -> _SourceCount:
    if not is_floating:
        return _SourceCount(_count(connection, table), *snapshot)
    before = current_position(connection)
    rows = _count(connection, table)
    return _SourceCount(rows, before, current_position(connection))


@dataclass(slots=True)
class _Changes:
    """Net inserts of the transactions that were committed; ``pending`` is of the one being read."""

    counts: Mapping[TableId, _SourceCount]
    net_inserts: Counter[TableId] = field(default_factory=Counter)
    undecided: dict[TableId, str] = field(default_factory=dict)
    pending: Counter[TableId] = field(default_factory=Counter)

    def read_all(self, source: MySQLSource, *, start: BinlogPosition) -> None:
        end = max(count.latest for count in self.counts.values())
        if start >= end:
            return
        with BinlogStream(source.settings, start=start, include=self.counts.__contains__) as stream:
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
                    _touched_by(event, self.counts, self.pending),
                    event.position,
                    f"what a statement at {event.position} did to its rows is not in the binary "
                    f"log: {event.statement[:80]}",
                )

    def _end(self, event: TransactionEnd) -> None:
        at = event.position
        if event.outcome == "xa_prepare":
            self._doubt(self.pending, at, f"an XA transaction was open at {at}")
        elif event.outcome == "commit":
            counted = {table for table in self.pending if at <= self.counts[table].earliest}
            self.net_inserts.update({table: self.pending[table] for table in counted})
            reason = f"it was being written at {at}, when it was counted"
            self._doubt(self.pending.keys() - counted, at, reason)

    def _doubt(self, tables: Iterable[TableId], at: BinlogPosition, reason: str) -> None:
        """What lies behind the snapshot of a table is not in its count."""
        self.undecided.update(
            dict.fromkeys((each for each in tables if at <= self.counts[each].latest), reason)
        )


def _touched_by(
    event: QueryEvent, tables: Iterable[TableId], pending: Iterable[TableId]
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
