"""How a task is brought to where the source was when the run began: window by window."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

from dms_pipeline.aws.dms import ReplicationTask, StartType
from dms_pipeline.binlog.position import BinlogPosition, parse_checkpoint
from dms_pipeline.dms_objects import DmsObjects
from dms_pipeline.errors import LoadError
from dms_pipeline.pipeline_config import StopSection
from dms_pipeline.task_outcome import (
    FINAL_STATES,
    is_behind,
    refuse_unexpected_stop,
    stopped_as_told,
)

_MAY_READ = FINAL_STATES | {"running"}


@dataclass(frozen=True, slots=True)
class Drain:
    """The task of one run, and when it stops."""

    pipeline: str
    stop: StopSection
    objects: DmsObjects

    def run(self, end: BinlogPosition) -> None:
        """Leaves the task stopped, with all read up to ``end`` or as ``when_behind`` says.

        A task that an earlier try left failed, stopped or behind is resumed.

        Raises:
            LoadError: the task ended otherwise, or is behind and may not be.
        """
        task = self.objects.task()
        window_s = self.stop.window_s or self.objects.pacing.drain_window_s
        # A task that an earlier try started is expected to have stopped by then.
        stops_at = self.objects.pacing.clock() + window_s
        if task.status == "ready":
            stops_at = self._start(task, resume=False, window_s=window_s)
        elif task.status in ("stopped", "failed") and (
            not stopped_as_told(task) or is_behind(task, end)
        ):
            stops_at = self._start(task, resume=True, window_s=window_s)
        extensions = 0
        is_cdc = task.migration_type == "cdc"
        while is_behind(task := self._await_stop(window_s, stops_at, is_cdc), end):
            if not self._may_go_on(task, end, extensions=extensions):
                self.objects.say(f"behind {end}: the next load carries on from there")
                return
            extensions += 1
            # A task that needs the whole window only to get ready would never move on.
            window_s *= 2
            self.objects.say(f"not yet at {end}, where the source was at the start: extending")
            stops_at = self._start(task, resume=True, window_s=window_s)

    def _start(self, task: ReplicationTask, *, resume: bool, window_s: int) -> float:
        """Starts the task, and returns the moment at which it is to stop; epoch seconds."""
        is_cdc = task.migration_type == "cdc"
        window = 0 if self.stop.at == "commit_time" else window_s
        # DMS takes whole seconds.
        moment = math.ceil(self.objects.pacing.clock() + window)
        shown = f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S}"
        stop = f"{self.stop.at}:{shown}" if is_cdc else None
        self.objects.say(f"starting the task{f', which stops at {stop} (UTC)' if stop else ''}")
        # A full load that broke off begins again: nothing of it was recorded.
        again: StartType = "resume-processing" if is_cdc else "reload-target"
        start: StartType = again if resume else "start-replication"
        self.objects.dms.start_task(task, start, cdc_stop_position=stop)
        return moment

    def _await_stop(self, window_s: int, stops_at: float, is_cdc: bool) -> ReplicationTask:
        """The task once it has ended. A stop at a commit time is helped along on an idle source."""
        if self.stop.at == "commit_time":
            # A task reads nothing while it is starting, which takes minutes on AWS.
            self.objects.await_task(_MAY_READ.__contains__, for_ever=True)
            clock = self.objects.pacing.clock
            deadline = clock() + window_s
            self.objects.await_task(
                lambda seen: seen in FINAL_STATES or (seen == "running" and clock() >= deadline),
                for_ever=True,
                expected_s=window_s,
            )
            task = self.objects.task()
            if task.status == "running" and is_cdc:
                self.objects.say("no later commit on the source within the window: stopping")
                self.objects.dms.stop_task(task)
        # A load of changes ends as it was told; how long a full load takes nobody knows.
        is_known = is_cdc and self.stop.at == "server_time"
        expected_s = stops_at - self.objects.pacing.clock() if is_known else 0.0
        ended = self.objects.await_task(
            FINAL_STATES.__contains__, for_ever=True, expected_s=expected_s
        )
        task = self.objects.needed("task", ended)
        refuse_unexpected_stop(task, self.stop)
        return task

    def _may_go_on(self, task: ReplicationTask, end: BinlogPosition, *, extensions: int) -> bool:
        """Whether a task that is behind gets another window, or leaves the rest to the next load.

        Raises:
            LoadError: neither.
        """
        begun, reached = map(parse_checkpoint, (task.cdc_start_position, task.recovery_checkpoint))
        if reached < begun:
            raise LoadError(
                f"the task {task.identifier} began at {begun} and reports {reached}, which lies"
                " before it; the checkpoint of the pipeline is kept"
            )
        if self.stop.when_behind == "fail":
            raise LoadError(
                f"the load of {self.pipeline} stopped before {end}, where the source was at its"
                " start; give it a longer stop.window_s"
            )
        if self.stop.when_behind == "extend" and extensions < self.stop.max_extensions:
            return True
        if reached == begun:
            # Loads that are content with that would never say that they stand still.
            raise LoadError(
                f"the load of {self.pipeline} moved nowhere: it began at {begun} and stopped there,"
                f" and the source was at {end}; give it a longer stop.window_s, or look into the"
                " log of the task"
            )
        return False
