"""Counts rows on both sides so that the comparison holds while the source is being written.

The source is counted inside one consistent snapshot whose binary log position is known. What
happened between the load's checkpoint and that position is not on the target yet; the binary log
says what it was: expected rows = rows in the snapshot - net inserts since the checkpoint.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER

from dms_pipeline.binlog.events import QueryEvent, RowsEvent
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.snapshot import consistent_snapshot
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.pipeline_config import ReplicatedTable
from dms_pipeline.resources.source import MySQLSource, quoted
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
    names = frozenset(table.source for table in tables)
    with source.connect() as connection:
        snapshot = consistent_snapshot(connection)
        source_counts = {name: _count(connection, name) for name in sorted(names)}
    target_counts = target.row_counts(table.target for table in tables)
    since = _changes_between(source, checkpoint, snapshot, names)
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


@dataclass(frozen=True, slots=True)
class _Changes:
    net_inserts: Counter[TableId]
    undecided: dict[TableId, str]


def _changes_between(
    source: MySQLSource, start: BinlogPosition, end: BinlogPosition, tables: frozenset[TableId]
) -> _Changes:
    net_inserts: Counter[TableId] = Counter()
    undecided: dict[TableId, str] = {}
    if start >= end:
        return _Changes(net_inserts, undecided)
    with BinlogStream(source.settings, start=start, include=tables.__contains__) as stream:
        for event in stream.events_until(end):
            if isinstance(event, RowsEvent):
                if event.kind != "update":
                    sign = 1 if event.kind == "insert" else -1
                    net_inserts[event.table] += sign * event.change_count
            elif isinstance(event, QueryEvent):
                for table in _named_in(event, tables):
                    undecided[table] = (
                        f"a statement at {event.position} changed the table, and what it did to "
                        f"its rows is not in the binary log: {event.statement[:80]}"
                    )
    return _Changes(net_inserts, undecided)


def _named_in(event: QueryEvent, tables: Iterable[TableId]) -> list[TableId]:
    """Tables that a statement may have changed: naming one is enough to doubt its count."""
    statement = event.statement.lower()
    return [table for table in tables if table.table.lower() in statement]


def _count(connection: "Connection[Any]", table: TableId) -> int | None:
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT COUNT(*) FROM {quoted(table)}")
            row = cursor.fetchone()
    except pymysql.ProgrammingError as error:
        if error.args[0] in (ER.NO_SUCH_TABLE, ER.BAD_DB_ERROR):
            return None
        raise
    return int(row[0]) if row else None
