"""What the replication stream yields: frozen values, already free of framing.

Those that every transaction has are tuples, which are made several times as fast as other values;
their ``file`` is any position in the file that holds them.

Every event carries the position after it. A reader may resume at the positions of
``TransactionEnd``, of a ``QueryEvent`` outside a transaction, and of ``RotateEvent``. The events of
a compressed transaction all carry the position after the whole transaction.

An XA transaction that is prepared ends with the outcome ``xa_prepare`` and its id; what became of
it is a ``QueryEvent`` outside a transaction, maybe much later: see ``dms_pipeline.binlog.xa``.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.query_event import Session
from dms_pipeline.binlog.rows import RowImages
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.binlog.table_map import TableMap
from dms_pipeline.binlog.table_metadata import TableMetadata

Outcome = Literal["commit", "rollback", "xa_prepare"]
RowKind = Literal["insert", "update", "delete"]


class TransactionBegin(NamedTuple):
    """A transaction opens; ``start`` is where it begins, ``end`` is behind BEGIN."""

    start: int
    file: BinlogPosition
    end: int
    timestamp: int

    @property
    def position(self) -> BinlogPosition:
        """Behind BEGIN."""
        return self.file.at(self.end)


class TransactionEnd(NamedTuple):
    """A transaction is complete. ``outcome`` says how; only ``commit`` made its rows visible.

    ``xid`` is set for XA transactions, written as in the statements that decide on them.
    """

    start: int
    file: BinlogPosition
    end: int
    timestamp: int
    outcome: Outcome = "commit"
    xid: str | None = None

    @property
    def position(self) -> BinlogPosition:
        """Behind the transaction."""
        return self.file.at(self.end)


class RowsEvent(NamedTuple):
    """Rows of one table, not decoded: images behind each other in ``data``.

    Attributes:
        table_map: how the images are laid out.
        data: the event, or its rows alone; the images are those from ``start`` to ``stop``.
        end: where the event ends in the ``file``.
    """

    table_map: TableMap
    kind: RowKind
    data: bytes
    start: int
    stop: int
    file: BinlogPosition
    end: int

    def __repr__(self) -> str:
        # Rows are the source's data: not for logs.
        return f"<{self.kind} in {self.table} before {self.position}>"

    def __reduce__(self) -> tuple[Any, ...]:
        rows = self.data[self.start : self.stop]
        return _unpickled, (self.table_map, self.kind, rows, self.file, self.end)

    @property
    def table(self) -> TableId:
        return self.table_map.table

    @property
    def column_types(self) -> bytes:
        return self.table_map.column_types

    @property
    def metadata(self) -> TableMetadata:
        return self.table_map.metadata

    @property
    def position(self) -> BinlogPosition:
        """Behind the event."""
        return self.file.at(self.end)

    @property
    def byte_count(self) -> int:
        """What the rows take in memory."""
        return self.stop - self.start

    @property
    def rows(self) -> RowImages:
        """Raw column values in the order of the table map, decoded anew by each iteration.

        For an update they alternate: before, after, before, after.
        """
        where = f"rows of table {self.table} before {self.position}"
        return RowImages(self.data, self.start, self.stop, table_map=self.table_map, where=where)

    @property
    def change_count(self) -> int:
        """How many rows were changed, found without decoding them."""
        images = sum(1 for _ in self.rows.spans())
        return images // 2 if self.kind == "update" else images


def _unpickled(
    table_map: TableMap, kind: RowKind, rows: bytes, file: BinlogPosition, end: int
) -> RowsEvent:
    return RowsEvent(_one_of_a_kind(table_map), kind, rows, 0, len(rows), file, end)


@lru_cache(1000)
def _one_of_a_kind(table_map: TableMap) -> TableMap:
    """One for all equal ones, so that what is made of it is made once."""
    return table_map


@dataclass(frozen=True, slots=True)
class QueryEvent:
    """A statement in the log: DDL, or anything else that was not logged as rows."""

    schema: str
    statement: str
    position: BinlogPosition
    timestamp: int
    in_transaction: bool
    session: Session = field(default_factory=Session)

    def may_concern(self, table: TableId) -> bool:
        """Whether the statement may have changed the table: to hold its name is enough."""
        return table.table.lower() in self.statement.lower()

    @property
    def ansi_quotes(self) -> bool:
        """Whether double quotes stand around names instead of texts."""
        return bool(self.session.sql_mode & 4)

    @property
    def backslash_escapes(self) -> bool:
        """Whether a backslash in a text escapes the next character; not so by a mode of its own."""
        return not self.session.sql_mode & 1 << 20

    @property
    def has_usual_types(self) -> bool:
        """Whether DATE is a DATE: not so in the modes ORACLE and MAXDB of MariaDB."""
        return not self.session.sql_mode & (1 << 9 | 1 << 12)

    @property
    def is_strict(self) -> bool:
        """Whether values that do not fit are refused, in STRICT_TRANS_TABLES or _ALL_TABLES."""
        return bool(self.session.sql_mode & 3 << 21)

    @property
    def pads_char(self) -> bool:
        """Whether CHAR is read with the blanks at its end, in PAD_CHAR_TO_FULL_LENGTH."""
        return bool(self.session.sql_mode & 1 << 31)


@dataclass(frozen=True, slots=True)
class RotateEvent:
    """Reading goes on at ``position``, in another file."""

    position: BinlogPosition


@dataclass(frozen=True, slots=True)
class FormatEvent:
    """The header of a binary log file; ``timestamp`` is when the file was begun."""

    position: BinlogPosition
    timestamp: int


BinlogEvent = TransactionBegin | TransactionEnd | RowsEvent | QueryEvent | RotateEvent | FormatEvent
