"""DMS Serverless: configurations and their replications, of which none is ever started."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

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
from dms_pipeline.local_dms.control_plane.replication_tasks import MIGRATION_TYPES, check_endpoint
from dms_pipeline.local_dms.control_plane.resources import ReplicationConfig, new_arn
from dms_pipeline.local_dms.control_plane.subnet_groups import find_group
from dms_pipeline.local_dms.control_plane.task_documents import (
    checked_table_mappings,
    merged_task_settings,
)
from dms_pipeline.local_dms.control_plane.timing import Timing

WHAT = "Replication config"
# The service model, in the description of MaxCapacityUnits.
_CAPACITIES = (1, 2, 4, 8, 16, 32, 64, 128, 192, 256, 384)


class ReplicationConfigs:
    """The operations on configurations."""

    def __init__(self, registry: Registry, timing: Timing) -> None:
        """Work on the configurations of `registry`."""
        self._registry = registry
        self._timing = timing

    def operations(self) -> Mapping[str, Operation]:
        return {
            "CreateReplicationConfig": self.create,
            "DescribeReplicationConfigs": self.describe,
            "ModifyReplicationConfig": self.modify,
            "DeleteReplicationConfig": self.delete,
        }

    def create(self, request: Request) -> dict[str, Any]:
        params, now = request.params, self._registry.clock()
        config = ReplicationConfig(
            arn=new_arn("replication-config", request.region, chosen_resource_id(params)),
            region=request.region,
            identifier=params["ReplicationConfigIdentifier"],
            created_at=now,
            updated_at=now,
            life=self._registry.begin(Phase("created")),
            source_arn=params["SourceEndpointArn"],
            target_arn=params["TargetEndpointArn"],
            replication_type=params["ReplicationType"],
            compute=params["ComputeConfig"],
            table_mappings=params["TableMappings"],
            settings=merged_task_settings(params.get("ReplicationSettings")),
            supplemental_settings=params.get("SupplementalSettings"),
            tags=tags_of(params),
        )
        self._check(config)
        return {"ReplicationConfig": described_config(self._registry.add(config))}

    def _check(self, config: ReplicationConfig) -> None:
        name = checked_identifier(
            config.identifier, member="ReplicationConfigIdentifier", longest=255
        )
        for other in self._registry.all(ReplicationConfig, config.region):
            if other.identifier.lower() == name.lower() and other.arn != config.arn:
                raise already_exists(f"{WHAT} {name} already exists.", other.arn)
        if config.replication_type not in MIGRATION_TYPES:
            raise invalid_value(f"ReplicationType must be one of {', '.join(MIGRATION_TYPES)}.")
        check_endpoint(self._registry, config.source_arn, "source")
        check_endpoint(self._registry, config.target_arn, "target")
        checked_table_mappings(config.table_mappings)
        self._check_compute(config)

    def _check_compute(self, config: ReplicationConfig) -> None:
        compute = config.compute
        if "MaxCapacityUnits" not in compute:
            raise invalid_value("The parameter ComputeConfig.MaxCapacityUnits must be provided.")
        for name in ("MinCapacityUnits", "MaxCapacityUnits"):
            if compute.get(name, 1) not in _CAPACITIES:
                allowed = ", ".join(map(str, _CAPACITIES))
                raise invalid_value(f"ComputeConfig.{name} must be one of {allowed}.")
        if compute.get("MinCapacityUnits", 1) > compute["MaxCapacityUnits"]:
            raise invalid_combination("MinCapacityUnits must not be above MaxCapacityUnits.")
        if compute.get("MultiAZ") and "AvailabilityZone" in compute:
            raise invalid_combination("AvailabilityZone cannot be given with MultiAZ.")
        if group := compute.get("ReplicationSubnetGroupId"):
            find_group(self._registry, group, region=config.region)

    def describe(self, request: Request) -> dict[str, Any]:
        shown, marker = find_configs(self._registry, request)
        described = [described_config(config) for config in shown]
        return {"ReplicationConfigs": described, "Marker": marker}

    def modify(self, request: Request) -> dict[str, Any]:
        config, params = self._settled(request, "modified"), request.params
        settings = merged_task_settings(
            params.get("ReplicationSettings"), json.loads(config.settings)
        )
        changed = replace(
            config,
            identifier=params.get("ReplicationConfigIdentifier", config.identifier),
            updated_at=self._registry.clock(),
            source_arn=params.get("SourceEndpointArn", config.source_arn),
            target_arn=params.get("TargetEndpointArn", config.target_arn),
            replication_type=params.get("ReplicationType", config.replication_type),
            compute={**config.compute, **params.get("ComputeConfig", {})},
            table_mappings=params.get("TableMappings", config.table_mappings),
            settings=settings,
            supplemental_settings=params.get("SupplementalSettings", config.supplemental_settings),
        )
        self._check(changed)
        return {"ReplicationConfig": described_config(self._registry.save(changed))}

    def delete(self, request: Request) -> dict[str, Any]:
        config = self._settled(request, "deleted")
        phase = self._timing.phase("config", "deleting", config.identifier)
        deleting = replace(config, life=self._registry.begin(phase, Phase(GONE)))
        return {"ReplicationConfig": described_config(self._registry.save(deleting))}

    def _settled(self, request: Request, action: str) -> ReplicationConfig:
        config = find_config(self._registry, request)
        if config.life.status != "created":
            raise invalid_state(
                f"{WHAT} {config.identifier} cannot be {action}, it is {config.life.status}."
            )
        return config


def find_config(registry: Registry, request: Request) -> ReplicationConfig:
    return registry.get(ReplicationConfig, request.params["ReplicationConfigArn"], WHAT)


def find_configs(
    registry: Registry, request: Request
) -> tuple[list[ReplicationConfig], str | None]:
    """The page that a request asks for."""
    configs = filtered(
        registry.all(ReplicationConfig, request.region),
        request.params,
        by={
            "replication-config-arn": lambda c: [c.arn],
            "replication-config-id": lambda c: [c.identifier],
        },
        what=WHAT,
    )
    shown, marker = page(configs, request.params, key=lambda c: f"{c.created_at:020.6f}{c.arn}")
    registry.show(shown)
    return shown, marker


def described_config(config: ReplicationConfig) -> dict[str, Any]:
    return {
        "ReplicationConfigIdentifier": config.identifier,
        "ReplicationConfigArn": config.arn,
        "SourceEndpointArn": config.source_arn,
        "TargetEndpointArn": config.target_arn,
        "ReplicationType": config.replication_type,
        "ComputeConfig": config.compute,
        "ReplicationSettings": config.settings,
        "SupplementalSettings": config.supplemental_settings,
        "TableMappings": config.table_mappings,
        "ReplicationConfigCreateTime": config.created_at,
        "ReplicationConfigUpdateTime": config.updated_at,
        "IsReadOnly": False,
    }
