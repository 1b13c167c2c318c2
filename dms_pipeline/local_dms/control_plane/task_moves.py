"""MoveReplicationTask: from one instance to another of the same or a later engine version."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dms_pipeline.local_dms.control_plane.engine_catalogue import version_order
from dms_pipeline.local_dms.control_plane.faults import invalid_combination, invalid_state
from dms_pipeline.local_dms.control_plane.lifecycle import Phase
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.replication_instances import WHAT as INSTANCE
from dms_pipeline.local_dms.control_plane.replication_tasks import SETTLED, WHAT, find_task
from dms_pipeline.local_dms.control_plane.resources import ReplicationInstance
from dms_pipeline.local_dms.control_plane.task_descriptions import described_task
from dms_pipeline.local_dms.control_plane.timing import Timing


class TaskMoves:
    """The operation that moves tasks; the endpoints must be tested from the new instance."""

    def __init__(self, registry: Registry, timing: Timing) -> None:
        """Move the tasks of `registry`."""
        self._registry = registry
        self._timing = timing

    def operations(self) -> Mapping[str, Operation]:
        return {"MoveReplicationTask": self.move}

    def move(self, request: Request) -> dict[str, Any]:
        task = find_task(self._registry, request.params["ReplicationTaskArn"])
        arn = request.params["TargetReplicationInstanceArn"]
        target = self._registry.get(ReplicationInstance, arn, INSTANCE)
        if task.life.status not in SETTLED:
            raise invalid_state(
                f"{WHAT} {task.identifier} cannot be moved, it is {task.life.status}."
            )
        if target.life.status != "available":
            raise invalid_state(
                f"{INSTANCE} {target.identifier} must be available to move a task to it, it is "
                f"{target.life.status}."
            )
        if arn == task.instance_arn:
            raise invalid_combination(
                f"{WHAT} {task.identifier} is on {target.identifier} already."
            )
        self._check_version(task.instance_arn, target)
        moving = self._timing.phase("task", "moving", task.identifier)
        life = self._registry.begin(moving, Phase(task.life.status))
        saved = self._registry.save(replace(task, life=life, moving_to=arn))
        return {"ReplicationTask": described_task(saved)}

    def _check_version(self, instance_arn: str, target: ReplicationInstance) -> None:
        instance = self._registry.get(ReplicationInstance, instance_arn, INSTANCE)
        here, there = instance.current["EngineVersion"], target.current["EngineVersion"]
        if version_order(there) < version_order(here):
            raise invalid_combination(
                f"{INSTANCE} {target.identifier} has engine version {there}, a task of version "
                f"{here} can be moved to the same or a later one."
            )
