"""ModifyReplicationInstance and RebootReplicationInstance.

Changes that mean an outage wait in `PendingModifiedValues` for the maintenance window, unless the
request says ApplyImmediately; then everything that waits is made. The instance has its former
values until it is available again.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dms_pipeline.local_dms.control_plane.engine_catalogue import (
    LARGEST_STORAGE_GB,
    SMALLEST_STORAGE_GB,
    version_order,
)
from dms_pipeline.local_dms.control_plane.faults import (
    invalid_combination,
    invalid_state,
    invalid_value,
)
from dms_pipeline.local_dms.control_plane.identifiers import checked_identifier
from dms_pipeline.local_dms.control_plane.lifecycle import Life, Phase
from dms_pipeline.local_dms.control_plane.maintenance_window import (
    DEFAULT_WINDOW,
    checked_window,
    seconds_until,
)
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.replication_instances import (
    WHAT,
    check_name_is_free,
    instance_as_described,
)
from dms_pipeline.local_dms.control_plane.resources import ReplicationInstance
from dms_pipeline.local_dms.control_plane.timing import Timing

_WINDOW = "PreferredMaintenanceWindow"
# Their values may be pending, by the service model; the others are taken on at once.
_WAITING = (
    "ReplicationInstanceClass",
    "AllocatedStorage",
    "MultiAZ",
    "EngineVersion",
    "NetworkType",
)
_AT_ONCE = (
    "VpcSecurityGroupIds",
    _WINDOW,
    "AutoMinorVersionUpgrade",
    "KerberosAuthenticationSettings",
)


class InstanceChanges:
    """The operations that change instances."""

    def __init__(self, registry: Registry, timing: Timing) -> None:
        """Work on the instances of `registry`."""
        self._registry = registry
        self._timing = timing

    def operations(self) -> Mapping[str, Operation]:
        return {
            "ModifyReplicationInstance": self.modify,
            "RebootReplicationInstance": self.reboot,
        }

    def modify(self, request: Request) -> dict[str, Any]:
        params = request.params
        instance = self._available(params, "modified")
        identifier = self._identifier(instance, params)
        _check(instance, params)
        at_once = {name: params[name] for name in _AT_ONCE if name in params}
        if _WINDOW in at_once:
            at_once[_WINDOW] = checked_window(params[_WINDOW])
        wanted = {
            **instance.pending,
            **{name: params[name] for name in _WAITING if name in params},
        }
        current = instance.current
        pending = {name: value for name, value in wanted.items() if value != current[name]}
        changed = replace(
            instance,
            identifier=identifier,
            parameters={**instance.parameters, **at_once},
            pending=pending,
        )
        life = self._life(changed, immediately=params.get("ApplyImmediately", False))
        saved = self._registry.save(replace(changed, life=life))
        return {"ReplicationInstance": instance_as_described(self._registry, saved)}

    def _identifier(self, instance: ReplicationInstance, params: Mapping[str, Any]) -> str:
        member = "ReplicationInstanceIdentifier"
        if member not in params:
            return instance.identifier
        identifier = checked_identifier(params[member], member=member, longest=63).lower()
        if identifier != instance.identifier:
            check_name_is_free(self._registry, identifier, region=instance.region)
        return identifier

    def _life(self, instance: ReplicationInstance, *, immediately: bool) -> Life:
        if not instance.pending:
            return self._registry.begin(Phase("available"))
        status = "upgrading" if "EngineVersion" in instance.pending else "modifying"
        change = self._timing.phase("instance", status, instance.identifier), Phase("available")
        if immediately:
            return self._registry.begin(*change)
        window = instance.parameters.get(_WINDOW, DEFAULT_WINDOW)
        wait_s = seconds_until(window, self._registry.clock())
        return self._registry.begin(Phase("available", wait_s), *change)

    def reboot(self, request: Request) -> dict[str, Any]:
        params = request.params
        instance = self._available(params, "rebooted")
        forced = [n for n in ("ForceFailover", "ForcePlannedFailover") if params.get(n)]
        if len(forced) > 1:
            raise invalid_combination(f"{forced[0]} and {forced[1]} cannot both be true.")
        if forced and not instance.current["MultiAZ"]:
            raise invalid_combination(f"{forced[0]} needs a Multi-AZ instance.")
        rebooting = self._timing.phase("instance", "rebooting", instance.identifier)
        after = self._life(instance, immediately=False)
        life = self._registry.begin(rebooting, *after.phases)
        saved = self._registry.save(replace(instance, life=life))
        return {"ReplicationInstance": instance_as_described(self._registry, saved)}

    def _available(self, params: Mapping[str, Any], action: str) -> ReplicationInstance:
        arn = params["ReplicationInstanceArn"]
        instance = self._registry.get(ReplicationInstance, arn, WHAT)
        if instance.life.status != "available":
            raise invalid_state(
                f"{WHAT} {instance.identifier} cannot be {action}, it is {instance.life.status} "
                "and not available."
            )
        return instance


def _check(instance: ReplicationInstance, params: Mapping[str, Any]) -> None:
    storage = params.get("AllocatedStorage", SMALLEST_STORAGE_GB)
    if not SMALLEST_STORAGE_GB <= storage <= LARGEST_STORAGE_GB:
        raise invalid_value(
            f"AllocatedStorage must be between {SMALLEST_STORAGE_GB} and {LARGEST_STORAGE_GB} GB, "
            f"not {storage}."
        )
    if "EngineVersion" in params:
        _check_upgrade(
            instance.current["EngineVersion"],
            params["EngineVersion"],
            may_be_major=params.get("AllowMajorVersionUpgrade", False),
        )


def _check_upgrade(current: str, wanted: str, *, may_be_major: bool) -> None:
    """AWS has no downgrades, and from 3.4 to 3.5 is a major upgrade (user guide, release notes)."""
    if not version_order(wanted):
        raise invalid_value(f"{wanted!r} is not an engine version.")
    if version_order(wanted) < version_order(current):
        raise invalid_combination(f"Engine version {current} cannot be downgraded to {wanted}.")
    if version_order(wanted)[:2] != version_order(current)[:2] and not may_be_major:
        raise invalid_combination(
            f"From engine version {current} to {wanted} is a major version upgrade, "
            "AllowMajorVersionUpgrade must be true for it."
        )
