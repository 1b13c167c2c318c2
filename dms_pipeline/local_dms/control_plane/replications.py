"""The replications of DMS Serverless: shown as created; a start is refused.

A start that AWS would refuse is refused in its words, any other with a fault that says that
serverless replications are not emulated.
"""

from collections.abc import Mapping
from typing import Any

from dms_pipeline.local_dms.control_plane.faults import (
    invalid_combination,
    invalid_state,
    invalid_value,
    not_emulated,
)
from dms_pipeline.local_dms.control_plane.listing import filtered, page
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.replication_configs import find_config, find_configs
from dms_pipeline.local_dms.control_plane.resources import ReplicationConfig
from dms_pipeline.local_dms.control_plane.table_reloads import checked_reload
from dms_pipeline.local_dms.control_plane.task_documents import parsed_cdc_start, parsed_cdc_stop

WHAT = "Replication"
_START_TYPES = ("start-replication", "resume-processing", "reload-target")
_TABLE_FILTERS: Mapping[str, Any] = {
    name: lambda row: [row] for name in ("schema-name", "table-name", "table-state")
}


class Replications:
    """The operations on replications."""

    def __init__(self, registry: Registry) -> None:
        """Look at the configurations of `registry`."""
        self._registry = registry

    def operations(self) -> Mapping[str, Operation]:
        return {
            "DescribeReplications": self.describe,
            "StartReplication": self.start,
            "StopReplication": self.stop,
            "ReloadReplicationTables": self.reload,
            "DescribeReplicationTableStatistics": self.describe_tables,
        }

    def describe(self, request: Request) -> dict[str, Any]:
        shown, marker = find_configs(self._registry, request)
        return {"Replications": [_described(config) for config in shown], "Marker": marker}

    def start(self, request: Request) -> dict[str, Any]:
        config, params = find_config(self._registry, request), request.params
        start_type = params["StartReplicationType"]
        if start_type not in _START_TYPES:
            raise invalid_value(f"StartReplicationType must be one of {', '.join(_START_TYPES)}.")
        if config.life.status != "created":
            # AWS's words for a config in another state.
            raise invalid_state(
                f"Replication for Replication Config: {config.arn.rsplit(':', 1)[1]} is in "
                f"{config.life.status.upper()} state and cannot start"
            )
        if start_type != "start-replication":
            raise invalid_combination(
                f"{start_type} is for replications that have run before; {config.identifier} "
                "has not."
            )
        _check_positions(params)
        raise not_emulated("StartReplication: a serverless replication; use a replication task")

    def stop(self, request: Request) -> dict[str, Any]:
        raise self._not_running(find_config(self._registry, request))

    def reload(self, request: Request) -> dict[str, Any]:
        config = find_config(self._registry, request)
        checked_reload(request.params)
        raise self._not_running(config)

    def _not_running(self, config: ReplicationConfig) -> Exception:
        return invalid_state(f"{WHAT} {config.identifier} is {config.life.status} and not running.")

    def describe_tables(self, request: Request) -> dict[str, Any]:
        config = find_config(self._registry, request)
        rows: list[str] = []
        found = filtered(rows, request.params, by=_TABLE_FILTERS, what="Table")
        shown, marker = page(found, request.params, key=str, largest=500)
        return {
            "ReplicationConfigArn": config.arn,
            "ReplicationTableStatistics": shown,
            "Marker": marker,
        }


def _check_positions(params: Mapping[str, Any]) -> None:
    position, time = params.get("CdcStartPosition"), params.get("CdcStartTime")
    if position is not None and time is not None:
        raise invalid_combination("CdcStartPosition and CdcStartTime cannot both be given.")
    parsed_cdc_start(position, time)
    parsed_cdc_stop(params.get("CdcStopPosition"))
    if position is not None or time is not None:
        # User guide, "AWS DMS Serverless limitations".
        raise invalid_value("AWS DMS Serverless does not support setting custom CDC start points.")


def _described(config: ReplicationConfig) -> dict[str, Any]:
    return {
        "ReplicationConfigIdentifier": config.identifier,
        "ReplicationConfigArn": config.arn,
        "SourceEndpointArn": config.source_arn,
        "TargetEndpointArn": config.target_arn,
        "ReplicationType": config.replication_type,
        "Status": config.life.status,
        "ReplicationCreateTime": config.created_at,
        "ReplicationUpdateTime": config.updated_at,
        "IsReadOnly": False,
    }
