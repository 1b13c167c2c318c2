"""What the replication stream yields: frozen values, already free of framing.

Those that every transaction has are tuples, which are made several times as fast as other values.

Every event carries the position after it. A reader may resume at the positions of
``TransactionEnd``, of a ``QueryEvent`` outside a transaction, and of ``RotateEvent``. The events of
a compressed transaction all carry the position after the whole transaction.

An XA transaction that is prepared ends with the outcome ``xa_prepare`` and its id; what became of
it is a ``QueryEvent`` outside a transaction, maybe much later: see ``dms_pipeline.binlog.xa``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.query_event import Session
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.binlog.table_metadata import TableMetadata

Outcome = Literal["commit", "rollback", "xa_prepare"]
RowKind = Literal["insert", "update", "delete"]
Row = tuple[Any, ...]


class TransactionBegin(NamedTuple):
    """A transaction opens; ``start`` is where it begins, ``position`` is behind BEGIN."""

    start: int
    position: BinlogPosition
    timestamp: int


class TransactionEnd(NamedTuple):
    """A transaction is complete. ``outcome`` says how; only ``commit`` made its rows visible.

    ``xid`` is set for XA transactions, written as in the statements that decide on them.
    """

    start: int
    position: BinlogPosition
    timestamp: int
    outcome: Outcome = "commit"
    xid: str | None = None


class RowsEvent(NamedTuple):
    """Rows of one table as raw column values in the order of the table map.

    For an update, ``rows`` alternates: before, after, before, after. Off the stream, ``rows`` is
    decoded anew by each iteration; its length costs no decoding.
    """

    table: TableId
    kind: RowKind
    rows: Sequence[Row]
    column_types: bytes
    metadata: TableMetadata | None = None
    position: BinlogPosition | None = None

    def __repr__(self) -> str:
        # Rows are the source's data: not for logs.
        return f"<{self.kind} in {self.table} before {self.position}>"

    @property
    def change_count(self) -> int:
        """How many rows were changed, found without decoding them."""
        return len(self.rows) // 2 if self.kind == "update" else len(self.rows)


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
