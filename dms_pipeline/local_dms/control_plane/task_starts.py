"""StartReplicationTask, StopReplicationTask and the statistics of the tables of a run."""

from collections.abc import Mapping
from typing import Any

from dms_pipeline.local_dms.control_plane.faults import (
    invalid_combination,
    invalid_state,
    invalid_value,
)
from dms_pipeline.local_dms.control_plane.listing import filtered, page
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.replication_tasks import (
    WHAT,
    check_positions,
    find_task,
    with_positions,
)
from dms_pipeline.local_dms.control_plane.resources import (
    Connection,
    Endpoint,
    ReplicationInstance,
    ReplicationTask,
)
from dms_pipeline.local_dms.control_plane.task_descriptions import described_table, described_task
from dms_pipeline.local_dms.control_plane.task_execution import TaskExecution

_START_TYPES = ("start-replication", "resume-processing", "reload-target")


class TaskStarts:
    """The operations on the runs of tasks."""

    def __init__(self, registry: Registry, execution: TaskExecution) -> None:
        """Run the tasks of `registry` through `execution`."""
        self._registry = registry
        self._execution = execution

    def operations(self) -> Mapping[str, Operation]:
        return {
            "StartReplicationTask": self.start,
            "StopReplicationTask": self.stop,
            "DescribeTableStatistics": self.describe_tables,
        }

    def start(self, request: Request) -> dict[str, Any]:
        task = find_task(self._registry, request.params["ReplicationTaskArn"])
        start_type = request.params["StartReplicationTaskType"]
        if start_type not in _START_TYPES:
            raise invalid_value(
                f"StartReplicationTaskType must be one of {', '.join(_START_TYPES)}."
            )
        if task.life.status not in ("ready", "stopped", "failed"):
            raise invalid_state("Replication Task cannot be started, invalid state")
        check_start_type(task, start_type, request.params)
        check_positions(request.params, task.migration_type)
        check_tested(self._registry, task, purpose="starting")
        positioned = with_positions(task, request.params)
        resume = start_type == "resume-processing"
        return {"ReplicationTask": described_task(self._execution.start(positioned, resume=resume))}

    def stop(self, request: Request) -> dict[str, Any]:
        task = find_task(self._registry, request.params["ReplicationTaskArn"])
        if task.life.status != "running":
            raise invalid_state(
                f"{WHAT} {task.identifier} cannot be stopped, it is {task.life.status} and not "
                "running."
            )
        return {"ReplicationTask": described_task(self._execution.stop(task))}

    def describe_tables(self, request: Request) -> dict[str, Any]:
        task = find_task(self._registry, request.params["ReplicationTaskArn"])
        tables = filtered(
            task.run.tables if task.run else [],
            request.params,
            by={
                "schema-name": lambda row: [row["SchemaName"]],
                "table-name": lambda row: [row["TableName"]],
                "table-state": lambda row: [row.get("TableState", "")],
            },
            what="Table",
        )
        shown, marker = page(
            tables,
            request.params,
            key=lambda row: f"{row['SchemaName']}\0{row['TableName']}",
            largest=500,
        )
        return {
            "ReplicationTaskArn": task.arn,
            "TableStatistics": [described_table(row) for row in shown],
            "Marker": marker,
        }


def check_tested(registry: Registry, task: ReplicationTask, *, purpose: str) -> None:
    """Refuse what needs an available instance and successful tests of both endpoints."""
    instance = registry.get(ReplicationInstance, task.instance_arn, "Replication instance")
    if instance.life.status != "available":
        raise invalid_state(
            f"Replication instance {instance.identifier} must be available for {purpose} a task, "
            f"it is {instance.life.status}."
        )
    for arn in (task.source_arn, task.target_arn):
        connection = registry.find(Connection, Connection.key_of(instance.arn, arn))
        if connection is None or connection.life.status != "successful":
            endpoint = registry.get(Endpoint, arn, "Endpoint")
            raise invalid_state(
                f"Test connection for replication instance {instance.identifier} and endpoint "
                f"{endpoint.identifier} should be successful for {purpose} the replication task"
            )


def check_start_type(task: ReplicationTask, start_type: str, params: Mapping[str, Any]) -> None:
    """Refuse what AWS refuses; `reload-target` may start a new task, as AWS's own sample does."""
    positioned = "CdcStartPosition" in params or "CdcStartTime" in params
    if start_type != "start-replication" and positioned:
        raise invalid_combination(
            f"A start position can be given with start-replication, not {start_type}."
        )
    if start_type == "resume-processing" and task.run is None:
        raise invalid_combination(
            "Start Type : RESUME_PROCESSING, valid only for tasks that have run before"
        )
    if start_type == "start-replication" and task.run is not None:
        if task.migration_type != "cdc":
            raise invalid_combination(
                "Start Type : START_REPLICATION, valid only for tasks running for the first time"
            )
        if not positioned:
            raise invalid_combination(
                "Start Type : START_REPLICATION of a task that has run before requires "
                "CdcStartPosition or "
                "CdcStartTime"
            )
    if start_type == "reload-target" and task.run is not None and task.migration_type == "cdc":
        raise invalid_combination(
            "Start Type : RELOAD_TARGET, a task of type cdc has nothing to reload"
        )
