"""What IAM is asked when an AWS API is called: actions, resources, and what conditions can see.

By the Service Authorization Reference:
https://docs.aws.amazon.com/service-authorization/latest/reference/list_dms.html and the pages of
the other services; that of DynamoDB's transactions is
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from dms_pipeline_tests.iam_policy import Question, Values

ACCOUNT = "123456789012"
REGION = "us-east-1"
TagsOf = Callable[[str], Mapping[str, str]]
"""The tags that a DMS resource has now, by its ARN; none if there is no such resource."""

# Actions without resource types of their own.
_ANYTHING = frozenset(
    {
        "DescribeConnections",
        "DescribeEndpoints",
        "DescribeReplicationInstances",
        "DescribeReplicationTasks",
    }
)
DMS_RESOURCES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_ANYTHING, ()),
    "AddTagsToResource": ("ResourceArn",),
    "CreateReplicationTask": ("ReplicationInstanceArn", "SourceEndpointArn", "TargetEndpointArn"),
    "DeleteReplicationInstance": ("ReplicationInstanceArn",),
    "DeleteReplicationTask": ("ReplicationTaskArn",),
    "DescribeTableStatistics": ("ReplicationTaskArn",),
    "ListTagsForResource": ("ResourceArn",),
    "ModifyReplicationInstance": ("ReplicationInstanceArn",),
    "StartReplicationTask": ("ReplicationTaskArn",),
    "StopReplicationTask": ("ReplicationTaskArn",),
    "TestConnection": ("ReplicationInstanceArn", "EndpointArn"),
}
"""The members of a request that name the resources its action is checked against."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an AWS API, as it stands in the request."""

    service: str
    operation: str
    content: Mapping[str, Any]

    @classmethod
    def of(cls, headers: Mapping[str, str], body: bytes) -> "Call":
        """From a signed request of one of the JSON protocols or the query protocol."""
        # Credential=<key>/<date>/<region>/<service>/aws4_request
        service = headers["Authorization"].split("/")[3]
        target = headers.get("X-Amz-Target", "")
        if target:
            return cls(service, target.rpartition(".")[2], json.loads(body))
        form = dict(parse_qsl(body.decode()))
        return cls(service, form["Action"], form)


def questions(call: Call, tags_of: TagsOf) -> tuple[Question, ...]:
    """All that has to be allowed for the call to be carried out."""
    return tuple(_SERVICES[call.service](call, tags_of))


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def _dms(call: Call, tags_of: TagsOf) -> Iterator[Question]:
    action = f"dms:{call.operation}"
    requested = {tag["Key"]: tag["Value"] for tag in call.content.get("Tags", [])}
    request = {
        **{f"dms:req-tag/{key}": (value,) for key, value in requested.items()},
        **{f"aws:RequestTag/{key}": (value,) for key, value in requested.items()},
        **({"aws:TagKeys": tuple(requested)} if requested else {}),
    }
    created = {"CreateReplicationInstance": "rep", "CreateReplicationTask": "task"}
    if requested and call.operation in created:
        # Creating something with tags is also tagging it.
        new = arn("dms", f"{created[call.operation]}:NEW")
        yield Question("dms:AddTagsToResource", new, request)
    if call.operation == "CreateReplicationInstance":
        group = call.content.get("ReplicationSubnetGroupIdentifier", "default")
        yield Question(action, arn("dms", "rep:NEW"), request)
        yield Question(action, arn("dms", f"subgrp:{group}"), request)
        return
    members = DMS_RESOURCES[call.operation]
    if not members:
        yield Question(action, "*", request)
    for member in members:
        resource = call.content[member]
        own = {f"aws:ResourceTag/{key}": (value,) for key, value in tags_of(resource).items()}
        yield Question(action, resource, {**request, **own})


def _dynamodb(call: Call, _: TagsOf) -> Iterator[Question]:
    content = call.content
    match call.operation:
        case "BatchWriteItem":
            for table, writes in content["RequestItems"].items():
                items = [write["PutRequest"]["Item"] for write in writes]
                yield _on_table(call.operation, table, items)
        case "TransactWriteItems":
            for put in (each["Put"] for each in content["TransactItems"]):
                yield _on_table("PutItem", put["TableName"], [put["Item"]])
        case "Query":
            key = {"pipeline": content["ExpressionAttributeValues"][":p"]}
            yield _on_table(call.operation, content["TableName"], [key])
        case "GetItem" | "DeleteItem":
            yield _on_table(call.operation, content["TableName"], [content["Key"]])
        case "PutItem":
            yield _on_table(call.operation, content["TableName"], [content["Item"]])
        case _:
            yield Question(f"dynamodb:{call.operation}", arn("dynamodb", "table/ANY"))


def _on_table(operation: str, table: str, items: Iterable[Mapping[str, Any]]) -> Question:
    leading: Values = tuple(sorted({item["pipeline"]["S"] for item in items}))
    resource = arn("dynamodb", f"table/{table}")
    return Question(f"dynamodb:{operation}", resource, {"dynamodb:LeadingKeys": leading})


def _sns(call: Call, _: TagsOf) -> Iterator[Question]:
    topic = call.content.get("TopicArn") or arn("sns", call.content["Name"])
    yield Question(f"sns:{call.operation}", topic)


def _secretsmanager(call: Call, _: TagsOf) -> Iterator[Question]:
    named = call.content["SecretId"]
    # The ARN of a secret ends in six signs that Secrets Manager chooses.
    secret = named if named.startswith("arn:") else arn("secretsmanager", f"secret:{named}-a1B2c3")
    yield Question(f"secretsmanager:{call.operation}", secret)


_SERVICES: Mapping[str, Callable[[Call, TagsOf], Iterator[Question]]] = {
    "dms": _dms,
    "dynamodb": _dynamodb,
    "secretsmanager": _secretsmanager,
    "sns": _sns,
}
