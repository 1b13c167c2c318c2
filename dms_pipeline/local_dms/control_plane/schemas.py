"""The schemas of endpoints: really asked of the database, in a thread of its own.

DescribeSchemas shows what the last RefreshSchemas that succeeded has found; what AWS shows before
the first is not documented, here it is nothing.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from dms_pipeline.errors import DmsPipelineError
from dms_pipeline.local_dms.control_plane.connections import Background
from dms_pipeline.local_dms.control_plane.endpoint_login import SecretReader, connection_settings
from dms_pipeline.local_dms.control_plane.endpoints import EndpointKind, kind_of
from dms_pipeline.local_dms.control_plane.faults import invalid_state, not_found
from dms_pipeline.local_dms.control_plane.lifecycle import Phase
from dms_pipeline.local_dms.control_plane.listing import page
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.resources import (
    Endpoint,
    ReplicationInstance,
    SchemaRefresh,
)
from dms_pipeline.local_dms.control_plane.timing import Timing

logger = logging.getLogger(__name__)

# ("source" | "target", settings) -> the schemas' names; raises DmsPipelineError or ValueError
SchemaNames = Callable[[EndpointKind, dict[str, Any]], list[str]]


class Schemas:
    """The operations on schemas; a refresh that a restart interrupted counts as failed."""

    def __init__(
        self,
        registry: Registry,
        timing: Timing,
        *,
        names: SchemaNames,
        read_secret: SecretReader,
        background: Background,
    ) -> None:
        """Work on the endpoints of `registry`, asked by `names`."""
        self._registry = registry
        self._timing = timing
        self._names = names
        self._read_secret = read_secret
        self._background = background
        for refresh in registry.all(SchemaRefresh):
            if refresh.life.final_status == "refreshing":
                self._end(refresh, failure="The local DMS ended meanwhile; refresh again.")

    def operations(self) -> Mapping[str, Operation]:
        return {
            "RefreshSchemas": self.refresh,
            "DescribeRefreshSchemasStatus": self.describe_status,
            "DescribeSchemas": self.describe,
        }

    def refresh(self, request: Request) -> dict[str, Any]:
        endpoint = self._endpoint(request)
        arn = request.params["ReplicationInstanceArn"]
        instance = self._registry.get(ReplicationInstance, arn, "Replication instance")
        if instance.life.status != "available":
            raise invalid_state(
                f"Replication instance {instance.identifier} must be available to refresh "
                f"schemas, it is {instance.life.status}."
            )
        if endpoint.life.status != "active":
            raise invalid_state(f"Endpoint {endpoint.identifier} is {endpoint.life.status}.")
        former = self._registry.find(SchemaRefresh, endpoint.arn)
        if former and former.life.status == "refreshing":
            raise invalid_state(
                f"The schemas of endpoint {endpoint.identifier} are already being refreshed."
            )
        phase = self._timing.phase(
            "schemas", "refreshing", endpoint.identifier, instance.identifier
        )
        refresh = self._registry.save(
            SchemaRefresh(
                endpoint_arn=endpoint.arn,
                instance_arn=instance.arn,
                region=request.region,
                created_at=self._registry.clock(),
                life=self._registry.begin(phase),
                refreshed_at=former.refreshed_at if former else None,
                names=former.names if former else [],
            )
        )
        self._background(lambda: self._run(refresh, endpoint))
        return {"RefreshSchemasStatus": _described(refresh)}

    def _run(self, refresh: SchemaRefresh, endpoint: Endpoint) -> None:
        names: list[str] | None = None
        failure = ""
        try:
            settings = connection_settings(endpoint, self._read_secret)
            names = self._names(kind_of(endpoint), settings)
        except (DmsPipelineError, ValueError) as error:
            failure = str(error)
        except Exception:  # the outermost loop of this thread; without an end it would hang
            logger.exception("asking endpoint %s for its schemas failed", endpoint.identifier)
            failure = "The local DMS failed to ask; its log has the details."
        with self._registry.lock:
            current = self._registry.find(SchemaRefresh, refresh.key)
            # Deleted meanwhile, or asked anew: this answer is about something else.
            if current and current.created_at == refresh.created_at:
                self._end(current, names, failure)

    def _end(
        self, refresh: SchemaRefresh, names: list[str] | None = None, failure: str = ""
    ) -> None:
        life = refresh.life.then(Phase("failed" if names is None else "successful"))
        if names is not None:
            now = self._registry.clock()
            refresh = replace(refresh, names=names, refreshed_at=now)
        self._registry.save(replace(refresh, life=life, failure=failure))

    def describe_status(self, request: Request) -> dict[str, Any]:
        endpoint = self._endpoint(request)
        refresh = self._registry.find(SchemaRefresh, endpoint.arn)
        if refresh is None:
            raise not_found(f"The schemas of endpoint {endpoint.identifier} were never refreshed.")
        self._registry.show([refresh])
        return {"RefreshSchemasStatus": _described(refresh)}

    def describe(self, request: Request) -> dict[str, Any]:
        refresh = self._registry.find(SchemaRefresh, self._endpoint(request).arn)
        names = refresh.names if refresh else []
        shown, marker = page(names, request.params, key=str)
        return {"Schemas": shown, "Marker": marker}

    def _endpoint(self, request: Request) -> Endpoint:
        return self._registry.get(Endpoint, request.params["EndpointArn"], "Endpoint")


def _described(refresh: SchemaRefresh) -> dict[str, Any]:
    status = refresh.life.status
    return {
        "EndpointArn": refresh.endpoint_arn,
        "ReplicationInstanceArn": refresh.instance_arn,
        "Status": status,
        "LastRefreshDate": refresh.refreshed_at,
        "LastFailureMessage": refresh.failure if status == "failed" else None,
    }
