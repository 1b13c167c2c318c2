"""Pending maintenance actions: there are none on this machine."""

from collections.abc import Mapping
from typing import Any

from dms_pipeline.local_dms.control_plane.faults import invalid_value, not_found
from dms_pipeline.local_dms.control_plane.listing import filtered, page
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.replication_instances import WHAT
from dms_pipeline.local_dms.control_plane.resources import ReplicationInstance

_ACTIONS = ("os-upgrade", "system-update", "db-upgrade", "os-patch")
_OPT_INS = ("immediate", "next-maintenance", "undo-opt-in")


class PendingMaintenance:
    """The operations on pending maintenance actions."""

    def __init__(self, registry: Registry) -> None:
        """Look at the instances of `registry`."""
        self._registry = registry

    def operations(self) -> Mapping[str, Operation]:
        return {
            "DescribePendingMaintenanceActions": self.describe,
            "ApplyPendingMaintenanceAction": self.apply,
        }

    def describe(self, request: Request) -> dict[str, Any]:
        arn = request.params.get("ReplicationInstanceArn")
        if arn is not None:
            self._registry.get(ReplicationInstance, arn, WHAT)
        pending: list[str] = []
        by = {name: lambda arn: [arn] for name in ("replication-instance-arn",)}
        found = filtered(pending, request.params, by=by, what="Pending maintenance action")
        shown, marker = page(found, request.params, key=str)
        return {"PendingMaintenanceActions": shown, "Marker": marker}

    def apply(self, request: Request) -> dict[str, Any]:
        params = request.params
        arn, action = params["ReplicationInstanceArn"], params["ApplyAction"]
        for member, valid in (("ApplyAction", _ACTIONS), ("OptInType", _OPT_INS)):
            if params[member] not in valid:
                raise invalid_value(f"{member} must be one of {', '.join(valid)}.")
        instance = self._registry.get(ReplicationInstance, arn, WHAT)
        raise not_found(f"{WHAT} {instance.identifier} has no pending action {action}.")
