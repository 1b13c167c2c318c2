"""What the end of a replication task means: ``stopped`` alone is not success.

https://docs.aws.amazon.com/dms/latest/APIReference/API_ReplicationTask.html lists the stop reasons.
"""

import re
from collections.abc import Iterable, Sequence

from dms_pipeline.aws.dms import ReplicationTask, TableStatistics
from dms_pipeline.binlog.position import BinlogPosition, parse_checkpoint
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import BinlogError, LoadError
from dms_pipeline.pipeline_config import StopSection
from dms_pipeline.records import ApplyException

# After one of these a task changes no more by itself.
FINAL_STATES = frozenset({"stopped", "failed", "failed-move", "deleting"})

_EXPECTED = {
    "cdc": {"STOPPED_AT_SERVER_TIME", "STOPPED_AT_COMMIT_TIME"},
    # Which of the two DMS gives after cached changes depends on where one reads: accept both.
    "full-load-and-cdc": {"STOPPED_AFTER_CACHED_EVENTS", "FULL_LOAD_ONLY_FINISHED"},
}
_IN_WORDS = {
    "NORMAL": "somebody stopped it",
    "STOPPED_AFTER_FULL_LOAD": "it stopped before the cached changes were applied",
    "STOPPED_AFTER_DDL_APPLY": "it was set to stop after a DDL statement",
    "RECOVERABLE_ERROR": "its retries were used up",
    "FATAL_ERROR": "it met a fatal error",
    "STOPPED_DUE_TO_LOW_MEMORY": "the instance ran out of memory: choose a larger class",
    "STOPPED_DUE_TO_LOW_DISK": "the instance ran out of disk: allocate more storage",
}
_AS_TOLD_IN_WORDS = {
    "STOPPED_AT_SERVER_TIME": "at its stop time",
    "STOPPED_AT_COMMIT_TIME": "at the first change committed after its start",
    "STOPPED_AFTER_CACHED_EVENTS": "once the changes made meanwhile were applied",
    "FULL_LOAD_ONLY_FINISHED": "once the changes made meanwhile were applied",
    "NORMAL": "at the end of its window, as no later change was committed",
}
_REASON = re.compile(r"Stop Reason ([A-Z_]+)")


def stop_reason(task: ReplicationTask) -> str:
    """The bare reason, such as ``STOPPED_AT_SERVER_TIME``; empty when DMS gave none."""
    found = _REASON.search(task.stop_reason)
    return found.group(1) if found else ""


def stop_in_words(reason: str) -> str:
    """Where a load stopped that went well, with DMS's own word for it."""
    words = _AS_TOLD_IN_WORDS.get(reason)
    return f"{words} ({reason})" if words else reason


def stopped_as_told(task: ReplicationTask) -> bool:
    return task.status == "stopped" and stop_reason(task) in _EXPECTED[task.migration_type]


def is_behind(task: ReplicationTask, end: BinlogPosition) -> bool:
    """Whether the load certainly missed something; an unreadable checkpoint proves nothing."""
    if task.migration_type != "cdc":
        return False
    try:
        return parse_checkpoint(task.recovery_checkpoint) < end
    except BinlogError:
        return False


def refuse_unexpected_stop(task: ReplicationTask, stop: StopSection) -> None:
    """Raises `LoadError` unless the task, which is in a final state, stopped where it was to."""
    reason = stop_reason(task)
    # A stop at a commit time is helped along by hand, which DMS reports as a normal stop.
    may_be_stopped = stop.at == "commit_time"
    if stopped_as_told(task) or (
        may_be_stopped and task.status == "stopped" and reason == "NORMAL"
    ):
        return
    words = _IN_WORDS.get(reason, reason or "DMS gives no reason")
    detail = task.last_failure or task.stop_reason
    raise LoadError(f"the task {task.identifier} is {task.status}: {words}. DMS says: {detail}")


def refuse_table_errors(
    task: ReplicationTask, statistics: Iterable[TableStatistics], tables: Iterable[TableId]
) -> None:
    """Raises `LoadError` if a table of the pipeline was suspended or never seen by the task.

    A suspended table does not stop a task, and the checkpoint moves past what the table missed.
    """
    by_table = {row.table: row for row in statistics}
    wrong = [
        f"{table}: {by_table[table].state if table in by_table else 'not selected by the mapping'}"
        for table in tables
        if table not in by_table
        or by_table[table].state in ("Table error", "Table does not exist", "Table cancelled")
    ]
    if wrong or task.tables_errored:
        named = "; ".join(wrong) or f"{task.tables_errored} table(s), which DMS does not name"
        raise LoadError(
            f"the task {task.identifier} did not load every table ({named}). "
            "The checkpoint was not moved."
        )


def refuse_apply_exceptions(task: ReplicationTask, exceptions: Sequence[ApplyException]) -> None:
    """Raises `LoadError` if rows of this task could not be applied: DMS logs them and goes on."""
    if exceptions:
        first = exceptions[0]
        raise LoadError(
            f"{len(exceptions)} change(s) could not be applied on the target; the first is of "
            f"{first.table}: {first.error} ({first.statement}). The checkpoint was not moved. They "
            f"are in awsdms_apply_exceptions under TASK_NAME {task.resource_id}"
        )
