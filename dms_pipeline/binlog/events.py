"""What the replication stream yields: frozen values, already free of framing.

Every event but ``RowsEvent`` carries the position after it. A reader may resume at the
positions of ``TransactionEnd``, of a ``QueryEvent`` outside a transaction, and of ``RotateEvent``.
"""

from dataclasses import dataclass
from typing import Any, Literal

from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.table_id import TableId

Outcome = Literal["commit", "rollback", "xa_prepare"]
RowKind = Literal["insert", "update", "delete"]
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class TransactionBegin:
    """A transaction opens; ``start`` is where it begins, ``position`` is behind BEGIN."""

    start: int
    position: BinlogPosition
    timestamp: int


@dataclass(frozen=True, slots=True)
class TransactionEnd:
    """A transaction is complete. ``outcome`` says how; only ``commit`` made its rows visible."""

    start: int
    position: BinlogPosition
    timestamp: int
    outcome: Outcome = "commit"


@dataclass(frozen=True, slots=True)
class RowsEvent:
    """Rows of one table as raw column values in the order of the table map.

    For an update, ``rows`` alternates: before, after, before, after.
    """

    table: TableId
    kind: RowKind
    rows: list[Row]
    column_types: bytes

    @property
    def change_count(self) -> int:
        return len(self.rows) // 2 if self.kind == "update" else len(self.rows)


@dataclass(frozen=True, slots=True)
class QueryEvent:
    """A statement in the log: DDL, or anything else that was not logged as rows."""

    schema: str
    statement: str
    position: BinlogPosition
    timestamp: int
    in_transaction: bool


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
