"""Net changes of the entries of a log: by functions over row images where the table allows it."""

from collections.abc import Callable, Iterable

from dms_pipeline.binlog.rows import RowImages
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.batch_applier import TableNet
from dms_pipeline.local_dms.engine.change_batch import BagChanges, TableChanges
from dms_pipeline.local_dms.engine.change_log import RowChanges
from dms_pipeline.local_dms.engine.copy_format import (
    CopyFormat,
    CopyRow,
    EncodedRow,
    Key,
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
        net: dict[TableId, tuple[TablePlan, TableChanges | BagChanges]] = {}
        for changes in log:
            known = net.get(changes.table)
            if known is None:
                plan = plan_of(changes.table)
                if plan is None:
                    continue
                known = net[changes.table] = (plan, self._empty(plan, changes))
            plan, merged = known
            if isinstance(merged, BagChanges):
                _merge_bag(plan, merged, changes)
            elif merged.format is CopyFormat.BINARY:
                self._merge_images(plan, merged, changes)
            else:
                _merge_rows(plan, merged, changes)
        return [
            (plan, changes.net() if isinstance(changes, TableChanges) else changes)
            for plan, changes in net.values()
        ]

    def _empty(self, plan: TablePlan, first: RowChanges) -> TableChanges | BagChanges:
        if not plan.key:
            return BagChanges()
        is_binary = not self._needs_text(plan) and self._tuples_of(plan, first) is not None
        return TableChanges(CopyFormat.BINARY if is_binary else CopyFormat.TEXT)

    def _tuples_of(self, plan: TablePlan, changes: RowChanges) -> RowTuples | None:
        if not isinstance(changes.rows, RowImages):
            return None
        columns = changes.rows.table_map.columns
        known = self._tuples.get(changes.table)
        if known is None or known[0] is not plan or known[1] is not columns:
            known = (plan, columns, RowTuples.of(plan, columns))
            self._tuples[changes.table] = known
        return known[2]

    def _merge_images(self, plan: TablePlan, net: TableChanges, changes: RowChanges) -> None:
        tuples, rows = self._tuples_of(plan, changes), changes.rows
        if tuples is None:
            raise ValueError("rows of one batch are laid out in more than one way")
        assert isinstance(rows, RowImages)
        data, offset, end = rows.data, rows.start, len(rows.data)
        walk, copy_tuple = tuples.walk, tuples.copy_tuple
        count = 0
        while offset < end:
            count += 1
            start = offset
            key, offset = walk(data, offset)
            if changes.kind == "insert":
                net.insert(key, (copy_tuple, data, start))
            elif changes.kind == "delete":
                net.delete(key)
            else:
                count += 1
                start = offset
                new_key, offset = walk(data, offset)
                net.update(key, new_key, (copy_tuple, data, start))
        rows.walked(count, offset)


def _merge_rows(plan: TablePlan, net: TableChanges, changes: RowChanges) -> None:
    for before, after in row_pairs(plan, changes):
        if after is None:
            assert before is not None
            net.delete(_key(plan.encode_key(before)))
            continue
        encoded = plan.encode_binlog(after)
        key, image = _key(plan.key_of(encoded)), (_as_it_is, copy_line(encoded), 0)
        if before is None:
            net.insert(key, image)
        else:
            net.update(_key(plan.encode_key(before)), key, image)


def _key(fields: EncodedRow) -> Key:
    return copy_line(fields)[:-1]


def _as_it_is(line: bytes, _: int) -> CopyRow:
    return line


def _merge_bag(plan: TablePlan, net: BagChanges, changes: RowChanges) -> None:
    for before, after in row_pairs(plan, changes):
        if before is not None:
            net.delete(plan.encode_binlog(before))
        if after is not None:
            net.insert(plan.encode_binlog(after))
