"""Net changes of the entries of a log: by functions over row images where the table allows it."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dms_pipeline.binlog.column_sizes import ColumnFormat
from dms_pipeline.binlog.events import RowsEvent
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.binlog.table_map import TableMap
from dms_pipeline.local_dms.engine.change_batch import (
    BagChanges,
    Counts,
    NetChanges,
    TableChanges,
)
from dms_pipeline.local_dms.engine.copy_format import CopyFormat, CopyRow, copy_line
from dms_pipeline.local_dms.engine.row_pairs import row_pairs
from dms_pipeline.local_dms.engine.row_tuples import RowTuples
from dms_pipeline.local_dms.engine.table_plan import TablePlan

PlanOf = Callable[[TableId], TablePlan | None]
TableNet = tuple[TablePlan, NetChanges | BagChanges]


@dataclass(frozen=True, slots=True)
class Netted:
    """What is left of the changes of a log's entries, and how many changes those are."""

    tables: list[TableNet]
    counts: Counts


class Netting:
    """Makes net changes of a log's entries; keeps what it has learned of the tables.

    Args:
        needs_text: whether a target table has other types than the plan, and takes only text.
    """

    def __init__(self, needs_text: Callable[[TablePlan], bool]) -> None:
        self._needs_text = needs_text
        self._tuples: dict[TableId, tuple[TablePlan, RowTuples | None]] = {}

    def net(self, log: Iterable[RowsEvent], plan_of: PlanOf) -> Netted:
        """Net changes per table, ready to be written; tables without a plan are only counted."""
        mergers: dict[TableId, _Merger | None] = {}
        counts: Counts = Counter()
        for event in log:
            table = event.table
            if table not in mergers:
                plan = plan_of(table)
                mergers[table] = None if plan is None else self._merger(plan, event.table_map)
            merger = mergers[table]
            count = event.change_count if merger is None else merger.merge(event)
            counts[table, event.kind] += count
        return Netted([(each.plan, each.net()) for each in mergers.values() if each], counts)

    def _merger(self, plan: TablePlan, table_map: TableMap) -> "_Merger":
        if not plan.key:
            return _Bag(plan)
        tuples = None if self._needs_text(plan) else self._tuples_of(plan, table_map.columns)
        return _Rows(plan) if tuples is None else _Images(plan, tuples)

    def _tuples_of(self, plan: TablePlan, columns: tuple[ColumnFormat, ...]) -> RowTuples | None:
        known, tuples = self._tuples.get(plan.table_id, (None, None))
        if known is not plan or (tuples is not None and not tuples.is_of(columns)):
            tuples = RowTuples.of(plan, columns)
            self._tuples[plan.table_id] = (plan, tuples)
        return tuples


class _Images:
    """Of a table whose row images become tuples of binary COPY."""

    def __init__(self, plan: TablePlan, tuples: RowTuples) -> None:
        self.plan = plan
        self._tuples = tuples
        self._changes = TableChanges(CopyFormat.BINARY, tuples.copy_tuple, tuples.copy_key)

    def merge(self, event: RowsEvent) -> int:
        tuples = self._tuples
        if not tuples.is_of(event.table_map.columns):
            raise ValueError("rows of one batch are laid out in more than one way")
        _, kind, data, offset, stop, _, _ = event
        walks, width, net = tuples.walks, tuples.bitmap_bytes, self._changes
        count = 0
        while offset < stop:
            count += 1
            start = offset
            key, offset = walks[data[start : start + width]](data, start)
            if kind == "insert":
                net.came(kind, key, data, start)
            elif kind == "delete":
                net.went(kind, key, data, start)
            else:
                before, old_key, start = start, key, offset
                key, offset = walks[data[start : start + width]](data, start)
                if key == old_key:
                    net.came(kind, key, data, start)
                else:
                    net.went(kind, old_key, data, before)
                    net.came("insert", key, data, start)
        if offset != stop:
            event.rows.check_end(offset)
        return count

    def net(self) -> NetChanges:
        return self._changes.net()


class _Rows:
    """Of a table whose rows are decoded, and become lines; so do their keys."""

    def __init__(self, plan: TablePlan) -> None:
        self.plan = plan
        self._changes = TableChanges(CopyFormat.TEXT, _as_it_is, _as_it_is)

    def merge(self, event: RowsEvent) -> int:
        plan, net = self.plan, self._changes
        for before, after in row_pairs(plan, event):
            old = None if before is None else copy_line(plan.encode_key(before))
            if after is None:
                assert old is not None
                net.went("delete", old, old, 0)
                continue
            encoded = plan.encode_binlog(after)
            new, line = copy_line(plan.key_of(encoded)), copy_line(encoded)
            if old is not None and old != new:
                net.went("update", old, old, 0)
                old = None
            net.came("insert" if old is None else "update", new, line, 0)
        return event.change_count

    def net(self) -> NetChanges:
        return self._changes.net()


class _Bag:
    """Of a table without a key."""

    def __init__(self, plan: TablePlan) -> None:
        self.plan = plan
        self._changes = BagChanges()

    def merge(self, event: RowsEvent) -> int:
        for before, after in row_pairs(self.plan, event):
            if before is not None:
                self._changes.delete(self.plan.encode_binlog(before))
            if after is not None:
                self._changes.insert(self.plan.encode_binlog(after))
        return event.change_count

    def net(self) -> BagChanges:
        return self._changes


_Merger = _Images | _Rows | _Bag


def _as_it_is(line: bytes, _: int) -> CopyRow:
    return line
