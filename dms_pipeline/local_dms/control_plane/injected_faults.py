"""The faults that a test can inject, as they come over the wire, validated once.

Each describes one bad day of AWS DMS. `identifier` narrows it to objects by name, with `*` and `?`
as wildcards; `times` says how often it strikes, and without it there is no end.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from dms_pipeline.local_dms.control_plane.lifecycle import REALISTIC_S, ObjectKind
from dms_pipeline.local_dms.control_plane.resources import ACCOUNT_ID

_MESSAGES = {
    "ThrottlingException": "Rate exceeded",
    "ExpiredTokenException": "The security token included in the request is expired",
    "UnrecognizedClientException": "The security token included in the request is invalid.",
    "InsufficientResourceCapacityFault": (
        "There are not enough resources allocated to the database migration."
    ),
    "AccessDeniedFault": (
        f"The IAM Role arn:aws:iam::{ACCOUNT_ID}:role/dms-vpc-role is not configured properly."
    ),
    "AccessDeniedException": (
        f"User: arn:aws:iam::{ACCOUNT_ID}:user/local is not authorized to perform: {{action}} "
        "because no identity-based policy allows the {action} action"
    ),
}


class InjectedFault(BaseModel):
    """What all faults have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    identifier: str = "*"
    times: PositiveInt | None = None


class RefusedRequest(InjectedFault):
    """A share of the calls of an operation is answered with an error and changes nothing."""

    kind: Literal["request-refused"]
    code: str
    message: str | None = None
    service: str = "dms"
    operation: str = "*"
    share: float = Field(default=1.0, gt=0, le=1)
    seed: int = 0

    @model_validator(mode="after")
    def _has_message(self) -> Self:
        if self.message is None and self.code not in _MESSAGES:
            raise ValueError(f"code {self.code} has no usual message, give one")
        return self

    def message_for(self, action: str) -> str:
        if self.message is not None:
            return self.message
        return _MESSAGES[self.code].replace("{action}", action)


class FailedProvisioning(InjectedFault):
    """A replication instance ends in `status` where it would become `available`."""

    kind: Literal["provisioning-failed"]
    status: Literal[
        "failed",
        "incompatible-credentials",
        "incompatible-network",
        "inaccessible-encryption-credentials",
        "storage-full",
    ] = "failed"


class FailedConnectionTest(InjectedFault):
    """A connection test fails without trying; the name is the endpoint's or the instance's."""

    kind: Literal["connection-test-failed"]
    message: str = Field(default="Connection timed out", min_length=1)


class KilledTask(InjectedFault):
    """The engine is killed (SIGKILL) when its run has reported so many applied rows."""

    kind: Literal["task-killed"]
    applied_rows: NonNegativeInt


class FailedTask(InjectedFault):
    """The task fails with this text; without `applied_rows` before its engine is started."""

    kind: Literal["task-failed"]
    message: str = Field(min_length=1)
    reason: Literal["FATAL_ERROR", "RECOVERABLE_ERROR"] = "FATAL_ERROR"
    applied_rows: NonNegativeInt | None = None


class PurgedBinlog(InjectedFault):
    """A task that starts from a position or time fails as for the source's error 1236."""

    kind: Literal["binlog-purged"]


class StaleCheckpoint(InjectedFault):
    """`RecoveryCheckpoint` is `value` (may be empty), or stands still until the run stops."""

    kind: Literal["checkpoint-stale"]
    value: str | None = None


class SuspendedTable(InjectedFault):
    """The run leaves the table out, shows it as `Table error` and else ends as usual."""

    kind: Literal["table-suspended"]
    schema_name: str = Field(alias="schema-name", min_length=1)
    table_name: str = Field(alias="table-name", min_length=1)


class SlowState(InjectedFault):
    """A transitional state lasts for so many seconds, or as long as on AWS."""

    kind: Literal["slow"]
    state: Literal[
        "creating",
        "deleting",
        "modifying",
        "moving",
        "provisioning",
        "rebooting",
        "refreshing",
        "running",
        "starting",
        "stopping",
        "testing",
        "upgrading",
    ]
    resource: ObjectKind | None = None
    seconds: NonNegativeFloat | Literal["realistic"]

    @model_validator(mode="after")
    def _exists(self) -> Self:
        if self.resource and (self.resource, self.state) not in REALISTIC_S:
            raise ValueError(f"the local DMS has no {self.resource} that is {self.state}")
        return self


AnyFault = Annotated[
    RefusedRequest
    | FailedProvisioning
    | FailedConnectionTest
    | KilledTask
    | FailedTask
    | PurgedBinlog
    | StaleCheckpoint
    | SuspendedTable
    | SlowState,
    Field(discriminator="kind"),
]
_FAULTS = TypeAdapter(list[AnyFault])


def parsed_faults(body: bytes) -> Sequence[InjectedFault]:
    """The faults of a JSON list; a ValueError says of each wrong one what is wrong with it."""
    try:
        return _FAULTS.validate_json(body)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise ValueError("; ".join(_described(p["loc"], p["msg"]) for p in problems)) from None


def _described(location: tuple[int | str, ...], message: str) -> str:
    if not location:
        return f"the body must be a JSON list of faults: {message}"
    # The second part is the fault's kind, the rest leads to the member.
    kind = f" ({location[1]})" if len(location) > 1 else ""
    member = ".".join(str(part) for part in location[2:3])
    return f"fault {location[0]}{kind}: " + (f"{member}: " if member else "") + message
