"""Net changes of the entries of a log: by functions over row images where the table allows it."""

from collections.abc import Callable, Iterable

from dms_pipeline.binlog.rows import RowImages
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.batch_applier import TableNet
from dms_pipeline.local_dms.engine.change_batch import BagChanges, NetChanges, TableChanges
from dms_pipeline.local_dms.engine.change_log import RowChanges
from dms_pipeline.local_dms.engine.copy_format import (
    CopyFormat,
    CopyRow,
    copy_line,
)
from dms_pipeline.local_dms.engine.row_applier import row_pairs
from dms_pipeline.local_dms.engine.row_tuples import RowTuples
from dms_pipeline.local_dms.engine.table_plan import TablePlan

PlanOf = Callable[[TableId], TablePlan | None]


class Netting:
    """Makes net changes of a log's entries; keeps what it has learned of the tables.

    Args:
        needs_text: whether a target table has other types than the plan, and takes only text.
    """

    def __init__(self, needs_text: Callable[[TablePlan], bool]) -> None:
        self._needs_text = needs_text
        self._tuples: dict[TableId, tuple[TablePlan, object, RowTuples | None]] = {}

    def net(self, log: Iterable[RowChanges], plan_of: PlanOf) -> list[TableNet]:
        """Net changes per table, ready to be written."""
        net: dict[TableId, _Merger] = {}
        for changes in log:
            merger = net.get(changes.table)
            if merger is None:
                plan = plan_of(changes.table)
                if plan is None:
                    continue
                merger = net[changes.table] = self._merger(plan, changes)
            merger.merge(changes)
        return [(merger.plan, merger.net()) for merger in net.values()]

    def _merger(self, plan: TablePlan, first: RowChanges) -> "_Merger":
        if not plan.key:
            return _Bag(plan)
        tuples = None if self._needs_text(plan) else self._tuples_of(plan, first)
        return _Rows(plan) if tuples is None else _Images(plan, tuples)

    def _tuples_of(self, plan: TablePlan, changes: RowChanges) -> RowTuples | None:
        if not isinstance(changes.rows, RowImages):
            return None
        columns = changes.rows.table_map.columns
        known = self._tuples.get(changes.table)
        if known is None or known[0] is not plan or known[1] != columns:
            known = (plan, columns, RowTuples.of(plan, columns))
            self._tuples[changes.table] = known
        return known[2]


class _Images:
    """Of a table whose row images become tuples of binary COPY."""

    def __init__(self, plan: TablePlan, tuples: RowTuples) -> None:
        self.plan = plan
        self._tuples = tuples
        self._changes = TableChanges(CopyFormat.BINARY, tuples.copy_tuple, tuples.copy_key)

    def merge(self, changes: RowChanges) -> None:
        tuples, rows = self._tuples, changes.rows
        if not (isinstance(rows, RowImages) and tuples.is_of(rows.table_map.columns)):
            raise ValueError("rows of one batch are laid out in more than one way")
        kind, data, offset, end = changes.kind, rows.data, rows.start, len(rows.data)
        walks, width, net = tuples.walks, tuples.bitmap_bytes, self._changes
        count = 0
        while offset < end:
            count += 1
            start = offset
            key, offset = walks[data[start : start + width]](data, start)
            if kind == "insert":
                net.came(kind, key, data, start)
            elif kind == "delete":
                net.went(kind, key, data, start)
            else:
                count += 1
                before, old_key, start = start, key, offset
                key, offset = walks[data[start : start + width]](data, start)
                if key == old_key:
                    net.came("update", key, data, start)
                else:
                    net.went("update", old_key, data, before)
                    net.came("insert", key, data, start)
        rows.walked(count, offset)

    def net(self) -> NetChanges:
        return self._changes.net()


class _Rows:
    """Of a table whose rows are decoded, and become lines; so do their keys."""

    def __init__(self, plan: TablePlan) -> None:
        self.plan = plan
        self._changes = TableChanges(CopyFormat.TEXT, _as_it_is, _as_it_is)

    def merge(self, changes: RowChanges) -> None:
        plan, net = self.plan, self._changes
        for before, after in row_pairs(plan, changes):
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

    def net(self) -> NetChanges:
        return self._changes.net()


class _Bag:
    """Of a table without a key."""

    def __init__(self, plan: TablePlan) -> None:
        self.plan = plan
        self._changes = BagChanges()

    def merge(self, changes: RowChanges) -> None:
        for before, after in row_pairs(self.plan, changes):
            if before is not None:
                self._changes.delete(self.plan.encode_binlog(before))
            if after is not None:
                self._changes.insert(self.plan.encode_binlog(after))

    def net(self) -> BagChanges:
        return self._changes


_Merger = _Images | _Rows | _Bag


def _as_it_is(line: bytes, _: int) -> CopyRow:
    return line
