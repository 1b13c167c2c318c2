"""Replication tasks: what may be made, started, stopped and deleted in which state."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from dms_pipeline.local_dms.control_plane.endpoints import kind_of
from dms_pipeline.local_dms.control_plane.faults import (
    already_exists,
    invalid_combination,
    invalid_state,
    invalid_value,
)
from dms_pipeline.local_dms.control_plane.identifiers import (
    checked_identifier,
    chosen_resource_id,
    tags_of,
)
from dms_pipeline.local_dms.control_plane.lifecycle import GONE, Phase
from dms_pipeline.local_dms.control_plane.listing import filtered, page
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.resources import (
    Endpoint,
    ReplicationInstance,
    ReplicationTask,
    new_arn,
)
from dms_pipeline.local_dms.control_plane.task_descriptions import described_task
from dms_pipeline.local_dms.control_plane.task_documents import (
    checked_table_mappings,
    merged_task_settings,
    parsed_cdc_start,
    parsed_cdc_stop,
)
from dms_pipeline.local_dms.control_plane.timing import Timing

WHAT = "Replication task"
MIGRATION_TYPES = ("full-load", "cdc", "full-load-and-cdc")
SETTLED = ("ready", "stopped", "failed")


class ReplicationTasks:
    """Create, describe, modify and delete tasks; starting and stopping is in `task_starts`."""

    def __init__(self, registry: Registry, timing: Timing, keep_ready: Callable[[], None]) -> None:
        """Work on the tasks of `registry`; `keep_ready` looks after the engine of the next one."""
        self._registry = registry
        self._timing = timing
        self._keep_ready = keep_ready

    def operations(self) -> Mapping[str, Operation]:
        return {
            "CreateReplicationTask": self.create,
            "DescribeReplicationTasks": self.describe,
            "ModifyReplicationTask": self.modify,
            "DeleteReplicationTask": self.delete,
        }

    def create(self, request: Request) -> dict[str, Any]:
        params = request.params
        member = "ReplicationTaskIdentifier"
        identifier = checked_identifier(params[member], member=member, longest=255)
        self._check_free(identifier, request.region)
        self._check_parts(params)
        check_positions(params, params["MigrationType"])
        checked_table_mappings(params["TableMappings"])
        task = ReplicationTask(
            arn=new_arn("task", request.region, chosen_resource_id(params)),
            region=request.region,
            identifier=identifier,
            created_at=self._registry.clock(),
            life=self._registry.begin(
                self._timing.phase("task", "creating", identifier), Phase("ready")
            ),
            instance_arn=params["ReplicationInstanceArn"],
            source_arn=params["SourceEndpointArn"],
            target_arn=params["TargetEndpointArn"],
            migration_type=params["MigrationType"],
            table_mappings=params["TableMappings"],
            settings=merged_task_settings(params.get("ReplicationTaskSettings")),
            start_position=params.get("CdcStartPosition"),
            start_time=params.get("CdcStartTime"),
            stop_position=params.get("CdcStopPosition"),
            task_data=params.get("TaskData"),
            tags=tags_of(params),
        )
        added = self._registry.add(task)
        self._keep_ready()
        return {"ReplicationTask": described_task(added)}

    def _check_free(self, identifier: str, region: str) -> None:
        for other in self._registry.all(ReplicationTask, region):
            if other.identifier.lower() == identifier.lower():
                raise already_exists(f"{WHAT} {identifier} already exists.", other.arn)

    def _check_parts(self, params: Mapping[str, Any]) -> None:
        instance_arn = params["ReplicationInstanceArn"]
        instance = self._registry.get(ReplicationInstance, instance_arn, "Replication instance")
        check_endpoint(self._registry, params["SourceEndpointArn"], "source")
        check_endpoint(self._registry, params["TargetEndpointArn"], "target")
        if params["MigrationType"] not in MIGRATION_TYPES:
            raise invalid_value(
                f"MigrationType must be one of {', '.join(MIGRATION_TYPES)}, not "
                f"{params['MigrationType']}."
            )
        if instance.life.status != "available":
            raise invalid_state(
                f"Replication instance {instance.identifier} must be available to create a task "
                "on it, "
                f"it is {instance.life.status}."
            )

    def describe(self, request: Request) -> dict[str, Any]:
        tasks = filtered(
            self._registry.all(ReplicationTask, request.region),
            request.params,
            by={
                "replication-task-arn": lambda t: [t.arn],
                "replication-task-id": lambda t: [t.identifier],
                "migration-type": lambda t: [t.migration_type],
                "endpoint-arn": lambda t: [t.source_arn, t.target_arn],
                "replication-instance-arn": lambda t: [t.instance_arn],
            },
            what=WHAT,
        )
        shown, marker = page(tasks, request.params, key=lambda t: f"{t.created_at:020.6f}{t.arn}")
        self._registry.show(shown)
        with_settings = not request.params.get("WithoutSettings", False)
        described = [described_task(task, with_settings=with_settings) for task in shown]
        return {"ReplicationTasks": described, "Marker": marker}

    def modify(self, request: Request) -> dict[str, Any]:
        params = request.params
        task = find_task(self._registry, params["ReplicationTaskArn"])
        if task.life.status not in SETTLED:
            raise invalid_state(
                f"{WHAT}, excluding logging severity task settings, cannot be modified while it is "
                f"{task.life.status} state"
            )
        if params.get("MigrationType", task.migration_type) != task.migration_type:
            raise invalid_combination("The migration type of a task cannot be changed.")
        identifier = params.get("ReplicationTaskIdentifier", task.identifier)
        if identifier.lower() != task.identifier.lower():
            checked_identifier(identifier, member="ReplicationTaskIdentifier", longest=255)
            self._check_free(identifier, request.region)
        check_positions(params, task.migration_type)
        mappings = params.get("TableMappings", task.table_mappings)
        checked_table_mappings(mappings)
        settings = params.get("ReplicationTaskSettings")
        modifying = self._timing.phase("task", "modifying", task.identifier)
        changed = replace(
            with_positions(task, params),
            identifier=identifier,
            table_mappings=mappings,
            settings=merged_task_settings(settings, json.loads(task.settings)),
            task_data=params.get("TaskData", task.task_data),
            life=self._registry.begin(modifying, Phase(task.life.status)),
        )
        return {"ReplicationTask": described_task(self._registry.save(changed))}

    def delete(self, request: Request) -> dict[str, Any]:
        task = find_task(self._registry, request.params["ReplicationTaskArn"])
        if task.life.status not in SETTLED:
            raise invalid_state(
                f"{WHAT} {task.identifier} cannot be deleted while it is {task.life.status}; "
                "stop it first and wait until it is stopped."
            )
        phase = self._timing.phase("task", "deleting", task.identifier)
        life = self._registry.begin(phase, Phase(GONE))
        return {"ReplicationTask": described_task(self._registry.save(replace(task, life=life)))}


def find_task(registry: Registry, arn: str) -> ReplicationTask:
    return registry.get(ReplicationTask, arn, WHAT)


def check_endpoint(registry: Registry, arn: str, kind: str) -> None:
    endpoint = registry.get(Endpoint, arn, "Endpoint")
    if kind_of(endpoint) != kind:
        raise invalid_value(
            f"ReplicationEngineType [id={endpoint.arn.rsplit(':', 1)[1]}, "
            f"name={endpoint.identifier}, "
            f"endpointType={kind_of(endpoint).upper()}] endpoint must be of type {kind.upper()}"
        )
    if endpoint.life.status != "active":
        raise invalid_state(f"Endpoint {endpoint.identifier} is {endpoint.life.status}.")


def check_positions(params: Mapping[str, Any], migration_type: str) -> None:
    position, time = params.get("CdcStartPosition"), params.get("CdcStartTime")
    if position is not None and time is not None:
        raise invalid_combination("CdcStartPosition and CdcStartTime cannot both be given.")
    if migration_type != "cdc" and (position is not None or time is not None):
        raise invalid_combination(
            "CdcStartPosition and CdcStartTime are for tasks of type cdc, this one is "
            f"{migration_type}."
        )
    parsed_cdc_start(position, time)
    parsed_cdc_stop(params.get("CdcStopPosition"))


def with_positions(task: ReplicationTask, params: Mapping[str, Any]) -> ReplicationTask:
    """The task with the positions of a request; a position replaces a time and the reverse."""
    if "CdcStopPosition" in params:
        task = replace(task, stop_position=params["CdcStopPosition"])
    if "CdcStartPosition" in params:
        return replace(task, start_position=params["CdcStartPosition"], start_time=None)
    if "CdcStartTime" in params:
        return replace(task, start_time=params["CdcStartTime"], start_position=None)
    return task
