"""What AWS DMS tells of its instances and tasks as events, derived from how their states move on.

Messages and categories are those of the user guide's tables ("AWS DMS event categories and event
messages"), the categories spelled as DescribeEventCategories shows them, and those of a reboot are
from AWS's example of DescribeEvents. Why a task ended is added to its message, as AWS's EventBridge
events do.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dms_pipeline.local_dms.control_plane.instance_events import Told, told_of_instance
from dms_pipeline.local_dms.control_plane.resources import (
    ReplicationInstance,
    ReplicationTask,
    Resource,
)

INSTANCE, TASK = "replication-instance", "replication-task"
CATEGORIES: Mapping[str, tuple[str, ...]] = {
    INSTANCE: (
        "low storage",
        "configuration change",
        "maintenance",
        "deletion",
        "creation",
        "failover",
        "failure",
    ),
    TASK: ("configuration change", "state change", "deletion", "creation", "failure"),
}
NEW = ""

_ACTIVE = ("starting", "running", "stopping")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of an instance or a task."""

    number: int
    date: float
    region: str
    source_arn: str
    source_identifier: str
    source_type: str
    instance_arn: str
    message: str
    category: str | None


def told_of(before: Resource, after: Resource, statuses: Sequence[str]) -> Iterator[Told]:
    """What is told of an object that went through `statuses`."""
    if _asked_to_reload(before, after):
        yield "state change", "A reload of table details was requested."
    for former, status in pairwise(statuses):
        if former == status:
            continue
        if isinstance(after, ReplicationTask):
            yield from _task(after, former, status)
        elif isinstance(after, ReplicationInstance) and isinstance(before, ReplicationInstance):
            yield from told_of_instance(before, after, former, status)


def _asked_to_reload(before: Resource, after: Resource) -> bool:
    waiting = [
        len(task.run.reloading) if isinstance(task, ReplicationTask) and task.run else 0
        for task in (before, after)
    ]
    return waiting[1] > waiting[0]


def _task(task: ReplicationTask, former: str, status: str) -> list[Told]:
    run = task.run
    told: Told | None = None
    match former, status:
        case "creating", _:
            told = "creation", "The replication task is created."
        case "modifying", _:
            told = "configuration change", "The replication task is modified."
        case _, "running":
            told = "state change", "The replication task has started."
        case was, "stopped" if was in _ACTIVE and run:
            told = "state change", f"The replication task has stopped. {run.stop_reason}"
        case was, "failed" if was in _ACTIVE and run:
            told = "failure", f"The replication task has failed. {run.failure}"
        case _, "gone":
            told = "deletion", "The replication task is deleted."
    return [told] if told else []
