"""What a load leaves behind: the checkpoint it reached, and a row of metrics a table."""

from dataclasses import dataclass
from datetime import datetime

from dms_pipeline.binlog.table_id import TableId


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """Where a pipeline's next load begins, and how it got there.

    ``checkpoint`` is DMS's own text, stored and replayed byte for byte. ``sequence`` counts the
    pipeline's checkpoints from 1; the one before stays in the table as history. Times are UTC.
    """

    pipeline: str
    sequence: int
    checkpoint: str
    run_id: str
    task_arn: str
    stop_reason: str
    source_server: str
    instance_class: str
    instance_created_at: datetime | None
    started_at: datetime
    stopped_at: datetime


@dataclass(frozen=True, slots=True)
class TableLoad:
    """What one load did to one table: changes captured on the source, applied on the target."""

    table: TableId
    inserts: int
    updates: int
    deletes: int
    ddls: int
    applied_inserts: int
    applied_updates: int
    applied_deletes: int
    full_load_rows: int

    @property
    def changes(self) -> int:
        return self.inserts + self.updates + self.deletes


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """One load of one table as a row of the metrics table. ``load_date`` is UTC."""

    pipeline: str
    load_date: datetime
    run_id: str
    counts: TableLoad
