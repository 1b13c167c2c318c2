"""The endpoint killed anywhere while clients write: what it acknowledged is there afterwards."""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ConnectionError, HTTPClientError
from botocore.parsers import ResponseParserError

from dms_pipeline_tests.dms_objects import SOURCE
from dms_pipeline_tests.local_endpoint import warm_endpoint

CLIENTS = 4
TABLE = "written"


@dataclass
class Writer:
    """One client: what it was told is done, and what it does not know of the last request.

    ``endpoints`` maps identifiers to the value of a tag, ``items`` keys to a number, ``groups``
    identifiers to descriptions.
    """

    name: str
    chance: random.Random
    endpoints: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    items: dict[str, str] = field(default_factory=dict)
    doubtful: str = ""
    acknowledged: int = 0

    def write(self, client: Callable[[str], Any]) -> None:
        """Until the endpoint is gone."""
        dms, dynamodb = client("dms"), client("dynamodb")
        while True:
            what = self.chance.choice((self._endpoint, self._group, self._item, self._item))
            try:
                what(dms, dynamodb)
            except (ConnectionError, HTTPClientError, ResponseParserError):
                return
            self.doubtful = ""
            self.acknowledged += 1

    def _endpoint(self, dms: Any, _: Any) -> None:
        self.doubtful = name = f"{self.name}-e{self.chance.randrange(6)}"
        value = str(self.chance.random())
        if name not in self.endpoints:
            dms.create_endpoint(
                EndpointIdentifier=name, EndpointType="source", EngineName="mysql",
                Tags=[{"Key": "value", "Value": value}], **SOURCE,
            )  # fmt: skip
            self.endpoints[name] = value
        elif self.chance.random() < 0.5:
            tag = {"Key": "value", "Value": value}
            dms.add_tags_to_resource(ResourceArn=_arn(dms, name), Tags=[tag])
            self.endpoints[name] = value
        else:
            dms.delete_endpoint(EndpointArn=_arn(dms, name))
            while _arn(dms, name):
                pass
            del self.endpoints[name]

    def _group(self, dms: Any, _: Any) -> None:
        self.doubtful = name = f"{self.name}-g{self.chance.randrange(6)}"
        if name in self.groups:
            dms.delete_replication_subnet_group(ReplicationSubnetGroupIdentifier=name)
            del self.groups[name]
            return
        text = str(self.chance.random())
        dms.create_replication_subnet_group(
            ReplicationSubnetGroupIdentifier=name, SubnetIds=["subnet-1"],
            ReplicationSubnetGroupDescription=text,
        )  # fmt: skip
        self.groups[name] = text

    def _item(self, _: Any, dynamodb: Any) -> None:
        self.doubtful = key = f"{self.name}-i{self.chance.randrange(20)}"
        if key in self.items and self.chance.random() < 0.3:
            dynamodb.delete_item(TableName=TABLE, Key={"key": {"S": key}})
            del self.items[key]
            return
        value = str(self.chance.random())
        item = {"key": {"S": key}, "value": {"S": value}}
        if self.chance.random() < 0.5:
            dynamodb.put_item(TableName=TABLE, Item=item)
        else:
            dynamodb.transact_write_items(
                TransactItems=[{"Put": {"TableName": TABLE, "Item": item}}]
            )
        self.items[key] = value

    def compare(self, client: Callable[[str], Any]) -> None:
        """What is there is what was acknowledged; of the last request either is right."""
        found = _everything(client)
        for kind, known in (
            ("endpoints", self.endpoints), ("groups", self.groups), ("items", self.items),
        ):  # fmt: skip
            own = {key: text for key, text in found[kind].items() if key.startswith(self.name)}
            doubted = {self.doubtful: own.get(self.doubtful, "")}
            assert {**own, **doubted} == {**known, **doubted}, (self.name, kind)
            known.pop(self.doubtful, None)
            if self.doubtful in own:
                known[self.doubtful] = own[self.doubtful]


def _arn(dms: Any, name: str) -> str:
    wanted = [{"Name": "endpoint-id", "Values": [name]}]
    try:
        found = dms.describe_endpoints(Filters=wanted).get("Endpoints")
    except dms.exceptions.ResourceNotFoundFault:
        return ""
    if not found:
        # An answer that was cut off behind its head is an empty one to botocore.
        raise ConnectionClosedError(endpoint_url=dms.meta.endpoint_url)
    return str(found[0]["EndpointArn"])


def _everything(client: Callable[[str], Any]) -> dict[str, dict[str, str]]:
    dms, dynamodb = client("dms"), client("dynamodb")
    pages = dms.get_paginator("describe_endpoints").paginate()
    # What was being deleted is gone after some looks, as it was to the one who deleted it.
    arns = {
        each["EndpointIdentifier"]: each["EndpointArn"]
        for page in pages
        for each in page["Endpoints"]
        if each["Status"] != "deleting"
    }
    tags = {
        name: dms.list_tags_for_resource(ResourceArn=arn)["TagList"] for name, arn in arns.items()
    }
    groups = [
        each
        for page in dms.get_paginator("describe_replication_subnet_groups").paginate()
        for each in page["ReplicationSubnetGroups"]
    ]
    items = dynamodb.scan(TableName=TABLE, ConsistentRead=True)["Items"]
    return {
        "endpoints": {name: tag["Value"] for name, [tag] in tags.items()},
        "groups": {
            each["ReplicationSubnetGroupIdentifier"]: each["ReplicationSubnetGroupDescription"]
            for each in groups
        },
        "items": {item["key"]["S"]: item["value"]["S"] for item in items},
    }


def _run(home: Path, *, kills: int, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    writers = [Writer(f"w{n}", random.Random(chance.random())) for n in range(CLIENTS)]
    with warm_endpoint(home) as (_, client):
        client("dynamodb").create_table(
            TableName=TABLE, BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        )  # fmt: skip
    for _ in range(kills):
        with warm_endpoint(home) as (process, client):
            for writer in writers:
                writer.compare(client)
                writer.doubtful = ""
            writing = [threading.Thread(target=one.write, args=(client,)) for one in writers]
            for thread in writing:
                thread.start()
            time.sleep(chance.uniform(0.0, 0.5))
            process.kill()
            process.join()
            for thread in writing:
                thread.join()
    with warm_endpoint(home) as (_, client):
        for writer in writers:
            writer.compare(client)
    assert sum(writer.acknowledged for writer in writers) > kills
    assert "Traceback" not in (home / "stderr.log").read_text()


@pytest.mark.parametrize("seed", [1])
def test_20_kills_lose_nothing_that_was_acknowledged(tmp_path, seed):
    _run(tmp_path, kills=20, seed=seed)


@pytest.mark.soak
def test_200_kills_lose_nothing_that_was_acknowledged(tmp_path):
    # Seeded by pytest-randomly, whose option repeats it.
    _run(tmp_path, kills=200, seed=random.randrange(1_000_000))
