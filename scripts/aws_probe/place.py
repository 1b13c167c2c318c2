"""Where the probe asks: the endpoints, databases and network of a stack, by its outputs."""

from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from dms_pipeline.aws.secrets import DatabaseSecrets
from dms_pipeline.aws.session import AwsAccess, new_client
from dms_pipeline.errors import ConfigError
from dms_pipeline.resources.source import MySQLSource
from dms_pipeline.resources.target import PostgresTarget

NEEDED_OUTPUTS = ("SourceEndpoint", "SourceSecret", "TargetEndpoint", "TargetSecret")


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient the probe is, in seconds.

    Attributes:
        poll_s: between two looks.
        window_s: from a start to a stop by time; a task takes a minute or two to read at all.
        watch_s: for how long something is watched that may never happen.
        patience_s: for an instance or task to come or go.
        budget_s: for the whole probe, after which it asks nothing more.
    """

    poll_s: float
    window_s: float
    watch_s: float
    patience_s: float
    budget_s: float


_AWS = Pace(poll_s=5, window_s=150, watch_s=240, patience_s=2700, budget_s=5400)
_LOCAL = Pace(poll_s=0.2, window_s=5, watch_s=4, patience_s=60, budget_s=600)


@dataclass(frozen=True, slots=True)
class Place:
    """What a stack has, reached as whoever runs the probe.

    Attributes:
        dms: a boto3 client.
        source: as somebody who may create a schema.
        target: the database that DMS writes to.
        source_endpoint: its ARN.
        target_endpoint: its ARN.
        reader: the user of the source endpoint, where somebody else creates the schema.
        network: of an instance, as CreateReplicationInstance takes it.
        is_local: whether it is the local DMS.
    """

    dms: Any
    source: MySQLSource
    target: PostgresTarget
    source_endpoint: str
    target_endpoint: str
    reader: str
    network: dict[str, Any]
    is_local: bool

    @property
    def pace(self) -> Pace:
        return _LOCAL if self.is_local else _AWS


def place_of(access: AwsAccess, stack: str, admin_secret: str | None) -> Place:
    """The place of a stack.

    Raises:
        ConfigError: if the stack has not the outputs of a pipeline.
        ClientError: if AWS refuses.
    """
    outputs = _outputs(access, stack)
    dms = new_client("dms", access)
    logins = DatabaseSecrets(new_client("secretsmanager", access))
    own = admin = logins.read(outputs["SourceSecret"])
    if admin_secret:
        login = logins.read_login(admin_secret)
        admin = replace(own, username=login.username, password=login.password)
    return Place(
        dms=dms,
        source=MySQLSource(admin),
        target=PostgresTarget(logins.read(outputs["TargetSecret"])),
        source_endpoint=_endpoint(dms, outputs["SourceEndpoint"]),
        target_endpoint=_endpoint(dms, outputs["TargetEndpoint"]),
        reader=own.username if admin_secret else "",
        network=_network(outputs),
        is_local=urlsplit(str(dms.meta.endpoint_url)).hostname in ("127.0.0.1", "localhost"),
    )


def _outputs(access: AwsAccess, stack: str) -> dict[str, str]:
    found = new_client("cloudformation", access).describe_stacks(StackName=stack)["Stacks"][0]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
    if missing := [name for name in NEEDED_OUTPUTS if name not in outputs]:
        raise ConfigError(f"the stack {stack} has no output {', '.join(missing)}")
    return outputs


def _network(outputs: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if group := outputs.get("SubnetGroup"):
        found["ReplicationSubnetGroupIdentifier"] = group
    if groups := outputs.get("SecurityGroups"):
        found["VpcSecurityGroupIds"] = groups.split(",")
    return found


def _endpoint(dms: Any, identifier: str) -> str:
    by_name = [{"Name": "endpoint-id", "Values": [identifier]}]
    return str(dms.describe_endpoints(Filters=by_name)["Endpoints"][0]["EndpointArn"])
