"""Counters per table, named as DescribeTableStatistics names them."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from dms_pipeline.binlog.events import RowKind
from dms_pipeline.binlog.table_id import TableId

_COUNTERS = (
    "Inserts", "Deletes", "Updates", "Ddls",
    "AppliedInserts", "AppliedDeletes", "AppliedUpdates", "AppliedDdls",
    "FullLoadRows", "FullLoadErrorRows",
)  # fmt: skip
_COUNTER_OF_KIND: dict[RowKind, str] = {
    "insert": "Inserts",
    "update": "Updates",
    "delete": "Deletes",
}
_RELOADING = "Table is being reloaded"


@dataclass(slots=True)
class TableCounters:
    """What happened to one table since the task was freshly started."""

    table_id: TableId
    state: str
    counters: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTERS, 0))
    full_load_start: float | None = None
    full_load_end: float | None = None
    is_reloaded: bool = False
    is_suspended: bool = False
    """Its changes are not applied, whatever its state says while it is loaded again."""

    def as_message(self) -> dict[str, Any]:
        message: dict[str, Any] = {
            "SchemaName": self.table_id.schema,
            "TableName": self.table_id.table,
            **self.counters,
            "TableState": self.state,
            "FullLoadReloaded": self.is_reloaded,
        }
        if self.full_load_start is not None:
            message["FullLoadStartTime"] = self.full_load_start
        if self.full_load_end is not None:
            message["FullLoadEndTime"] = self.full_load_end
        return message


class TableStatistics:
    """All tables of a task. Counts continue from ``prior`` when a task is resumed."""

    def __init__(
        self,
        tables: Iterable[TableId],
        *,
        state: str,
        prior: Iterable[dict[str, Any]] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._tables = {table: TableCounters(table, state) for table in tables}
        for row in prior:
            known = self._tables.get(TableId(row["SchemaName"], row["TableName"]))
            if known is not None:
                known.counters |= {name: int(row.get(name) or 0) for name in _COUNTERS}
                known.full_load_start = row.get("FullLoadStartTime")
                known.full_load_end = row.get("FullLoadEndTime")
                known.is_reloaded = bool(row.get("FullLoadReloaded"))
                if row.get("TableState") == "Table error":
                    # What was not applied meanwhile is missing for good.
                    known.state, known.is_suspended = "Table error", True
                elif _is_cut_off(row):
                    # It may have been in error before.
                    known.state, known.is_suspended = _RELOADING, True

    def add_table(self, table: TableId) -> None:
        self._tables.setdefault(table, TableCounters(table, "Table completed"))

    def suspended(self) -> list[TableId]:
        return [table for table, row in self._tables.items() if row.is_suspended]

    def reload_begun(self, tables: Iterable[TableId]) -> None:
        for table in tables:
            self.add_table(table)
            self._tables[table].state = _RELOADING
            self._tables[table].is_reloaded = True

    def being_reloaded(self) -> list[TableId]:
        """Those whose reload has not begun to load, or was cut off by the end of a former run."""
        return [table for table, row in self._tables.items() if row.state == _RELOADING]

    def captured(self, table: TableId, kind: RowKind, count: int) -> None:
        self.add_table(table)
        self._tables[table].counters[_COUNTER_OF_KIND[kind]] += count

    def applied(self, table: TableId, kind: RowKind, count: int) -> None:
        self._tables[table].counters["Applied" + _COUNTER_OF_KIND[kind]] += count

    def captured_ddl(self, table: TableId) -> None:
        self.add_table(table)
        self._tables[table].counters["Ddls"] += 1

    def applied_ddl(self, table: TableId) -> None:
        self._tables[table].counters["AppliedDdls"] += 1

    def full_load_started(self, table: TableId) -> None:
        counters = self._tables[table]
        counters.state, counters.full_load_start = "Full load", self._clock()
        counters.counters["FullLoadRows"] = 0

    def full_load_rows(self, table: TableId, rows: int) -> None:
        self._tables[table].counters["FullLoadRows"] = rows

    def full_load_row_failed(self, table: TableId) -> None:
        self._tables[table].counters["FullLoadErrorRows"] += 1

    def full_load_finished(self, table: TableId) -> None:
        counters = self._tables[table]
        counters.state, counters.full_load_end = "Table completed", self._clock()
        counters.is_suspended = False

    def failed(self, table: TableId) -> None:
        self.add_table(table)
        self._tables[table].state = "Table error"
        self._tables[table].is_suspended = True

    def tables_message(self) -> dict[str, Any]:
        return {"type": "tables", "tables": [t.as_message() for t in self._tables.values()]}

    def progress_message(self) -> dict[str, Any]:
        states = [table.state for table in self._tables.values()]
        loaded = states.count("Table completed")
        return {
            "type": "progress",
            "full_load_percent": 100 * loaded // len(states) if states else 100,
            "tables_loaded": loaded,
            "tables_loading": states.count("Full load"),
            "tables_queued": states.count("Before load"),
            "tables_errored": states.count("Table error"),
        }


def _is_cut_off(row: dict[str, Any]) -> bool:
    """Whether the table's reload did not end before its run did."""
    loading = row.get("TableState") == "Full load" and row.get("FullLoadReloaded")
    return bool(loading) or row.get("TableState") == _RELOADING
