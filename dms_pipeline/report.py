"""The mails: what a person reads after a load. Pure text from records."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dms_pipeline.records import CheckpointRecord, LoadRecord


@dataclass(frozen=True, slots=True)
class Mail:
    """Subject and text of a notification."""

    subject: str
    text: str


def success_mail(
    record: CheckpointRecord, loads: Sequence[LoadRecord], *, billed_until: datetime, run_id: str
) -> Mail:
    """What a load did. ``billed_until`` is when its instance was gone."""
    counts = [load.counts for load in loads]
    full_load_rows = sum(count.full_load_rows for count in counts)
    summary = ", ".join(
        _plural(sum(getattr(count, f"{kind}s") for count in counts), kind)
        for kind in ("insert", "update", "delete")
    )
    if full_load_rows:
        summary = f"full load of {_plural(full_load_rows, 'row')}, {summary}"
    lines = [
        f"Pipeline {record.pipeline} was loaded: {summary}.",
        "",
        _table(loads),
        "",
        f"Began       {record.started_at:%Y-%m-%d %H:%M:%S} UTC",
        f"Ended       {record.stopped_at:%Y-%m-%d %H:%M:%S} UTC",
        f"Stopped     {record.stop_reason}",
        f"Checkpoint  number {record.sequence}: {record.checkpoint}",
    ]
    if record.instance_created_at is not None:
        billed = _duration(billed_until - record.instance_created_at)
        lines.append(f"Instance    {record.instance_class}, {billed} from creation to deletion")
    lines += [f"Run         {run_id}", "", "The replication instance and the task are deleted."]
    return Mail(subject=f"{record.pipeline} loaded: {summary}", text="\n".join(lines))


def failure_mail(*, pipeline: str, job: str, run_id: str, reason: str) -> Mail:
    """Why a run failed, and what to do about it."""
    return Mail(
        subject=f"{pipeline}: {job} failed",
        text="\n".join(
            [
                f"The run of {job} for pipeline {pipeline} failed:",
                "",
                reason,
                "",
                f"Run  {run_id}",
                "",
                "A run that fails before its step record_load leaves the checkpoint where it was.",
                "If the run made a replication instance or a task, they are kept for debugging and",
                "are billed. When the cause is mended, re-execute the run from its failure in the",
                f"UI, or remove what is left with `dms-pipeline cleanup {pipeline}` and run again.",
            ]
        ),
    )


def _table(loads: Sequence[LoadRecord]) -> str:
    """Tables with changes; how many had none."""
    busy = [load.counts for load in loads if load.counts.changes or load.counts.full_load_rows]
    rows = [("Table", "Full load", "Inserts", "Updates", "Deletes")]
    rows += [
        (
            str(count.table),
            str(count.full_load_rows),
            str(count.inserts),
            str(count.updates),
            str(count.deletes),
        )
        for count in busy
    ]
    width = max(len(row[0]) for row in rows)
    lines = [row[0].ljust(width) + "".join(cell.rjust(11) for cell in row[1:]) for row in rows]
    lines = lines if busy else []
    idle = len(loads) - len(busy)
    if idle:
        lines.append(f"{_plural(idle, 'table')} without changes")
    return "\n".join(lines)


def _duration(span: timedelta) -> str:
    seconds = span.total_seconds()
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.1f} minutes"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
