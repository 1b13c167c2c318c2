"""The runs of tasks: what the engine is told, and what its messages make of the task.

The engine may be done before anybody has seen the task start; the task's life keeps `starting` and
`running` until they were shown. A message of an earlier run changes nothing.
"""

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from dms_pipeline.local_dms.control_plane.endpoint_login import (
    SecretReader,
    capture_settings,
    connection_settings,
)
from dms_pipeline.local_dms.control_plane.lifecycle import GONE, Life, Phase
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.resources import (
    Endpoint,
    ReplicationInstance,
    ReplicationTask,
    TaskRun,
)
from dms_pipeline.local_dms.control_plane.task_documents import (
    CdcStart,
    parsed_cdc_start,
    parsed_cdc_stop,
)
from dms_pipeline.local_dms.control_plane.task_runner import TaskHandle, TaskRunner
from dms_pipeline.local_dms.control_plane.timing import Timing
from dms_pipeline.local_dms.control_plane.unexpected_end import (
    Message,
    StoredCheckpoint,
    last_messages,
)

logger = logging.getLogger(__name__)

_INTERRUPTED = (
    "The local DMS ended while the task was running. The recovery checkpoint is kept, resume the"
    " task or start a new one from it"
)
ENDED = ("stopped", "failed")
_SAVE_INTERVAL_S = 1.0
_STOP_ALL_S = 10.0


class TaskExecution:
    """Starts and stops engines, and keeps the tasks in step with them."""

    def __init__(
        self,
        registry: Registry,
        timing: Timing,
        *,
        runner: TaskRunner,
        read_secret: SecretReader,
        stored_checkpoint: StoredCheckpoint,
        background: Callable[[Callable[[], None]], None],
    ) -> None:
        """Tasks that a former process left running have failed: their engines end with it.

        They are shown as failed when the target has told where they stand.
        """
        self._registry = registry
        self._timing = timing
        self._runner = runner
        self._read_secret = read_secret
        self._stored_checkpoint = stored_checkpoint
        self._handles: dict[str, TaskHandle] = {}
        self._saved_at: dict[str, float] = {}
        for task in registry.all(ReplicationTask):
            if task.life.final_status in ("starting", "running", "stopping"):
                life = registry.begin(Phase(task.life.final_status)).seen()
                interrupted = registry.save(replace(task, life=life))
                background(partial(self._end_interrupted, interrupted))

    def _end_interrupted(self, task: ReplicationTask) -> None:
        assert task.run is not None

        def find() -> str | None:
            return self._stored_checkpoint(self._spec(task, resume=True))

        for message in last_messages(find, text=_INTERRUPTED, reason="RECOVERABLE_ERROR"):
            self._receive(task.arn, task.run.number, message)

    def start(self, task: ReplicationTask, *, resume: bool) -> ReplicationTask:
        """Begin a run of `task`, whose positions are already those of this run."""
        now = self._registry.clock()
        former = task.run
        started = replace(
            task,
            life=self._registry.begin(self._timing.phase("task", "starting", task.identifier)),
            recovery_checkpoint=task.recovery_checkpoint if resume else "",
            run=TaskRun(
                number=former.number + 1 if former else 1,
                fresh_started_at=former.fresh_started_at if former and resume else now,
                started_at=now,
                progress=dict(former.progress) if former and resume else {},
                tables=list(former.tables) if former and resume else [],
            ),
        )
        self._registry.save(started)
        self._launch(started, resume=resume)
        return started

    def _launch(self, task: ReplicationTask, *, resume: bool) -> None:
        assert task.run is not None
        number = task.run.number
        try:
            spec = self._spec(task, resume=resume)
            handle = self._runner.start(
                spec, lambda message: self._receive(task.arn, number, message)
            )
        except (ValueError, OSError) as error:
            failed: Message = {"type": "failed", "reason": "FATAL_ERROR", "message": str(error)}
            self._receive(task.arn, number, failed)
        else:
            self._handles[task.arn] = handle

    def _spec(self, task: ReplicationTask, *, resume: bool) -> dict[str, Any]:
        assert task.run is not None
        source = self._registry.get(Endpoint, task.source_arn, "Endpoint")
        target = self._registry.get(Endpoint, task.target_arn, "Endpoint")
        start = parsed_cdc_start(task.start_position, task.start_time)
        if resume and task.recovery_checkpoint:
            start = CdcStart(position=task.recovery_checkpoint)
        return {
            "task_id": task.resource_id,
            "task_name": task.identifier,
            "migration_type": task.migration_type,
            "source": connection_settings(source, self._read_secret) | capture_settings(source),
            "target": connection_settings(target, self._read_secret),
            "table_mappings": json.loads(task.table_mappings),
            "task_settings": json.loads(task.settings),
            "start": {"position": start.position, "time": start.time},
            "resume": resume,
            "stop_position": parsed_cdc_stop(task.stop_position),
            "counters": task.run.tables if resume else None,
        }

    def keep_ready(self) -> None:
        """Have an engine wait for the next start as long as there are instances."""
        instances = self._registry.all(ReplicationInstance)
        if any(instance.life.final_status != GONE for instance in instances):
            self._runner.make_ready()
        else:
            self._runner.dismiss()

    def stop(self, task: ReplicationTask) -> ReplicationTask:
        """Show `stopping`, and whatever the run has already come to after it."""
        stopping = self._timing.phase("task", "stopping", task.identifier)
        life = self._registry.begin(stopping, *task.life.phases[1:])
        stopped = self._registry.save(replace(task, life=life))
        if handle := self._handles.get(task.arn):
            handle.stop()
        return stopped

    def reload(self, task: ReplicationTask, tables: Sequence[dict[str, str]]) -> None:
        """Have the engine load tables again; they show it from now on."""
        assert task.run is not None
        reloading = [*task.run.reloading, *tables]
        run = replace(task.run, reloading=reloading, tables=_shown(task.run.tables, reloading))
        self._registry.save(replace(task, run=run))
        if handle := self._handles.get(task.arn):
            handle.reload(tables)

    def stop_all(self) -> None:
        """Stop every engine in order, and kill those that do not end in time."""
        self._runner.dismiss()
        with self._registry.lock:
            handles = list(self._handles.values())
        for handle in handles:
            handle.stop()
        deadline = time.monotonic() + _STOP_ALL_S
        for handle in handles:
            if not handle.wait(max(0.0, deadline - time.monotonic())):
                logger.warning("an engine did not stop within %d s and is killed", _STOP_ALL_S)
                handle.kill()
                handle.wait(1.0)

    def _receive(self, arn: str, number: int, message: Message) -> None:
        with self._registry.lock:
            task = self._registry.find(ReplicationTask, arn)
            if task is None or task.run is None or task.run.number != number:
                return
            if task.life.final_status in ENDED:
                return
            self._apply(task, task.run, message)

    def _apply(self, task: ReplicationTask, run: TaskRun, message: Message) -> None:
        match message["type"]:
            case "running":
                self._registry.save(replace(task, life=_now_running(task.life)))
            case "checkpoint" | "stored_checkpoint":
                self._save_sometimes(replace(task, recovery_checkpoint=message["value"]))
            case "tables":
                tables = [
                    {**row, "LastUpdateTime": self._registry.clock()} for row in message["tables"]
                ]
                shown = _shown(tables, run.reloading)
                self._save_sometimes(replace(task, run=replace(run, tables=shown)))
            case "reloading":
                waiting = [table for table in run.reloading if table not in message["tables"]]
                self._save_sometimes(replace(task, run=replace(run, reloading=waiting)))
            case "progress":
                progress = {name: value for name, value in message.items() if name != "type"}
                self._save_sometimes(replace(task, run=replace(run, progress=progress)))
            case "stopped" | "failed":
                self._end(task, run, message)
            case unknown:
                logger.warning("task %s: message of unknown type %s", task.identifier, unknown)

    def _end(self, task: ReplicationTask, run: TaskRun, message: Message) -> None:
        reason = message.get("reason", "NORMAL")
        if message["type"] == "failed":
            failure = failure_text(message.get("message", ""), reason=reason)
            ended = replace(run, failure=failure, stop_reason=failure)
            life = task.life.then(Phase("failed"))
        else:
            ended = replace(run, stop_reason=f"Stop Reason {reason}")
            life = _now_running(task.life).then(Phase("stopped"))
        ended = replace(ended, stopped_at=self._registry.clock())
        self._registry.save(replace(task, life=life, run=ended))
        self._handles.pop(task.arn, None)
        logger.info("task %s: %s", task.identifier, ended.stop_reason)

    def _save_sometimes(self, task: ReplicationTask) -> None:
        # A checkpoint that is a second old is still a right one; a disk write for each is not
        # affordable.
        now = self._registry.clock()
        if now - self._saved_at.get(task.arn, 0.0) < _SAVE_INTERVAL_S:
            self._registry.keep(task)
        else:
            self._saved_at[task.arn] = now
            self._registry.save(task)


def _shown(
    tables: Sequence[dict[str, Any]], reloading: Sequence[dict[str, str]]
) -> list[dict[str, Any]]:
    """The engine's tables, but those to reload whose request it has not taken yet."""
    asked = {(table["SchemaName"], table["TableName"]) for table in reloading}
    return [
        {**row, "TableState": "Table is being reloaded"}
        if (row["SchemaName"], row["TableName"]) in asked
        else row
        for row in tables
    ]


def _now_running(life: Life) -> Life:
    return life.then(Phase("running")) if life.final_status == "starting" else life


def failure_text(message: str, *, reason: str) -> str:
    """How AWS words the end of a failed task; a text that is so worded already stays."""
    if message.startswith("Last Error "):
        return message
    level = reason.removesuffix("_ERROR")
    # The two blanks are AWS's.
    return f"Last Error  {message} Stop Reason {reason} Error Level {level}"
