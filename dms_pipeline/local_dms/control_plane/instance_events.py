"""The events of a replication instance; where their words are from stands in `events`."""

from collections.abc import Iterator, Mapping
from typing import Any

from dms_pipeline.local_dms.control_plane.arrivals import CHANGING
from dms_pipeline.local_dms.control_plane.lifecycle import GONE
from dms_pipeline.local_dms.control_plane.resources import ReplicationInstance

# (category or none, message)
Told = tuple[str | None, str]

_ENTERS: Mapping[str, Told] = {
    "creating": ("creation", "A replication instance is being created."),
    "deleting": ("deletion", "The replication instance is being deleted."),
    GONE: ("deletion", "The replication instance is deleted."),
    "rebooting": (None, "Replication application shutdown"),
    "storage-full": ("failure", "The replication instance has gone into storage failure."),
    "incompatible-network": (
        "failure",
        "The replication instance has failed due to an incompatible network.",
    ),
    "inaccessible-encryption-credentials": (
        "failure",
        "The service can't access the AWS KMS key used to encrypt the data volume.",
    ),
    "upgrading": (
        "maintenance",
        "Offline maintenance of the replication instance is taking place. The replication "
        "instance is currently unavailable.",
    ),
}
_AVAILABLE_AFTER: Mapping[str, Told] = {
    "creating": ("creation", "A replication instance is created."),
    "rebooting": (None, "Replication application restarted"),
    "upgrading": (
        "maintenance",
        "Offline maintenance of the replication instance is complete. The replication instance "
        "is now available.",
    ),
}


def told_of_instance(
    before: ReplicationInstance, after: ReplicationInstance, former: str, status: str
) -> Iterator[Told]:
    told = _AVAILABLE_AFTER.get(former) if status == "available" else _ENTERS.get(status)
    if told:
        yield told
    if status in CHANGING:
        yield from _changes(after, done=False)
    elif former in CHANGING and status == "available":
        yield from _changes(before, done=True)


def _changes(instance: ReplicationInstance, *, done: bool) -> Iterator[Told]:
    current, pending = instance.current, instance.pending
    for name, value in pending.items():
        message = _message(name, current[name], value, done=done)
        if message:
            yield "configuration change", message


def _message(name: str, current: Any, wanted: Any, *, done: bool) -> str | None:
    match name:
        case "ReplicationInstanceClass":
            end = "has changed." if done else "is being changed."
            return f"The replication instance class for this replication instance {end}"
        case "AllocatedStorage" if wanted > current:
            end = "has been increased." if done else "is being increased."
            return f"The storage for the replication instance {end}"
        case "MultiAZ":
            return _to_zones("Multi-AZ" if wanted else "Single-AZ", done=done)
    return None


def _to_zones(kind: str, *, done: bool) -> str:
    if not done:
        return f"The replication instance is transitioning to a {kind} configuration."
    # The guide words the two ends differently.
    verb = "finished" if kind == "Multi-AZ" else "has finished"
    return f"The replication instance {verb} transitioning to a {kind} configuration."
