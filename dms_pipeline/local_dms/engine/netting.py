"""Net changes of the entries of a log: by functions over row images where the table allows it."""

from collections.abc import Callable, Iterable

from dms_pipeline.binlog.rows import RowImages
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.batch_applier import TableNet
from dms_pipeline.local_dms.engine.change_batch import (
    BagChanges,
    EncodedRow,
    Key,
    Line,
    TableChanges,
)
from dms_pipeline.local_dms.engine.change_log import RowChanges
from dms_pipeline.local_dms.engine.full_load import copy_line
from dms_pipeline.local_dms.engine.row_applier import row_pairs
from dms_pipeline.local_dms.engine.row_lines import RowLines, can_be_lines
from dms_pipeline.local_dms.engine.table_plan import TablePlan

PlanOf = Callable[[TableId], TablePlan | None]


class Netting:
    """Makes net changes of a log's entries; keeps what it has learned of the tables."""

    def __init__(self) -> None:
        self._row_lines: dict[TableId, RowLines] = {}

    def net(self, log: Iterable[RowChanges], plan_of: PlanOf) -> list[TableNet]:
        """Net changes per table, ready to be written."""
        net: dict[TableId, tuple[TablePlan, TableChanges | BagChanges]] = {}
        for changes in log:
            plan = plan_of(changes.table)
            if plan is None:
                continue
            known = net.get(changes.table)
            if known is None:
                known = (plan, TableChanges() if plan.key else BagChanges())
                net[changes.table] = known
            if isinstance(known[1], BagChanges):
                _merge_bag(plan, known[1], changes)
            elif isinstance(changes.rows, RowImages) and can_be_lines(plan):
                _merge_images(self._lines_of(plan, changes.rows), known[1], changes)
            else:
                _merge_rows(plan, known[1], changes)
        return [
            (plan, changes.net() if isinstance(changes, TableChanges) else changes)
            for plan, changes in net.values()
        ]

    def _lines_of(self, plan: TablePlan, rows: RowImages) -> RowLines:
        lines = self._row_lines.get(plan.table_id)
        if lines is None or lines.plan is not plan or lines.columns is not rows.table_map.columns:
            lines = self._row_lines[plan.table_id] = RowLines(plan, rows.table_map.columns)
        return lines


def _merge_images(lines: RowLines, net: TableChanges, changes: RowChanges) -> None:
    rows = changes.rows
    assert isinstance(rows, RowImages)
    data, offset, end = rows.data, rows.start, len(rows.data)
    walk, line = lines.walk, lines.line
    count = 0
    while offset < end:
        count += 1
        start = offset
        key, offset = walk(data, offset)
        if changes.kind == "insert":
            net.insert(key, (line, data, start))
        elif changes.kind == "delete":
            net.delete(key)
        else:
            count += 1
            start = offset
            new_key, offset = walk(data, offset)
            net.update(key, new_key, (line, data, start))
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


def _as_it_is(line: bytes, _: int) -> Line:
    return line


def _merge_bag(plan: TablePlan, net: BagChanges, changes: RowChanges) -> None:
    for before, after in row_pairs(plan, changes):
        if before is not None:
            net.delete(plan.encode_binlog(before))
        if after is not None:
            net.insert(plan.encode_binlog(after))
