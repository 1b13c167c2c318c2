"""What becomes of an object when the state in which it was being changed is over."""

from dataclasses import replace
from typing import Any

from dms_pipeline.local_dms.control_plane.lifecycle import Life
from dms_pipeline.local_dms.control_plane.resources import ReplicationInstance, ReplicationTask

CHANGING = ("modifying", "upgrading")


def arrived(resource: Any, life: Life) -> Any:
    """The object in its next life; an instance takes on its changes, a task its new instance."""
    former = resource.life.status
    if isinstance(resource, ReplicationInstance) and former in CHANGING:
        parameters = {**resource.parameters, **resource.pending}
        return replace(resource, life=life, parameters=parameters, pending={})
    if isinstance(resource, ReplicationTask) and former == "moving" and resource.moving_to:
        return replace(resource, life=life, instance_arn=resource.moving_to, moving_to=None)
    return replace(resource, life=life)
