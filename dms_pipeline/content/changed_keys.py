"""The keys whose rows were changed between two places in the binary log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dms_pipeline.binlog.events import QueryEvent, RowsEvent
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.content.canonical import ComparedColumn
from dms_pipeline.content.digests import key_digest
from dms_pipeline.resources.source import MySQLSource

MOST = 50_000
"""Keys of one table that can be left out; of a table with more changes nothing can be said."""


class _UntoldError(Exception):
    """What a value of this column is compared as cannot be told."""


@dataclass(frozen=True, slots=True)
class LoggedKey:
    """Where the columns of a key stand in the rows of the log, from 0."""

    columns: tuple[ComparedColumn, ...]
    places: tuple[int, ...]


@dataclass(slots=True)
class ChangedKeys:
    """Digests of changed keys by table, and why a table cannot be compared.

    Whether a transaction was rolled back does not matter: a key too many that is left out only
    makes the comparison one row smaller.
    """

    keys: Mapping[TableId, LoggedKey]
    digests: dict[TableId, set[int]] = field(default_factory=dict)
    undecided: dict[TableId, str] = field(default_factory=dict)

    def read(self, source: MySQLSource, start: BinlogPosition, end: BinlogPosition) -> None:
        if start >= end:
            return
        with BinlogStream(source.settings, start=start, include=self.keys.__contains__) as stream:
            for event in stream.events_until(end):
                if isinstance(event, RowsEvent):
                    self._rows(event)
                elif isinstance(event, QueryEvent):
                    self._statement(event)

    def _rows(self, event: RowsEvent) -> None:
        if event.table in self.undecided:
            return
        key = self.keys[event.table]
        found = self.digests.setdefault(event.table, set())
        for row in event.rows:
            try:
                texts = [
                    _text(column, row[place])
                    for column, place in zip(key.columns, key.places, strict=True)
                ]
            except _UntoldError as error:
                self.undecided[event.table] = (
                    f"it was changed since the checkpoint, and values of column {error} cannot be "
                    "told from the binary log"
                )
                return
            found.add(key_digest(texts, key.columns))
        if len(found) > MOST:
            self.undecided[event.table] = (
                f"more than {MOST} of its rows were changed since the checkpoint"
            )

    def _statement(self, event: QueryEvent) -> None:
        for table in self.keys:
            if event.may_concern(table):
                self.undecided[table] = (
                    f"what a statement at {event.position} did to its rows is not in the binary "
                    f"log: {event.statement[:80]}"
                )


def _text(column: ComparedColumn, value: Any) -> str | None:
    """The canonical text of a value of the log; raises `_UntoldError`."""
    if value is None:
        return None
    if column.from_log is None:
        raise _UntoldError(column.name)
    try:
        return column.from_log(value)
    except UnicodeDecodeError as error:
        # A server may hold bytes that are no text in the column's character set.
        raise _UntoldError(column.name) from error
