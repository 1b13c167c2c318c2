"""From events to batches: gathers the rows of whole transactions and nets them per table."""

from collections import Counter
from collections.abc import Iterator

from dms_pipeline.binlog.events import RowKind, RowsEvent
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.change_batch import TableChanges
from dms_pipeline.local_dms.engine.table_catalogue import TableCatalogue
from dms_pipeline.local_dms.engine.table_plan import TablePlan


class ChangeCollector:
    """Two stages: rows of the open transaction, and net changes of complete ones."""

    def __init__(self, catalogue: TableCatalogue) -> None:
        self._catalogue = catalogue
        self._open: list[RowsEvent] = []
        self._changes: dict[TableId, TableChanges] = {}
        self._counts: Counter[tuple[TableId, RowKind]] = Counter()
        self._encoded_types: dict[TableId, bytes] = {}
        self.row_count = 0

    @property
    def has_open_rows(self) -> bool:
        return bool(self._open)

    def add(self, event: RowsEvent) -> None:
        self._open.append(event)

    def discard_transaction(self) -> None:
        self._open.clear()

    def complete_transaction(self) -> Counter[tuple[TableId, RowKind]]:
        """Move the open transaction's rows into the batch; tells what was captured."""
        captured: Counter[tuple[TableId, RowKind]] = Counter()
        for event in self._open:
            self._merge(event)
            captured[event.table, event.kind] += event.change_count
        self._open.clear()
        self._counts += captured
        self.row_count += captured.total()
        return captured

    def changes(self) -> Iterator[tuple[TablePlan, TableChanges]]:
        for table, changes in self._changes.items():
            yield self._catalogue.plans[table], changes

    def clear(self) -> Counter[tuple[TableId, RowKind]]:
        """Forget the batch after it was applied; tells how many changes went into it."""
        counts, self._counts = self._counts, Counter()
        self._changes.clear()
        self.row_count = 0
        return counts

    def _merge(self, event: RowsEvent) -> None:
        plan = self._catalogue.plan_for_change(event.table)
        if self._encoded_types.get(event.table) != event.column_types:
            plan.check_columns(event.column_types)
            self._encoded_types[event.table] = event.column_types
        changes = self._changes.setdefault(event.table, TableChanges())
        rows = event.rows
        if event.kind == "insert":
            for row in rows:
                encoded = plan.encode_binlog(row)
                changes.insert(plan.key_of(encoded), encoded)
        elif event.kind == "delete":
            for row in rows:
                changes.delete(plan.encode_key(row))
        else:
            for before, after in zip(rows[::2], rows[1::2], strict=True):
                encoded = plan.encode_binlog(after)
                changes.update(plan.encode_key(before), plan.key_of(encoded), encoded)
