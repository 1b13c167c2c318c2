"""From events to whole transactions: which rows count, and which come back or never were.

Rows of the open transaction lie behind the complete ones in one log. A rollback to a savepoint cuts
off what came after it. A prepared XA transaction waits apart for its decision; until then nothing
behind it may be confirmed, because reading again would have to begin in front of it.
"""

from collections import Counter
from dataclasses import dataclass, field

from dms_pipeline.binlog.events import RowKind, RowsEvent
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.change_log import ChangeLog, RowChanges
from dms_pipeline.local_dms.engine.sql_words import (
    UnreadableStatementError,
    WordReader,
    read_words,
)

Counts = Counter[tuple[TableId, RowKind]]


@dataclass(slots=True)
class TransactionGathering:
    """The log of a batch, with the marks that tell its parts from each other."""

    log: ChangeLog
    complete: int = 0
    """So many entries belong to transactions that were committed."""
    row_count: int = 0
    prepared: dict[str, list[RowChanges]] = field(default_factory=dict)
    _savepoints: dict[str, int] = field(default_factory=dict)

    @property
    def has_open_rows(self) -> bool:
        return len(self.log) > self.complete

    @property
    def waits(self) -> bool:
        """Whether an XA transaction was prepared and not decided on."""
        return bool(self.prepared)

    def add(self, event: RowsEvent, position: BinlogPosition) -> None:
        self.log.append(RowChanges(event.table, event.kind, event.rows, position))

    def statement(self, text: str) -> bool:
        """Follow SAVEPOINT and ROLLBACK TO; False for any other statement."""
        head = text[:64].lstrip().upper()
        if not head.startswith(("SAVEPOINT", "ROLLBACK", "RELEASE")):
            return False
        try:
            reader = WordReader(read_words(text))
        except UnreadableStatementError:
            return False
        if reader.accept("SAVEPOINT"):
            self._savepoints[reader.name().lower()] = len(self.log)
            return True
        if reader.accept("ROLLBACK"):
            reader.accept("WORK")
            if reader.accept("TO"):
                reader.accept("SAVEPOINT")
                self.log.cut(self._savepoints.get(reader.name().lower(), self.complete))
                return True
        return reader.accept("RELEASE")

    def discard(self) -> None:
        """The open transaction never was."""
        self.log.cut(self.complete)
        self._savepoints.clear()

    def commit(self) -> Counts:
        """The open transaction is complete; tells what it changed."""
        counts: Counts = Counter()
        if len(self.log) > self.complete:
            counts = self.log.count_from(self.complete)
        self.complete = len(self.log)
        self.row_count += counts.total()
        self._savepoints.clear()
        return counts

    def prepare(self, xid: str) -> None:
        """The open transaction waits for its decision."""
        self.prepared[xid] = list(self.log.first(len(self.log)))[self.complete :]
        self.discard()

    def decide(self, xid: str, *, commit: bool) -> bool:
        """False if no transaction of that name is known."""
        rows = self.prepared.pop(xid, None)
        if rows is None:
            return False
        for changes in rows if commit else ():
            self.log.append(changes)
        return True

    def clear(self) -> None:
        """The complete transactions were applied."""
        self.log.drop_first(self.complete)
        self.complete = self.row_count = 0
        self._savepoints.clear()
