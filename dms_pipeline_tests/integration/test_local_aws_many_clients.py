"""Fifty clients at once: no write is lost, and no answer is one that AWS would not give."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dms_pipeline_tests.dms_objects import SOURCE
from dms_pipeline_tests.local_endpoint import warm_endpoint

CLIENTS = 50
ADDITIONS = 4


def _counted(client: Callable[[str], Any], number: int, together: threading.Barrier) -> int:
    """Adds to one item by compare and swap, tags one endpoint, and makes one of its own."""
    dms, dynamodb = client("dms"), client("dynamodb")
    key = {"key": {"S": "shared"}}
    together.wait(60)
    added = 0
    while added < ADDITIONS:
        seen = dynamodb.get_item(TableName="shared", Key=key, ConsistentRead=True)["Item"]["n"]
        try:
            dynamodb.update_item(
                TableName="shared", Key=key, UpdateExpression="SET n = :new",
                ConditionExpression="n = :seen",
                ExpressionAttributeValues={
                    ":seen": seen, ":new": {"N": str(int(seen["N"]) + 1)},
                },
            )  # fmt: skip
        except dynamodb.exceptions.ConditionalCheckFailedException:
            continue
        added += 1
        dynamodb.update_item(
            TableName="shared", Key={"key": {"S": "total"}}, UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )  # fmt: skip
    arn = dms.create_endpoint(
        EndpointIdentifier=f"own-{number}", EndpointType="source", EngineName="mysql", **SOURCE
    )["Endpoint"]["EndpointArn"]
    dms.add_tags_to_resource(ResourceArn=arn, Tags=[{"Key": "n", "Value": str(number)}])
    [found] = dms.describe_endpoints(Filters=[{"Name": "endpoint-arn", "Values": [arn]}])[
        "Endpoints"
    ]
    assert found["EndpointIdentifier"] == f"own-{number}"
    try:
        dms.create_endpoint(
            EndpointIdentifier="same", EndpointType="source", EngineName="mysql", **SOURCE
        )
    except dms.exceptions.ResourceAlreadyExistsFault:
        return 0
    return 1


def test_fifty_clients_lose_no_update(tmp_path):
    with warm_endpoint(tmp_path) as (_, client):
        dynamodb = client("dynamodb")
        dynamodb.create_table(
            TableName="shared", BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        )  # fmt: skip
        for key in ("shared", "total"):
            dynamodb.put_item(TableName="shared", Item={"key": {"S": key}, "n": {"N": "0"}})
        clients = [_made_alone(client) for _ in range(CLIENTS)]
        together = threading.Barrier(CLIENTS)
        with ThreadPoolExecutor(CLIENTS) as at_once:
            made = list(at_once.map(_counted, clients, range(CLIENTS), [together] * CLIENTS))
        assert sum(made) == 1, "of fifty that create the same endpoint one does"
        items = {i["key"]["S"]: i["n"]["N"] for i in dynamodb.scan(TableName="shared")["Items"]}
        assert items == {"shared": str(CLIENTS * ADDITIONS), "total": str(CLIENTS * ADDITIONS)}
        dms = client("dms")
        pages = dms.get_paginator("describe_endpoints").paginate()
        rows = [row for page in pages for row in page["Endpoints"]]
        own = [row for row in rows if row["EndpointIdentifier"] != "same"]
        assert len(rows) == CLIENTS + 1
        for row in own:
            [tag] = dms.list_tags_for_resource(ResourceArn=row["EndpointArn"])["TagList"]
            assert row["EndpointIdentifier"] == f"own-{tag['Value']}"
    said = (tmp_path / "stderr.log").read_text()
    assert "Traceback" not in said
    assert " failed" not in said


def _made_alone(client: Callable[[str], Any]) -> Callable[[str], Any]:
    """Clients that exist already: boto3's session makes them one at a time."""
    known = {name: client(name) for name in ("dms", "dynamodb")}
    return known.__getitem__
