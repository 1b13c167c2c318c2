"""Replication subnet groups: kept and shown, without any effect on a machine that has no VPC."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dms_pipeline.local_dms.control_plane.faults import already_exists, invalid_state, not_found
from dms_pipeline.local_dms.control_plane.identifiers import tags_of
from dms_pipeline.local_dms.control_plane.lifecycle import Life, Phase
from dms_pipeline.local_dms.control_plane.listing import filtered, page
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.resources import (
    ReplicationInstance,
    SubnetGroup,
    new_arn,
)

WHAT = "Replication subnet group"
_VPC = "vpc-local"


class SubnetGroups:
    """The operations on replication subnet groups."""

    def __init__(self, registry: Registry) -> None:
        """Work on the groups of `registry`."""
        self._registry = registry

    def operations(self) -> Mapping[str, Operation]:
        return {
            "CreateReplicationSubnetGroup": self.create,
            "DescribeReplicationSubnetGroups": self.describe,
            "ModifyReplicationSubnetGroup": self.modify,
            "DeleteReplicationSubnetGroup": self.delete,
        }

    def create(self, request: Request) -> dict[str, Any]:
        identifier = request.params["ReplicationSubnetGroupIdentifier"].lower()
        for other in self._registry.all(SubnetGroup, request.region):
            if other.identifier == identifier:
                raise already_exists(f"{WHAT} {identifier} already exists.", other.arn)
        group = SubnetGroup(
            arn=new_arn("subgrp", request.region, identifier),
            region=request.region,
            identifier=identifier,
            created_at=self._registry.clock(),
            life=self._registry.begin(Phase("Complete")),
            description=request.params["ReplicationSubnetGroupDescription"],
            subnet_ids=list(request.params["SubnetIds"]),
            tags=tags_of(request.params),
        )
        return {"ReplicationSubnetGroup": described_group(self._registry.add(group))}

    def describe(self, request: Request) -> dict[str, Any]:
        groups = filtered(
            self._registry.all(SubnetGroup, request.region),
            request.params,
            by={"replication-subnet-group-id": lambda group: [group.identifier]},
            what=WHAT,
        )
        shown, marker = page(groups, request.params, key=lambda group: group.identifier)
        return {
            "ReplicationSubnetGroups": [described_group(group) for group in shown],
            "Marker": marker,
        }

    def modify(self, request: Request) -> dict[str, Any]:
        group, params = self._find(request), request.params
        changed = replace(
            group,
            description=params.get("ReplicationSubnetGroupDescription", group.description),
            subnet_ids=list(params["SubnetIds"]),
        )
        return {"ReplicationSubnetGroup": described_group(self._registry.save(changed))}

    def delete(self, request: Request) -> dict[str, Any]:
        group = self._find(request)
        for instance in self._registry.all(ReplicationInstance, request.region):
            used = instance.parameters.get("ReplicationSubnetGroupIdentifier", "")
            if used.lower() == group.identifier:
                raise invalid_state(f"{WHAT} {group.identifier} is used by {instance.identifier}.")
        self._registry.remove(group)
        return {}

    def _find(self, request: Request) -> SubnetGroup:
        identifier = request.params["ReplicationSubnetGroupIdentifier"]
        return find_group(self._registry, identifier, region=request.region)


def find_group(registry: Registry, identifier: str, *, region: str) -> SubnetGroup:
    for group in registry.all(SubnetGroup, region):
        if group.identifier == identifier.lower():
            return group
    raise not_found(f"{WHAT} {identifier} not found.")


def default_group(region: str) -> SubnetGroup:
    """The group that AWS makes by itself when none is given."""
    return SubnetGroup(
        arn=f"arn:aws:dms:{region}:subgrp:default",
        region=region,
        identifier="default",
        created_at=0.0,
        life=Life((Phase("Complete"),), entered_at=0.0),
        description="default",
        subnet_ids=["subnet-local"],
        tags={},
    )


def described_group(group: SubnetGroup) -> dict[str, Any]:
    return {
        "ReplicationSubnetGroupIdentifier": group.identifier,
        "ReplicationSubnetGroupDescription": group.description,
        "VpcId": _VPC,
        "SubnetGroupStatus": group.life.status,
        "Subnets": [
            {
                "SubnetIdentifier": subnet_id,
                "SubnetAvailabilityZone": {"Name": f"{group.region}a"},
                "SubnetStatus": "Active",
            }
            for subnet_id in group.subnet_ids
        ],
    }
