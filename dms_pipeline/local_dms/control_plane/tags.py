"""Tags of whatever has an ARN."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from dms_pipeline.local_dms.control_plane.faults import invalid_value, not_found
from dms_pipeline.local_dms.control_plane.identifiers import tags_of
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.resources import (
    AssessmentRun,
    Endpoint,
    EventSubscription,
    ReplicationConfig,
    ReplicationInstance,
    ReplicationTask,
    SubnetGroup,
)

Tagged = (
    ReplicationInstance
    | Endpoint
    | ReplicationTask
    | SubnetGroup
    | EventSubscription
    | AssessmentRun
    | ReplicationConfig
)


class Tags:
    """The operations on tags."""

    def __init__(self, registry: Registry) -> None:
        """Work on the objects of `registry`."""
        self._registry = registry

    def operations(self) -> Mapping[str, Operation]:
        return {
            "AddTagsToResource": self.add,
            "RemoveTagsFromResource": self.remove,
            "ListTagsForResource": self.list,
        }

    def add(self, request: Request) -> dict[str, Any]:
        resource = self._find(request.params["ResourceArn"])
        self._registry.save(replace(resource, tags={**resource.tags, **tags_of(request.params)}))
        return {}

    def remove(self, request: Request) -> dict[str, Any]:
        resource = self._find(request.params["ResourceArn"])
        gone = set(request.params["TagKeys"])
        kept = {key: value for key, value in resource.tags.items() if key not in gone}
        self._registry.save(replace(resource, tags=kept))
        return {}

    def list(self, request: Request) -> dict[str, Any]:
        single = request.params.get("ResourceArn")
        arns = request.params.get("ResourceArnList") or ([single] if single else [])
        if not arns:
            raise invalid_value("Give ResourceArn or ResourceArnList.")
        return {
            "TagList": [
                # AWS names the resource only when several were asked for.
                {"Key": key, "Value": value, "ResourceArn": None if single else arn}
                for arn in arns
                for key, value in self._find(arn).tags.items()
            ]
        }

    def _find(self, arn: str) -> Tagged:
        for kind in get_args(Tagged):
            resource: Tagged | None = self._registry.find(kind, arn)
            if resource is not None:
                return resource
        raise not_found(f"Resource {arn} not found.")
