"""Connection tests: a real login, in a thread of its own, as TestConnection answers at once."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from dms_pipeline.local_dms.control_plane.endpoint_login import SecretReader, connection_settings
from dms_pipeline.local_dms.control_plane.endpoints import EndpointKind, kind_of
from dms_pipeline.local_dms.control_plane.fault_injection import FaultInjection
from dms_pipeline.local_dms.control_plane.faults import invalid_state, not_found
from dms_pipeline.local_dms.control_plane.lifecycle import GONE, Phase
from dms_pipeline.local_dms.control_plane.listing import filtered, page
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.resources import (
    Connection,
    Endpoint,
    ReplicationInstance,
)
from dms_pipeline.local_dms.control_plane.timing import Timing

logger = logging.getLogger(__name__)

WHAT = "Connection"
# ("source" | "target", settings) -> the driver's error text, None when the login worked
ConnectionCheck = Callable[[EndpointKind, dict[str, Any]], str | None]
# Runs a function later or elsewhere, so that the request does not wait for it
Background = Callable[[Callable[[], None]], None]


def _order(connection: Connection) -> str:
    return f"{connection.created_at:020.6f}{connection.key}"


class Connections:
    """The operations on connections; a test that a restart interrupted counts as failed."""

    def __init__(
        self,
        registry: Registry,
        timing: Timing,
        *,
        check: ConnectionCheck,
        read_secret: SecretReader,
        background: Background,
        injection: FaultInjection,
    ) -> None:
        """Work on the connections of `registry`, tested by `check`."""
        self._registry = registry
        self._timing = timing
        self._check = check
        self._read_secret = read_secret
        self._background = background
        self._injection = injection
        for connection in registry.all(Connection):
            if connection.life.final_status == "testing":
                self._end(connection, "The local DMS ended during the test; test again.")

    def operations(self) -> Mapping[str, Operation]:
        return {
            "TestConnection": self.test,
            "DescribeConnections": self.describe,
            "DeleteConnection": self.delete,
        }

    def test(self, request: Request) -> dict[str, Any]:
        instance = self._instance(request)
        endpoint = self._registry.get(Endpoint, request.params["EndpointArn"], "Endpoint")
        if instance.life.status != "available":
            raise invalid_state(
                f"Replication instance {instance.identifier} must be available to test a "
                "connection, "
                f"it is {instance.life.status}."
            )
        if endpoint.life.status != "active":
            raise invalid_state(f"Endpoint {endpoint.identifier} is {endpoint.life.status}.")
        former = self._registry.find(Connection, Connection.key_of(instance.arn, endpoint.arn))
        if former and former.life.status == "testing":
            raise invalid_state(
                f"Connection to endpoint {endpoint.identifier} is already being tested."
            )
        connection = self._registry.save(
            Connection(
                instance_arn=instance.arn,
                endpoint_arn=endpoint.arn,
                region=request.region,
                created_at=former.created_at if former else self._registry.clock(),
                life=self._registry.begin(
                    self._timing.phase(
                        "connection", "testing", endpoint.identifier, instance.identifier
                    )
                ),
            )
        )
        answer = {"Connection": self._described(connection)}
        self._background(lambda: self._run(connection, endpoint, instance))
        return answer

    def _run(
        self, connection: Connection, endpoint: Endpoint, instance: ReplicationInstance
    ) -> None:
        names = (endpoint.identifier, instance.identifier)
        try:
            failure = self._injection.connection_failure(*names) or self._failure(endpoint)
        except ValueError as error:
            failure = str(error)
        except Exception:  # the outermost loop of this thread; without an end the test would hang
            logger.exception("testing endpoint %s failed", endpoint.identifier)
            failure = "The local DMS failed during the test; its log has the details."
        with self._registry.lock:
            current = self._registry.find(Connection, connection.key)
            # Deleted or tested anew meanwhile: this result is about something else.
            if current and current.life.entered_at == connection.life.entered_at:
                self._end(current, failure)

    def _failure(self, endpoint: Endpoint) -> str | None:
        return self._check(kind_of(endpoint), connection_settings(endpoint, self._read_secret))

    def _end(self, connection: Connection, failure: str | None) -> None:
        status = "failed" if failure else "successful"
        message = f"Test Endpoint failed: {failure}" if failure else ""
        life = connection.life.then(Phase(status))
        self._registry.save(replace(connection, life=life, failure=message))

    def describe(self, request: Request) -> dict[str, Any]:
        connections = filtered(
            self._registry.all(Connection, request.region),
            request.params,
            by={
                "endpoint-arn": lambda c: [c.endpoint_arn],
                "replication-instance-arn": lambda c: [c.instance_arn],
            },
            what=WHAT,
        )
        shown, marker = page(connections, request.params, key=_order)
        self._registry.show(shown)
        return {"Connections": [self._described(c) for c in shown], "Marker": marker}

    def delete(self, request: Request) -> dict[str, Any]:
        instance = self._instance(request)
        key = Connection.key_of(instance.arn, request.params["EndpointArn"])
        connection = self._registry.find(Connection, key)
        if connection is None:
            raise not_found(f"{WHAT} between {key} not found.")
        if connection.life.status in ("testing", "deleting"):
            raise invalid_state(f"{WHAT} cannot be deleted, it is {connection.life.status}.")
        endpoint = self._registry.find(Endpoint, connection.endpoint_arn)
        names = (endpoint.identifier,) if endpoint else ()
        phase = self._timing.phase("connection", "deleting", *names, instance.identifier)
        life = self._registry.begin(phase, Phase(GONE))
        deleting = self._registry.save(replace(connection, life=life))
        return {"Connection": self._described(deleting)}

    def _instance(self, request: Request) -> ReplicationInstance:
        arn = request.params["ReplicationInstanceArn"]
        return self._registry.get(ReplicationInstance, arn, "Replication instance")

    def _described(self, connection: Connection) -> dict[str, Any]:
        instance = self._registry.find(ReplicationInstance, connection.instance_arn)
        endpoint = self._registry.find(Endpoint, connection.endpoint_arn)
        status = connection.life.status
        return {
            "ReplicationInstanceArn": connection.instance_arn,
            "EndpointArn": connection.endpoint_arn,
            "Status": status,
            "LastFailureMessage": connection.failure if status == "failed" else None,
            "EndpointIdentifier": endpoint.identifier if endpoint else None,
            "ReplicationInstanceIdentifier": instance.identifier if instance else None,
        }
