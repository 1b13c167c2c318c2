"""Replication instances: they cost nothing here and do nothing but gate the tasks, as in AWS."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from dms_pipeline.local_dms.control_plane.fault_injection import FaultInjection
from dms_pipeline.local_dms.control_plane.faults import already_exists, invalid_state
from dms_pipeline.local_dms.control_plane.identifiers import (
    checked_identifier,
    chosen_resource_id,
    tags_of,
)
from dms_pipeline.local_dms.control_plane.lifecycle import GONE, Phase
from dms_pipeline.local_dms.control_plane.listing import filtered, page
from dms_pipeline.local_dms.control_plane.maintenance_window import checked_window
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.resources import (
    ReplicationInstance,
    ReplicationTask,
    SubnetGroup,
    default_kms_key,
    new_arn,
)
from dms_pipeline.local_dms.control_plane.subnet_groups import (
    default_group,
    described_group,
    find_group,
)
from dms_pipeline.local_dms.control_plane.timing import Timing

WHAT = "Replication instance"
_TRANSITIONAL = ("creating", "deleting", "modifying", "rebooting", "upgrading")
_WINDOW = "PreferredMaintenanceWindow"
_DEFAULT_SECURITY_GROUP = "sg-local"
_ADDRESS = "127.0.0.1"


class ReplicationInstances:
    """The operations on replication instances."""

    def __init__(
        self,
        registry: Registry,
        timing: Timing,
        injection: FaultInjection,
        keep_ready: Callable[[], None],
    ) -> None:
        """Work on the instances of `registry`; `keep_ready` looks after the engine they need."""
        self._registry = registry
        self._timing = timing
        self._injection = injection
        self._keep_ready = keep_ready

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
        check_name_is_free(self._registry, identifier, region=request.region)
        if _WINDOW in params:
            params[_WINDOW] = checked_window(params[_WINDOW])
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
        added = self._registry.add(instance)
        self._keep_ready()
        return {"ReplicationInstance": instance_as_described(self._registry, added)}

    def describe(self, request: Request) -> dict[str, Any]:
        instances = filtered(
            self._registry.all(ReplicationInstance, request.region),
            request.params,
            by={
                "replication-instance-arn": lambda i: [i.arn],
                "replication-instance-id": lambda i: [i.identifier],
                "replication-instance-class": lambda i: [i.parameters["ReplicationInstanceClass"]],
                "engine-version": lambda i: [i.current["EngineVersion"]],
            },
            what=WHAT,
        )
        shown, marker = page(
            instances, request.params, key=lambda i: f"{i.created_at:020.6f}{i.arn}"
        )
        self._registry.show(shown)
        described = [instance_as_described(self._registry, instance) for instance in shown]
        return {"ReplicationInstances": described, "Marker": marker}

    def delete(self, request: Request) -> dict[str, Any]:
        arn = request.params["ReplicationInstanceArn"]
        instance = self._registry.get(ReplicationInstance, arn, WHAT)
        if instance.life.status in _TRANSITIONAL:
            raise invalid_state(
                f"{WHAT} {instance.identifier} cannot be deleted, it is {instance.life.status}."
            )
        everywhere = self._registry.all(ReplicationTask)
        tasks = [task for task in everywhere if arn in (task.instance_arn, task.moving_to)]
        if tasks:
            names = ", ".join(f"{task.identifier} ({task.life.status})" for task in tasks)
            raise invalid_state(
                f"{WHAT} {instance.identifier} has one or more replication tasks: {names}. "
                "Delete them and wait until they are gone."
            )
        phase = self._timing.phase("instance", "deleting", instance.identifier)
        life = self._registry.begin(phase, Phase(GONE))
        deleting = self._registry.save(replace(instance, life=life))
        self._keep_ready()
        return {"ReplicationInstance": instance_as_described(self._registry, deleting)}


def check_name_is_free(registry: Registry, identifier: str, *, region: str) -> None:
    for other in registry.all(ReplicationInstance, region):
        if other.identifier == identifier:
            raise already_exists(f"{WHAT} {identifier} already exists.", other.arn)


def instance_as_described(registry: Registry, instance: ReplicationInstance) -> dict[str, Any]:
    """The instance as Describe shows it, with its subnet group."""
    group = instance.parameters.get("ReplicationSubnetGroupIdentifier")
    found = find_group(registry, group, region=instance.region) if group else None
    return described_instance(instance, found)


def described_instance(instance: ReplicationInstance, group: SubnetGroup | None) -> dict[str, Any]:
    given, region = instance.current, instance.region
    zone = given.get("AvailabilityZone", f"{region}a")
    other_zone = f"{region}a" if zone == f"{region}b" else f"{region}b"
    return {
        "ReplicationInstanceIdentifier": instance.identifier,
        "ReplicationInstanceClass": given["ReplicationInstanceClass"],
        "ReplicationInstanceStatus": instance.life.status,
        "AllocatedStorage": given["AllocatedStorage"],
        "InstanceCreateTime": instance.created_at,
        "VpcSecurityGroups": [
            {"VpcSecurityGroupId": group_id, "Status": "active"}
            for group_id in given.get("VpcSecurityGroupIds") or [_DEFAULT_SECURITY_GROUP]
        ],
        "AvailabilityZone": zone,
        "ReplicationSubnetGroup": described_group(group or default_group(region)),
        "PreferredMaintenanceWindow": given["PreferredMaintenanceWindow"],
        "PendingModifiedValues": instance.pending,
        "MultiAZ": given["MultiAZ"],
        "EngineVersion": given["EngineVersion"],
        "AutoMinorVersionUpgrade": given["AutoMinorVersionUpgrade"],
        "KmsKeyId": given.get("KmsKeyId") or default_kms_key(region),
        "ReplicationInstanceArn": instance.arn,
        **_addresses(instance),
        "PubliclyAccessible": given["PubliclyAccessible"],
        "SecondaryAvailabilityZone": other_zone if given["MultiAZ"] else None,
        "DnsNameServers": given.get("DnsNameServers"),
        "NetworkType": given["NetworkType"],
        "KerberosAuthenticationSettings": given.get("KerberosAuthenticationSettings"),
    }


def _addresses(instance: ReplicationInstance) -> dict[str, Any]:
    """The members with addresses; AWS fills them in only when the instance is up."""
    if instance.life.status == "creating":
        return {"ReplicationInstancePrivateIpAddresses": []}
    kinds = ("Private", "Public") if instance.current["PubliclyAccessible"] else ("Private",)
    return {
        name: value
        for kind in kinds
        for name, value in (
            (f"ReplicationInstance{kind}IpAddress", _ADDRESS),
            (f"ReplicationInstance{kind}IpAddresses", [_ADDRESS]),
        )
    }
