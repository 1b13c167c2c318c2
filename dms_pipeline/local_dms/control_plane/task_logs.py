"""DescribeReplicationInstanceTaskLogs: how large the logs of an instance's tasks are."""

from collections.abc import Callable, Mapping
from typing import Any

from dms_pipeline.local_dms.control_plane.faults import invalid_state
from dms_pipeline.local_dms.control_plane.listing import page
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.replication_instances import WHAT
from dms_pipeline.local_dms.control_plane.resources import ReplicationInstance, ReplicationTask

# task name -> bytes of its log, None if it has none
LogSize = Callable[[str], int | None]


class TaskLogs:
    """The operation on logs; a task that never ran has none."""

    def __init__(self, registry: Registry, log_size: LogSize) -> None:
        """Look at the tasks of `registry`."""
        self._registry = registry
        self._log_size = log_size

    def operations(self) -> Mapping[str, Operation]:
        return {"DescribeReplicationInstanceTaskLogs": self.describe}

    def describe(self, request: Request) -> dict[str, Any]:
        arn = request.params["ReplicationInstanceArn"]
        instance = self._registry.get(ReplicationInstance, arn, WHAT)
        if instance.life.status in ("creating", "deleting"):
            raise invalid_state(f"{WHAT} {instance.identifier} is {instance.life.status}.")
        tasks = [t for t in self._registry.all(ReplicationTask) if t.instance_arn == arn]
        sizes = [self._log_size(task.identifier) for task in tasks]
        logs = [
            {
                "ReplicationTaskName": task.identifier,
                "ReplicationTaskArn": task.arn,
                "ReplicationInstanceTaskLogSize": size,
            }
            for task, size in zip(tasks, sizes, strict=True)
            if size is not None
        ]
        shown, marker = page(logs, request.params, key=lambda log: str(log["ReplicationTaskArn"]))
        return {
            "ReplicationInstanceArn": arn,
            "ReplicationInstanceTaskLogs": shown,
            "Marker": marker,
        }
