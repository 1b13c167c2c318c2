"""Replication instances: they cost nothing here and do nothing but gate the tasks, as in AWS."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dms_pipeline.local_dms.control_plane.engine_catalogue import DEFAULT_ENGINE_VERSION
from dms_pipeline.local_dms.control_plane.fault_injection import FaultInjection
from dms_pipeline.local_dms.control_plane.faults import already_exists, invalid_state
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
    ACCOUNT_ID,
    ReplicationInstance,
    ReplicationTask,
    SubnetGroup,
    new_arn,
)
from dms_pipeline.local_dms.control_plane.subnet_groups import (
    default_group,
    described_group,
    find_group,
)
from dms_pipeline.local_dms.control_plane.timing import Timing

WHAT = "Replication instance"


class ReplicationInstances:
    """The operations on replication instances."""

    def __init__(self, registry: Registry, timing: Timing, injection: FaultInjection) -> None:
        """Work on the instances of `registry`."""
        self._registry = registry
        self._timing = timing
        self._injection = injection

    def operations(self) -> Mapping[str, Operation]:
        return {
            "CreateReplicationInstance": self.create,
            "DescribeReplicationInstances": self.describe,
            "DeleteReplicationInstance": self.delete,
        }

    def create(self, request: Request) -> dict[str, Any]:
        params = dict(request.params)
        member = "ReplicationInstanceIdentifier"
        identifier = checked_identifier(params[member], member=member, longest=63).lower()
        for other in self._registry.all(ReplicationInstance, request.region):
            if other.identifier == identifier:
                raise already_exists(f"{WHAT} {identifier} already exists.", other.arn)
        group = params.get("ReplicationSubnetGroupIdentifier")
        if group is not None:
            find_group(self._registry, group, region=request.region)
        instance = ReplicationInstance(
            arn=new_arn("rep", request.region, chosen_resource_id(params)),
            region=request.region,
            identifier=identifier,
            created_at=self._registry.clock(),
            life=self._registry.begin(
                self._timing.phase("instance", "creating", identifier),
                Phase(self._injection.provisioned_status(identifier)),
            ),
            parameters={name: value for name, value in params.items() if name != "Tags"},
            tags=tags_of(params),
        )
        return {"ReplicationInstance": self._described(self._registry.add(instance))}

    def describe(self, request: Request) -> dict[str, Any]:
        instances = filtered(
            self._registry.all(ReplicationInstance, request.region),
            request.params,
            by={
                "replication-instance-arn": lambda i: [i.arn],
                "replication-instance-id": lambda i: [i.identifier],
                "replication-instance-class": lambda i: [i.parameters["ReplicationInstanceClass"]],
                "engine-version": lambda i: [engine_version(i)],
            },
            what=WHAT,
        )
        shown, marker = page(
            instances, request.params, key=lambda i: f"{i.created_at:020.6f}{i.arn}"
        )
        self._registry.show(shown)
        return {"ReplicationInstances": [self._described(i) for i in shown], "Marker": marker}

    def delete(self, request: Request) -> dict[str, Any]:
        arn = request.params["ReplicationInstanceArn"]
        instance = self._registry.get(ReplicationInstance, arn, WHAT)
        if instance.life.status in ("creating", "deleting"):
            raise invalid_state(
                f"{WHAT} {instance.identifier} cannot be deleted, it is {instance.life.status}."
            )
        tasks = [t for t in self._registry.all(ReplicationTask) if t.instance_arn == arn]
        if tasks:
            names = ", ".join(f"{task.identifier} ({task.life.status})" for task in tasks)
            raise invalid_state(
                f"{WHAT} {instance.identifier} has one or more replication tasks: {names}. "
                "Delete them and wait until they are gone."
            )
        phase = self._timing.phase("instance", "deleting", instance.identifier)
        life = self._registry.begin(phase, Phase(GONE))
        deleting = self._registry.save(replace(instance, life=life))
        return {"ReplicationInstance": self._described(deleting)}

    def _described(self, instance: ReplicationInstance) -> dict[str, Any]:
        given = instance.parameters
        group = given.get("ReplicationSubnetGroupIdentifier")
        found = find_group(self._registry, group, region=instance.region) if group else None
        return described_instance(instance, found)


def engine_version(instance: ReplicationInstance) -> str:
    version: str = instance.parameters.get("EngineVersion", DEFAULT_ENGINE_VERSION)
    return version


def described_instance(instance: ReplicationInstance, group: SubnetGroup | None) -> dict[str, Any]:
    given = instance.parameters
    region = instance.region
    # AWS fills the addresses in only when the instance is up.
    addresses = [] if instance.life.status == "creating" else ["127.0.0.1"]
    return {
        "ReplicationInstanceIdentifier": instance.identifier,
        "ReplicationInstanceClass": given["ReplicationInstanceClass"],
        "ReplicationInstanceStatus": instance.life.status,
        "AllocatedStorage": given.get("AllocatedStorage", 50),
        "InstanceCreateTime": instance.created_at,
        "VpcSecurityGroups": [
            {"VpcSecurityGroupId": group_id, "Status": "active"}
            for group_id in given.get("VpcSecurityGroupIds", [])
        ],
        "AvailabilityZone": given.get("AvailabilityZone", f"{region}a"),
        "ReplicationSubnetGroup": described_group(group or default_group(region)),
        "PreferredMaintenanceWindow": given.get(
            "PreferredMaintenanceWindow", "sun:06:00-sun:14:00"
        ),
        "PendingModifiedValues": {},
        "MultiAZ": given.get("MultiAZ", False),
        "EngineVersion": engine_version(instance),
        "AutoMinorVersionUpgrade": given.get("AutoMinorVersionUpgrade", True),
        "KmsKeyId": given.get("KmsKeyId", f"arn:aws:kms:{region}:{ACCOUNT_ID}:key/local-dms"),
        "ReplicationInstanceArn": instance.arn,
        "ReplicationInstancePrivateIpAddress": addresses[0] if addresses else None,
        "ReplicationInstancePrivateIpAddresses": addresses,
        "PubliclyAccessible": given.get("PubliclyAccessible", True),
        "DnsNameServers": given.get("DnsNameServers"),
        "NetworkType": given.get("NetworkType", "IPV4"),
    }
