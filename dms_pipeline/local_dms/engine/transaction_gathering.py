"""From events to whole transactions: which rows count, and which come back or never were.

Rows of the open transaction lie behind the complete ones in one log. A rollback to a savepoint cuts
off what came after it. A prepared XA transaction waits apart for its decision; until then nothing
behind it may be confirmed, because reading again would have to begin in front of it.
"""

from dataclasses import dataclass, field

from dms_pipeline.binlog.events import RowsEvent
from dms_pipeline.local_dms.engine.change_log import ChangeLog
from dms_pipeline.local_dms.engine.sql_words import (
    UnreadableStatementError,
    WordReader,
    read_words,
)

# So many rows that applying them pays, and so few that their net changes take little memory.
_FULL_BYTES = 4 * 1024 * 1024
_FULL_ENTRIES = 20_000


@dataclass(slots=True)
class TransactionGathering:
    """The log of a batch, with the marks that tell its parts from each other."""

    log: ChangeLog
    complete: int = 0
    """So many entries belong to transactions that were committed."""
    prepared: dict[str, list[RowsEvent]] = field(default_factory=dict)
    _savepoints: dict[str, int] = field(default_factory=dict)

    @property
    def has_open_rows(self) -> bool:
        return len(self.log) > self.complete

    @property
    def is_full(self) -> bool:
        """Whether the complete transactions are worth to be applied at once."""
        return (
            self.log.size_bytes >= _FULL_BYTES
            or self.complete >= _FULL_ENTRIES
            or self.log.is_large
        )

    @property
    def waits(self) -> bool:
        """Whether an XA transaction was prepared and not decided on."""
        return bool(self.prepared)

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

    def commit(self) -> None:
        """The open transaction is complete."""
        self.complete = len(self.log)
        if self._savepoints:
            self._savepoints.clear()

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

    def hand_over(self) -> tuple[ChangeLog, int]:
        """The log with its complete transactions; gathering goes on in another, with the rest."""
        log, complete = self.log, self.complete
        self.log = log.another()
        if len(log) > complete:
            for changes in list(log.first(len(log)))[complete:]:
                self.log.append(changes)
        self._savepoints = {name: at - complete for name, at in self._savepoints.items()}
        self.complete = 0
        return log, complete
