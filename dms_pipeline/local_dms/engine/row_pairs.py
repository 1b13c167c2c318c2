"""Row changes as pairs of decoded rows, by the source filters of a table. Pure."""

from collections.abc import Iterator

from dms_pipeline.binlog.events import RowsEvent
from dms_pipeline.binlog.row_decoder import Row
from dms_pipeline.local_dms.engine.table_plan import TablePlan


def row_pairs(plan: TablePlan, changes: RowsEvent) -> Iterator[tuple[Row | None, Row | None]]:
    """Each change as the row before and the row after; what a source filter leaves out is None."""
    pairs = _pairs(changes)
    if plan.row_filter is None:
        yield from pairs
        return
    for before, after in pairs:
        kept = tuple(None if row is None or not plan.takes(row) else row for row in (before, after))
        if kept != (None, None):
            yield kept[0], kept[1]


def _pairs(changes: RowsEvent) -> Iterator[tuple[Row | None, Row | None]]:
    rows = iter(changes.rows)
    for row in rows:
        if changes.kind == "update":
            yield row, next(rows)
        else:
            yield (None, row) if changes.kind == "insert" else (row, None)
