"""The mails: what a person reads after a load. Pure text from records."""

from collections.abc import Sequence
from dataclasses import dataclass

from dms_pipeline.records import CheckpointRecord, LoadRecord, RunRecord
from dms_pipeline.task_outcome import stop_in_words


@dataclass(frozen=True, slots=True)
class Mail:
    """Subject and text of a notification."""

    subject: str
    text: str


def success_mail(
    record: CheckpointRecord,
    loads: Sequence[LoadRecord],
    run: RunRecord | None,
    *,
    run_id: str,
    link: str = "",
) -> Mail:
    """What a load did, and what it cost; ``link`` leads to the run."""
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
        f"Stopped     {stop_in_words(record.stop_reason)}",
        f"Checkpoint  number {record.sequence}: {record.checkpoint}",
    ]
    if record.behind:
        lines += [
            f"Behind      the source was at {record.behind} when the load began,",
            f"            {record.behind_bytes} bytes of binary log further; the next carries on",
        ]
    if run is not None:
        lines += _cost_lines(run)
    lines += [f"Run         {run_id}"]
    if link:
        lines.append(f"            {link}")
    how_far = ", but is behind" if record.behind else ""
    return Mail(subject=f"{record.pipeline} loaded{how_far}: {summary}", text="\n".join(lines))


def failure_mail(
    *, pipeline: str, job: str, run_id: str, reason: str, left: Sequence[str], link: str = ""
) -> Mail:
    """Why a run failed, and what is ``left`` of it: one of the texts below."""
    return Mail(
        subject=f"{pipeline}: {job} failed",
        text="\n".join(
            [
                f"The run of {job} for pipeline {pipeline} failed:",
                "",
                reason,
                "",
                f"Run  {run_id}",
                *([f"     {link}"] if link else []),
                "",
                "A run that fails before its step record_load leaves the checkpoint where it was.",
                *left,
            ]
        ),
    )


def remaining(pipeline: str, kept: Sequence[str]) -> list[str]:
    """A failed run's objects are there, and wait for somebody."""
    if not kept:
        return ["Nothing of it is left on AWS."]
    return [
        *kept,
        "",
        "When the cause is mended, re-execute the run from its failure in the UI, or remove",
        f"what is left with `dms-pipeline cleanup {pipeline}` and run again.",
    ]


def remaining_after_cleanup(pipeline: str, there: Sequence[str]) -> list[str]:
    """A clean-up failed; what is there is whoever's."""
    if not there:
        return ["Nothing is left on AWS. The lease may be: the clean-up, repeated, frees it."]
    return [*there, "", f"When the cause is mended, repeat it: `dms-pipeline cleanup {pipeline}`."]


def deleted(pipeline: str) -> list[str]:
    """A failed run's objects are being deleted, as its pipeline wants."""
    return [
        "What it had made on AWS is being deleted (on_failure: delete); another mail comes only if",
        "that fails. When the cause is mended, run again:",
        f"`dms-pipeline run {pipeline} incremental`, or re-execute all steps in the UI.",
    ]


def continued(goes_on: str, *, is_kept: bool) -> list[str]:
    """A failed run's objects have been taken over."""
    in_use = "It takes over what is left on AWS." if is_kept else "Nothing of it is left on AWS."
    return [f"{goes_on} {in_use} There is nothing to do unless that fails too."]


def unknown_left(pipeline: str, trouble: str) -> list[str]:
    """A failed run's objects could not be seen or deleted."""
    return [
        "It may have left an instance and a task, which are billed; looking for them failed:",
        trouble,
        "",
        f"Once AWS answers again, remove them with `dms-pipeline cleanup {pipeline}`.",
    ]


def expired_mail(*, pipeline: str, removed: Sequence[str]) -> Mail:
    """What the janitor removed because its time was over."""
    return Mail(
        subject=f"{pipeline}: expired leftovers removed",
        text="\n".join(
            [
                f"These were left by a failed run of pipeline {pipeline} and have expired:",
                "",
                *removed,
                "",
                "They were deleted. The checkpoint is where it was; the next run may start.",
            ]
        ),
    )


def broken_mail(*, pipeline: str, reason: str) -> Mail:
    """A pipeline that Dagster cannot load is not scheduled either; nobody else would notice."""
    return Mail(
        subject=f"{pipeline} is not loaded: its configuration is wrong",
        text="\n".join(
            [
                f"Pipeline {pipeline} has no schedule and no runs until this is mended:",
                "",
                reason,
                "",
                "Then reload the code location in Dagster's UI. Other pipelines go on.",
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


def _cost_lines(run: RunRecord) -> list[str]:
    """Billed time, and what of it DMS worked; money only where the configuration has a price."""
    billed = (
        f"Billed      {_duration(run.billed_s)} of {run.instance_class}, "
        f"{run.idle_share:.0%} of it with no task active"
    )
    if run.cost_usd is None:
        return [billed]
    always_on = f"{run.always_on_usd_per_day:.2f} USD a day"
    return [billed, f"Cost        {run.cost_usd:.4f} USD; always on, it would be {always_on}"]


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.1f} minutes"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
