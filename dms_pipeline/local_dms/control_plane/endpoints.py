"""Endpoints: where a source or target is and as whom to log in there."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from dms_pipeline.local_dms.control_plane.faults import (
    already_exists,
    invalid_combination,
    invalid_state,
    invalid_value,
)
from dms_pipeline.local_dms.control_plane.identifiers import (
    checked_identifier,
    chosen_resource_id,
    tags_of,
)
from dms_pipeline.local_dms.control_plane.lifecycle import GONE, Phase
from dms_pipeline.local_dms.control_plane.listing import filtered, page
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.resources import (
    Connection,
    Endpoint,
    ReplicationConfig,
    ReplicationTask,
    default_kms_key,
    new_arn,
)
from dms_pipeline.local_dms.control_plane.timing import Timing

WHAT = "Endpoint"
EndpointKind = Literal["source", "target"]

DISPLAY_NAMES: Mapping[str, str] = {
    "mysql": "MySQL",
    "mariadb": "MariaDB",
    "aurora": "Amazon Aurora MySQL",
    "postgres": "PostgreSQL",
    "aurora-postgresql": "Amazon Aurora PostgreSQL",
}
ENGINES: Mapping[str, tuple[str, ...]] = {
    "source": ("mysql", "mariadb", "aurora"),
    "target": ("postgres", "aurora-postgresql"),
}
_SETTINGS = {"source": "MySQLSettings", "target": "PostgreSQLSettings"}
LOGIN_MEMBERS = ("ServerName", "Port", "Username", "Password")
_BUSY = ("starting", "running", "stopping")


class Endpoints:
    """The operations on endpoints."""

    def __init__(self, registry: Registry, timing: Timing) -> None:
        """Work on the endpoints of `registry`."""
        self._registry = registry
        self._timing = timing

    def operations(self) -> Mapping[str, Operation]:
        return {
            "CreateEndpoint": self.create,
            "DescribeEndpoints": self.describe,
            "ModifyEndpoint": self.modify,
            "DeleteEndpoint": self.delete,
        }

    def create(self, request: Request) -> dict[str, Any]:
        params = {name: value for name, value in request.params.items() if name != "Tags"}
        _check(params)
        self._check_free(params["EndpointIdentifier"], request.region)
        endpoint = Endpoint(
            arn=new_arn("endpoint", request.region, chosen_resource_id(params)),
            region=request.region,
            identifier=params["EndpointIdentifier"],
            created_at=self._registry.clock(),
            life=self._registry.begin(Phase("active")),
            parameters=params,
            tags=tags_of(request.params),
        )
        return {"Endpoint": described_endpoint(self._registry.add(endpoint))}

    def describe(self, request: Request) -> dict[str, Any]:
        endpoints = filtered(
            self._registry.all(Endpoint, request.region),
            request.params,
            by={
                "endpoint-arn": lambda e: [e.arn],
                "endpoint-id": lambda e: [e.identifier],
                "endpoint-type": lambda e: [kind_of(e), kind_of(e).upper()],
                "engine-name": lambda e: [e.parameters["EngineName"]],
            },
            what=WHAT,
        )
        shown, marker = page(
            endpoints, request.params, key=lambda e: f"{e.created_at:020.6f}{e.arn}"
        )
        self._registry.show(shown)
        return {"Endpoints": [described_endpoint(e) for e in shown], "Marker": marker}

    def modify(self, request: Request) -> dict[str, Any]:
        endpoint = self._registry.get(Endpoint, request.params["EndpointArn"], WHAT)
        if endpoint.life.status == "deleting":
            raise invalid_state(f"{WHAT} {endpoint.identifier} cannot be modified, it is deleting.")
        self._refuse_while_used(endpoint, _BUSY, "modified")
        changes = {
            name: value
            for name, value in request.params.items()
            if name not in ("EndpointArn", "ExactSettings")
        }
        exact = request.params.get("ExactSettings", False)
        changed = _merged(endpoint.parameters, changes, exact=exact)
        _check(changed)
        identifier = changed["EndpointIdentifier"]
        if identifier.lower() != endpoint.identifier.lower():
            self._check_free(identifier, request.region)
        # AWS forgets the tests of a changed endpoint: it must be tested again before a start.
        for connection in self._registry.all(Connection):
            if connection.endpoint_arn == endpoint.arn:
                self._registry.remove(connection)
        saved = self._registry.save(replace(endpoint, parameters=changed, identifier=identifier))
        return {"Endpoint": described_endpoint(saved)}

    def delete(self, request: Request) -> dict[str, Any]:
        endpoint = self._registry.get(Endpoint, request.params["EndpointArn"], WHAT)
        if endpoint.life.status == "deleting":
            raise invalid_state(f"{WHAT} {endpoint.identifier} is already being deleted.")
        self._refuse_while_used(endpoint, None, "deleted")
        for config in self._registry.all(ReplicationConfig):
            if endpoint.arn in (config.source_arn, config.target_arn):
                raise invalid_state(
                    f"{WHAT} {endpoint.identifier} cannot be deleted, it is part of replication "
                    f"config {config.identifier}."
                )
        for connection in self._registry.all(Connection):
            if connection.endpoint_arn == endpoint.arn:
                self._registry.remove(connection)
        phase = self._timing.phase("endpoint", "deleting", endpoint.identifier)
        life = self._registry.begin(phase, Phase(GONE))
        deleting = self._registry.save(replace(endpoint, life=life))
        return {"Endpoint": described_endpoint(deleting)}

    def _check_free(self, identifier: str, region: str) -> None:
        for other in self._registry.all(Endpoint, region):
            if other.identifier.lower() == identifier.lower():
                raise already_exists(f"{WHAT} {identifier} already exists.", other.arn)

    def _refuse_while_used(
        self, endpoint: Endpoint, statuses: tuple[str, ...] | None, action: str
    ) -> None:
        for task in self._registry.all(ReplicationTask):
            uses = endpoint.arn in (task.source_arn, task.target_arn)
            if uses and (statuses is None or task.life.status in statuses):
                raise invalid_state(
                    f"{WHAT} {endpoint.identifier} cannot be {action}, it is part of one or more "
                    f"replication tasks: {task.identifier} ({task.life.status})."
                )


def kind_of(endpoint: Endpoint) -> EndpointKind:
    return "source" if endpoint.parameters["EndpointType"].lower() == "source" else "target"


def _check(params: Mapping[str, Any]) -> None:
    checked_identifier(params["EndpointIdentifier"], member="EndpointIdentifier", longest=255)
    kind = params["EndpointType"].lower()
    if kind not in ENGINES:
        raise invalid_value(f"EndpointType must be source or target, not {params['EndpointType']}.")
    if params["EngineName"] not in ENGINES[kind]:
        raise invalid_value(
            f"The local DMS has no engine {params['EngineName']} for a {kind}, it has: "
            f"{', '.join(ENGINES[kind])}."
        )
    settings = settings_of(params)
    if "SecretsManagerSecretId" in settings:
        if any(name in params or name in settings for name in LOGIN_MEMBERS):
            raise invalid_combination(
                "Give either SecretsManagerSecretId or ServerName, Port, Username and Password, "
                "not both."
            )
    elif not (params.get("ServerName") or settings.get("ServerName")):
        raise invalid_combination(
            "Give ServerName, or SecretsManagerSecretId in the engine's settings."
        )


def settings_of(params: Mapping[str, Any]) -> Mapping[str, Any]:
    settings: Mapping[str, Any] = params.get(_SETTINGS[params["EndpointType"].lower()], {})
    return settings


def _merged(old: Mapping[str, Any], changes: Mapping[str, Any], *, exact: bool) -> dict[str, Any]:
    merged = {**old, **changes}
    for name in _SETTINGS.values():
        if not exact and name in old and name in changes:
            merged[name] = {**old[name], **changes[name]}
        # A member given beside the settings replaces the one inside, or it would have no effect.
        if name in merged:
            outer = {
                key for key in LOGIN_MEMBERS if key in changes and key not in changes.get(name, {})
            }
            merged[name] = {k: v for k, v in merged[name].items() if k not in outer}
    return merged


def described_endpoint(endpoint: Endpoint) -> dict[str, Any]:
    """The endpoint as Describe shows it; the protocol leaves passwords out by their type."""
    given = endpoint.parameters
    settings_name = _SETTINGS[kind_of(endpoint)]
    shared = {name: given[name] for name in LOGIN_MEMBERS if name in given}
    kept = {
        name: value
        for name, value in given.items()
        if name not in ("Password", "ResourceIdentifier", "EndpointType", "KmsKeyId")
    }
    return {
        "SslMode": "none",
        **kept,
        "EndpointIdentifier": endpoint.identifier,
        "EndpointType": kind_of(endpoint).upper(),
        "EngineDisplayName": DISPLAY_NAMES[given["EngineName"]],
        "Status": endpoint.life.status,
        "EndpointArn": endpoint.arn,
        "KmsKeyId": given.get("KmsKeyId") or default_kms_key(endpoint.region),
        settings_name: {**shared, **given.get(settings_name, {})},
    }
