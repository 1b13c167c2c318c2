"""The objects that the local DMS keeps, as frozen values; a change is a new value.

Every field is plain JSON data (`parameters` holds the members of the request that made the object),
so that the store can write any of them without knowing them.
"""

import base64
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

from dms_pipeline.local_dms.control_plane.engine_catalogue import DEFAULT_ENGINE_VERSION
from dms_pipeline.local_dms.control_plane.lifecycle import Life
from dms_pipeline.local_dms.control_plane.maintenance_window import DEFAULT_WINDOW

# moto's account, so that the ARNs of all services of the local endpoint agree.
ACCOUNT_ID = "123456789012"


_INSTANCE_DEFAULTS: Mapping[str, Any] = {
    "AllocatedStorage": 50,
    "PreferredMaintenanceWindow": DEFAULT_WINDOW,
    "MultiAZ": False,
    "EngineVersion": DEFAULT_ENGINE_VERSION,
    "AutoMinorVersionUpgrade": True,
    "PubliclyAccessible": True,
    "NetworkType": "IPV4",
}


def new_arn(kind: str, region: str, resource_id: str | None = None) -> str:
    """An ARN as DMS forms them; the id is random unless the user chose one."""
    random_id = base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=")
    return f"arn:aws:dms:{region}:{ACCOUNT_ID}:{kind}:{resource_id or random_id}"


def default_kms_key(region: str) -> str:
    """The ARN of the key that stands for the account's own, where none is given."""
    key = uuid.uuid5(uuid.NAMESPACE_OID, f"aws/dms {ACCOUNT_ID} {region}")
    return f"arn:aws:kms:{region}:{ACCOUNT_ID}:key/{key}"


class Resource(Protocol):
    """What the registry needs to know of an object."""

    @property
    def key(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def created_at(self) -> float: ...
    @property
    def life(self) -> Life: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationInstance:
    """A replication instance; `identifier` is lower case, as DMS stores it.

    `pending` holds the members of ModifyReplicationInstance that wait or are being made.
    """

    arn: str
    region: str
    identifier: str
    created_at: float
    life: Life
    parameters: dict[str, Any]
    pending: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str]

    @property
    def key(self) -> str:
        return self.arn

    @property
    def current(self) -> dict[str, Any]:
        """The members of the instance as they are now, with DMS's defaults."""
        return {**_INSTANCE_DEFAULTS, **self.parameters}


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetGroup:
    """A replication subnet group; nothing of it has an effect."""

    arn: str
    region: str
    identifier: str
    created_at: float
    life: Life
    description: str
    subnet_ids: list[str]
    tags: dict[str, str]

    @property
    def key(self) -> str:
        return self.arn


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A source or target; `parameters` holds its password, therefore it is in no repr."""

    arn: str
    region: str
    identifier: str
    created_at: float
    life: Life
    parameters: dict[str, Any] = field(repr=False)
    tags: dict[str, str]

    @property
    def key(self) -> str:
        return self.arn


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """The last test of one endpoint from one instance."""

    instance_arn: str
    endpoint_arn: str
    region: str
    created_at: float
    life: Life
    failure: str = ""

    @property
    def key(self) -> str:
        return self.key_of(self.instance_arn, self.endpoint_arn)

    @staticmethod
    def key_of(instance_arn: str, endpoint_arn: str) -> str:
        return f"{instance_arn} {endpoint_arn}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRun:
    """A task's latest run; `number` tells its messages from those of earlier runs."""

    number: int
    fresh_started_at: float
    started_at: float
    stopped_at: float | None = None
    stop_reason: str = ""
    failure: str = ""
    progress: dict[str, int]
    tables: list[dict[str, Any]]
    reloading: list[dict[str, str]] = field(default_factory=list)
    """Tables to reload of which the engine has not said yet that it knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationTask:
    """A replication task; mappings and positions stay the texts that were given."""

    arn: str
    region: str
    identifier: str
    created_at: float
    life: Life
    instance_arn: str
    source_arn: str
    target_arn: str
    migration_type: str
    table_mappings: str
    settings: str
    start_position: str | None
    start_time: float | None
    stop_position: str | None
    task_data: str | None = None
    moving_to: str | None = None
    assessed_at: float | None = None
    recovery_checkpoint: str = ""
    run: TaskRun | None = None
    tags: dict[str, str]

    @property
    def key(self) -> str:
        return self.arn

    @property
    def resource_id(self) -> str:
        return self.arn.rsplit(":", 1)[1]

    @classmethod
    def restored(cls, document: dict[str, Any]) -> Self:
        run = document.pop("run")
        return cls(run=TaskRun(**run) if run else None, **document)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSubscription:
    """A subscription to events; kept and shown, nothing is sent for it."""

    arn: str
    region: str
    identifier: str
    created_at: float
    life: Life
    topic_arn: str
    source_type: str | None
    source_ids: list[str]
    categories: list[str]
    enabled: bool
    tags: dict[str, str]

    @property
    def key(self) -> str:
        return self.arn


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaRefresh:
    """The last RefreshSchemas of an endpoint, with the names that the last good one found."""

    endpoint_arn: str
    instance_arn: str
    region: str
    created_at: float
    life: Life
    refreshed_at: float | None
    names: list[str]
    failure: str = ""

    @property
    def key(self) -> str:
        return self.endpoint_arn


@dataclass(frozen=True, slots=True, kw_only=True)
class AssessmentRun:
    """A premigration assessment run; `individual` are the ARNs of its assessments by name."""

    arn: str
    region: str
    identifier: str
    created_at: float
    life: Life
    task_arn: str
    parameters: dict[str, Any]
    individual: dict[str, str]
    tags: dict[str, str]

    @property
    def key(self) -> str:
        return self.arn


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationConfig:
    """A configuration of DMS Serverless, which is never started here."""

    arn: str
    region: str
    identifier: str
    created_at: float
    updated_at: float
    life: Life
    source_arn: str
    target_arn: str
    replication_type: str
    compute: dict[str, Any]
    table_mappings: str
    settings: str
    supplemental_settings: str | None
    tags: dict[str, str]

    @property
    def key(self) -> str:
        return self.arn
