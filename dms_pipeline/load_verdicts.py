"""What a load left behind, judged: counters, errors, checkpoint, the log of the source. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dms_pipeline.binlog.position import parse_checkpoint
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.log_retention import LOADS_KEPT, missable_loads
from dms_pipeline.pipeline_config import ScheduleSection
from dms_pipeline.records import ApplyException, CheckpointRecord, LoadRecord, TableLoad
from dms_pipeline.resources.source import SourceServer

_SHOWN = 20
_BY_HAND = "the checkpoint was set by hand, not by a load"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of one check.

    Attributes:
        description: what was found, in one line.
        passed: whether all is well.
        is_error: whether the tables are wrong, or the next load is sure to fail.
        numbers: what the UI plots.
        lines: what is wrong, one by one.
        moment: until when all stays well; None if that is not known.
    """

    description: str
    passed: bool = False
    is_error: bool = False
    numbers: Mapping[str, int] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    moment: datetime | None = None


def inconclusive(reason: str) -> Verdict:
    """Never a pass: a warning that says why a check cannot decide."""
    return Verdict(f"inconclusive: {reason}")


def all_applied(record: CheckpointRecord, loads: Sequence[LoadRecord]) -> Verdict:
    """Whether DMS applied as many changes of each table as it captured.

    https://docs.aws.amazon.com/dms/latest/APIReference/API_TableStatistics.html names the counters.
    """
    if not record.task_arn:
        return inconclusive(_BY_HAND)
    if not loads:
        return inconclusive("the metrics table has no rows of the last load")
    captured = sum(load.counts.changes for load in loads)
    lines = [line for load in loads if (line := _unapplied(load.counts))]
    return Verdict(
        f"{len(lines)} of {len(loads)} tables: {lines[0]}"
        if lines
        else f"{captured} changes captured and applied",
        passed=not lines,
        numbers={"captured_changes": captured, "tables_with_differences": len(lines)},
        lines=tuple(lines[:_SHOWN]),
    )


def _unapplied(counts: TableLoad) -> str:
    kinds = {
        "inserts": (counts.inserts, counts.applied_inserts),
        "updates": (counts.updates, counts.applied_updates),
        "deletes": (counts.deletes, counts.applied_deletes),
    }
    unequal = [
        f"{applied} of {captured} {kind} applied"
        for kind, (captured, applied) in kinds.items()
        if captured != applied
    ]
    return f"{counts.table}: {', '.join(unequal)}" if unequal else ""


def no_table_errors(
    exceptions: Iterable[ApplyException], suspended: Iterable[ApplyException]
) -> Verdict:
    """Whether DMS's control tables tell of tables that a load left wrong.

    https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.ControlTable.html
    """
    lines = [f"{one.table}: {one.error}" for one in exceptions]
    stopped = [f"{one.table} was suspended: {one.error}" for one in suspended]
    found = stopped + lines
    return Verdict(
        f"{len(stopped)} tables suspended, {len(lines)} changes not applied; {found[0]}"
        if found
        else "no table suspended, every change applied",
        passed=not found,
        is_error=True,
        numbers={"suspended_tables": len(stopped), "apply_exceptions": len(lines)},
        lines=tuple(found[:_SHOWN]),
    )


def checkpoint_advanced(record: CheckpointRecord, before: CheckpointRecord | None) -> Verdict:
    """Whether the last load moved the checkpoint as far as the source was when it began.

    Raises:
        BinlogError: if a checkpoint cannot be read, whose text DMS does not document.
    """
    numbers = {"checkpoint_sequence": record.sequence, "behind_bytes": record.behind_bytes}
    if not record.task_arn:
        return inconclusive(_BY_HAND)
    if record.behind:
        return Verdict(
            f"the load is behind: the source was at {record.behind} when it began, "
            f"{record.behind_bytes} bytes of binary log further",
            numbers=numbers,
        )
    position = parse_checkpoint(record.checkpoint)
    same_server = before is not None and before.source_server == record.source_server
    if before is not None and same_server and parse_checkpoint(before.checkpoint) > position:
        return Verdict(f"it went back from {before.checkpoint} to {position}", numbers=numbers)
    return Verdict(f"it is at {position}", passed=True, numbers=numbers)


def binary_log_kept(
    record: CheckpointRecord, server: SourceServer, schedule: ScheduleSection, now: datetime
) -> Verdict:
    """Whether the source keeps its binary log long enough for the next loads.

    Raises:
        BinlogError: if the checkpoint cannot be read, whose text DMS does not document.
    """
    refusal = server.why_not_from(parse_checkpoint(record.checkpoint))
    if record.source_server != server.identity:
        refusal = f"the checkpoint is of another server ({record.source_server})"
    if refusal:
        return Verdict(f"the next load cannot begin: {refusal}", is_error=True)
    missable = missable_loads(server.retention_s, schedule, now)
    if missable is None or server.retention_s is None:
        return Verdict("the source is not known to delete binary logs", passed=True)
    # What the next load reads was written after the last one stopped.
    until = record.stopped_at + timedelta(seconds=server.retention_s)
    return Verdict(
        f"{missable} loads in a row may be missed; the log from the checkpoint on is kept until "
        f"{until:%Y-%m-%d %H:%M} UTC at least",
        passed=missable >= LOADS_KEPT - 1,
        numbers={"loads_that_may_be_missed": missable},
        moment=until,
    )


def no_drift(drifted: Mapping[TableId, Sequence[str]], unlisted: Sequence[TableId]) -> Verdict:
    """Whether source, target, mapping and pipeline.yaml still speak of the same tables."""
    lines = [f"{table}.{problem}" for table, problems in drifted.items() for problem in problems]
    lines += [
        f"{table}: the mapping selects it, pipeline.yaml does not list it" for table in unlisted
    ]
    return Verdict(
        f"{len(lines)} found; {lines[0]}" if lines else "source, target and mapping agree",
        passed=not lines,
        numbers={
            "drifted_columns": sum(map(len, drifted.values())),
            "unlisted_tables": len(unlisted),
        },
        lines=tuple(lines[:_SHOWN]),
    )
