"""DescribeAccountAttributes: the quotas of AWS DMS, of which none is enforced here."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.resources import (
    ACCOUNT_ID,
    Endpoint,
    ReplicationInstance,
    ReplicationTask,
    SubnetGroup,
)

# User guide, "Quotas for AWS Database Migration Service". Only the names of the first three are
# in AWS's examples of an answer; the others are formed after them.
_QUOTAS: Mapping[str, tuple[int, type[Any]]] = {
    "ReplicationInstances": (60, ReplicationInstance),
    "Endpoints": (1000, Endpoint),
    "ReplicationTasks": (600, ReplicationTask),
    "ReplicationSubnetGroups": (60, SubnetGroup),
}
_LARGEST_STORAGE_GB = 30_000


class AccountAttributes:
    """The operation on the account."""

    def __init__(self, registry: Registry) -> None:
        """Count the objects of `registry`."""
        self._registry = registry

    def operations(self) -> Mapping[str, Operation]:
        return {"DescribeAccountAttributes": self.describe}

    def describe(self, request: Request) -> dict[str, Any]:
        used = {
            name: len(self._registry.all(kind, request.region))
            for name, (_, kind) in _QUOTAS.items()
        }
        instances = self._registry.all(ReplicationInstance, request.region)
        storage = sum(i.current["AllocatedStorage"] for i in instances)
        quotas = {name: (used[name], most) for name, (most, _) in _QUOTAS.items()}
        quotas["AllocatedStorage"] = (storage, _LARGEST_STORAGE_GB)
        return {
            "AccountQuotas": [
                {"AccountQuotaName": name, "Used": count, "Max": most}
                for name, (count, most) in quotas.items()
            ],
            "UniqueAccountIdentifier": unique_identifier(request.region),
        }


def unique_identifier(region: str) -> str:
    """A `c` and eleven lower-case letters and digits, the same for a region at any time."""
    digest = hashlib.sha256(f"{ACCOUNT_ID} {region}".encode()).digest()
    return "c" + base64.b32encode(digest).decode().lower()[:11]
