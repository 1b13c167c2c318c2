"""Runs of tasks with bad luck: a runner around another one that lets injected faults strike.

A fault changes what the engine is told or what is heard of it, and a run that it ends was really
killed: nobody behind this runner can tell an injected fault from a true one.
"""

import logging
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

from dms_pipeline.local_dms.control_plane.fault_injection import FaultInjection
from dms_pipeline.local_dms.control_plane.injected_faults import (
    FailedTask,
    KilledTask,
    PurgedBinlog,
    StaleCheckpoint,
    SuspendedTable,
)
from dms_pipeline.local_dms.control_plane.task_runner import (
    OnMessage,
    TaskHandle,
    TaskRunner,
)
from dms_pipeline.local_dms.control_plane.unexpected_end import Message

logger = logging.getLogger(__name__)

_KILLED = "the engine process ended with status -9"
_PURGED = (
    "the source cannot send its binary log from {start}: (1236) Could not find first log file "
    "name in binary log index file. Changes are lost and a full load is needed"
)
_ROW_COUNTS = ("FullLoadRows", "AppliedInserts", "AppliedUpdates", "AppliedDeletes")
_LAST = ("stopped", "failed")

Stage = Callable[[Message], list[Message]]


class FaultyRunner:
    """Starts engines by `runner`; a run that no fault strikes is as `runner` makes it."""

    def __init__(self, runner: TaskRunner, injection: FaultInjection) -> None:
        """Let the faults of `injection` strike, also those that are set while a task runs."""
        self._runner = runner
        self._injection = injection

    def start(self, spec: dict[str, Any], on_message: OnMessage) -> TaskHandle:
        failure = _failure_at_start(spec, self._injection)
        if failure:
            for message in failure:
                on_message(message)
            return _NeverStarted()
        stages: list[Stage] = []
        suspended = self._injection.take_all(SuspendedTable, [spec["task_name"]])
        if suspended:
            spec = without_tables(spec, suspended)
            stages.append(_TableErrors(suspended, spec["counters"] or []))
        if spec["migration_type"] != "full-load":
            stale = self._injection.take(StaleCheckpoint, [spec["task_name"]])
            if stale:
                stages.append(_HeldCheckpoint(stale.value, spec["start"]["position"]))
        run = _Run(spec, on_message, stages=stages, injection=self._injection)
        run.attach(self._runner.start(spec, run.receive))
        return run

    def make_ready(self) -> None:
        self._runner.make_ready()

    def dismiss(self) -> None:
        self._runner.dismiss()


def _failure_at_start(spec: dict[str, Any], injection: FaultInjection) -> list[Message]:
    """The whole of a run that fails without an engine."""
    names = [spec["task_name"]]
    failed = injection.take(FailedTask, names, where=lambda f: f.applied_rows is None)
    if failed:
        return [_failed(failed.message, failed.reason)]
    start = spec["start"]["position"] or spec["start"]["time"]
    if start is not None and injection.take(PurgedBinlog, names):
        # A task is running when it asks for the log.
        return [{"type": "running"}, _failed(_PURGED.format(start=start))]
    return []


def _failed(message: str, reason: str = "FATAL_ERROR") -> Message:
    return {"type": "failed", "reason": reason, "message": message}


class _NeverStarted:
    """The handle of a run without an engine."""

    def stop(self) -> None:
        """Nothing runs."""

    def reload(self, tables: Sequence[dict[str, str]]) -> None:
        """Nothing runs."""

    def kill(self) -> None:
        """Nothing runs."""

    def wait(self, timeout_s: float) -> bool:
        return True


class _Run:
    """One engine, which is killed when a fault ends the run.

    What an engine still says between its end and the notice of it is not passed on, as the task has
    failed at the row at which the fault struck; only the checkpoint is that of the target.
    """

    def __init__(
        self,
        spec: dict[str, Any],
        on_message: OnMessage,
        *,
        stages: Sequence[Stage],
        injection: FaultInjection,
    ) -> None:
        self._names = [spec["task_name"]]
        self._on_message = on_message
        self._stages = stages
        self._injection = injection
        self._rows_before = applied_rows(spec["counters"] or [])
        self._rows: int | None = None
        self._end: Message | None = None
        self._attached = threading.Event()
        self._handle: TaskHandle = _NeverStarted()

    def attach(self, handle: TaskHandle) -> None:
        """Take over the engine, which may have said all by now."""
        self._handle = handle
        self._attached.set()
        if self._end is not None:
            handle.kill()

    def receive(self, message: Message) -> None:
        ending = self._end
        if ending is not None and message["type"] != "stored_checkpoint":
            if message["type"] in _LAST:
                self._on_message(ending)
            return
        passed = [message]
        for stage in self._stages:
            passed = [result for earlier in passed for result in stage(earlier)]
        for result in passed:
            self._on_message(result)
        if ending is None and message["type"] not in _LAST:
            self._end_if_due(message)

    def _end_if_due(self, message: Message) -> None:
        if message["type"] == "running":
            self._rows = self._rows or 0
        elif message["type"] == "tables":
            self._rows = max(0, applied_rows(message["tables"]) - self._rows_before)
        if self._rows is None:
            return
        self._end = self._due_end(self._rows)
        if self._end is not None and self._attached.is_set():
            self._handle.kill()

    def _due_end(self, rows: int) -> Message | None:
        killed = self._injection.take(
            KilledTask, self._names, where=lambda f: f.applied_rows <= rows
        )
        if killed:
            return _failed(_KILLED)
        failed = self._injection.take(
            FailedTask,
            self._names,
            where=lambda f: f.applied_rows is not None and f.applied_rows <= rows,
        )
        return _failed(failed.message, failed.reason) if failed else None

    def stop(self) -> None:
        self._handle.stop()

    def reload(self, tables: Sequence[dict[str, str]]) -> None:
        self._handle.reload(tables)

    def kill(self) -> None:
        self._handle.kill()

    def wait(self, timeout_s: float) -> bool:
        return self._handle.wait(timeout_s)


def applied_rows(tables: Sequence[dict[str, Any]]) -> int:
    return sum(row.get(name, 0) for row in tables for name in _ROW_COUNTS)


class _HeldCheckpoint:
    """Shows a checkpoint that is not the true one, which follows at the end if none was given."""

    def __init__(self, value: str | None, start: str | None) -> None:
        self._until_stop = value is None
        self._shown = value if value is not None else _as_checkpoint(start)
        self._true: Message | None = None

    def __call__(self, message: Message) -> list[Message]:
        if message["type"] in ("checkpoint", "stored_checkpoint"):
            self._true = message
            return []
        if message["type"] == "running":
            return [message, {"type": "checkpoint", "value": self._shown}]
        if message["type"] == "stopped" and self._until_stop and self._true:
            return [self._true, message]
        return [message]


def _as_checkpoint(start: str | None) -> str:
    """The position at which a run starts, if it may stand as its checkpoint."""
    return start if start and start.startswith("checkpoint:") else ""


class _TableErrors:
    """Shows tables that the engine was not told of as suspended."""

    def __init__(
        self, suspended: Sequence[SuspendedTable], counters: Sequence[dict[str, Any]]
    ) -> None:
        former = {(row["SchemaName"], row["TableName"]): row for row in counters}
        self._rows = {
            (fault.schema_name, fault.table_name): {
                **former.get((fault.schema_name, fault.table_name), {}),
                "SchemaName": fault.schema_name,
                "TableName": fault.table_name,
                "TableState": "Table error",
            }
            for fault in suspended
        }

    def __call__(self, message: Message) -> list[Message]:
        if message["type"] == "tables":
            others = [
                row
                for row in message["tables"]
                if (row["SchemaName"], row["TableName"]) not in self._rows
            ]
            return [{**message, "tables": [*others, *self._rows.values()]}]
        if message["type"] == "progress":
            errored = message["tables_errored"] + len(self._rows)
            return [{**message, "tables_errored": errored}]
        return [message]


def without_tables(spec: dict[str, Any], suspended: Sequence[SuspendedTable]) -> dict[str, Any]:
    """A specification that leaves out the tables, so that their rows really stay behind."""
    mappings, settings = spec["table_mappings"], spec["task_settings"]
    excluded = [_exclusion(fault, number) for number, fault in enumerate(suspended)]
    behavior = {**settings["ErrorBehavior"], "FailOnNoTablesCaptured": False}
    return {
        **spec,
        "table_mappings": {**mappings, "rules": [*mappings["rules"], *excluded]},
        "task_settings": {**settings, "ErrorBehavior": behavior},
    }


def _exclusion(fault: SuspendedTable, number: int) -> dict[str, Any]:
    return {
        "rule-type": "selection",
        "rule-id": f"suspended-{number}",
        "rule-name": f"suspended-{number}",
        "object-locator": {
            "schema-name": _literally(fault.schema_name),
            "table-name": _literally(fault.table_name),
        },
        "rule-action": "exclude",
    }


def _literally(name: str) -> str:
    """The pattern of a table mapping that only this name matches."""
    return re.sub(r"[%_\[]", r"[\g<0>]", name)
