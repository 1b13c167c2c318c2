"""What a load leaves behind: the checkpoint it reached, and a row of metrics a table."""

from dataclasses import dataclass
from datetime import datetime

from dms_pipeline.binlog.table_id import TableId


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """Where a pipeline's next load begins, and how it got there.

    ``checkpoint`` is DMS's own text, stored and replayed byte for byte. ``sequence`` counts the
    pipeline's checkpoints from 1; the ones before stay in the table as history. Times are UTC.
    ``behind`` is where the source was when the load began, if the load did not reach it, and
    ``behind_bytes`` how much of the binary log lies between; ``reason`` is what the person gave who
    set the checkpoint by hand.
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
    active_s: float = 0.0
    behind: str = ""
    behind_bytes: int = 0
    reason: str = ""


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


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What one load cost: seconds, and the configured price in USD an hour if there is one."""

    pipeline: str
    load_date: datetime
    run_id: str
    instance_class: str
    billed_s: float
    active_s: float
    price_per_hour_usd: float | None

    @property
    def idle_share(self) -> float:
        """The share of the billed time in which no task was active, from 0 to 1."""
        return max(0.0, 1 - self.active_s / self.billed_s) if self.billed_s else 0.0

    @property
    def cost_usd(self) -> float | None:
        if self.price_per_hour_usd is None:
            return None
        return self.price_per_hour_usd * self.billed_s / 3600

    @property
    def always_on_usd_per_day(self) -> float | None:
        """What an instance of the class costs that is never deleted."""
        return None if self.price_per_hour_usd is None else self.price_per_hour_usd * 24


@dataclass(frozen=True, slots=True)
class ApplyException:
    """A change that DMS could not apply on the target."""

    table: TableId
    error: str
    statement: str
