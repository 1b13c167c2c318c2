"""The endpoint killed anywhere while clients write: what it acknowledged is there afterwards."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ConnectionError, HTTPClientError
from botocore.parsers import ResponseParserError

from dms_pipeline_tests.dms_objects import SOURCE, TABLE_MAPPINGS, create_endpoint
from dms_pipeline_tests.local_endpoint import warm_endpoint

CLIENTS = 4
TABLE = "written"


@dataclass(frozen=True)
class Kind:
    """One kind of DMS objects, named as boto3 names it; the arguments of a new one are its own."""

    name: str
    filter_name: str
    settled: str
    arguments: Callable[[Any], dict[str, Any]]

    @property
    def member(self) -> str:
        return "".join(word.capitalize() for word in self.name.split("_"))

    def status(self, described: dict[str, Any]) -> str:
        return str(described.get("Status") or described.get(f"{self.member}Status"))

    def create(self, dms: Any, name: str, value: str) -> None:
        getattr(dms, f"create_{self.name}")(
            **{f"{self.member}Identifier": name},
            Tags=[{"Key": "value", "Value": value}],
            **self.arguments(dms),
        )
        self.settle(dms, name)

    def delete(self, dms: Any, name: str) -> None:
        getattr(dms, f"delete_{self.name}")(**{f"{self.member}Arn": self.arn(dms, name)})
        while self.found(dms, name):
            pass

    def tag(self, dms: Any, name: str, value: str) -> None:
        tag = {"Key": "value", "Value": value}
        dms.add_tags_to_resource(ResourceArn=self.arn(dms, name), Tags=[tag])

    def settle(self, dms: Any, name: str) -> None:
        deadline = time.monotonic() + 30
        while (status := self.status(self.found(dms, name))) != self.settled:
            assert time.monotonic() < deadline, f"{name} is still {status}"

    def arn(self, dms: Any, name: str) -> str:
        return str(self.found(dms, name)[f"{self.member}Arn"])

    def found(self, dms: Any, name: str) -> dict[str, Any]:
        """The object as Describe shows it; empty if there is none."""
        wanted = [{"Name": self.filter_name, "Values": [name]}]
        try:
            answer = getattr(dms, f"describe_{self.name}s")(Filters=wanted)
        except dms.exceptions.ResourceNotFoundFault:
            return {}
        if not answer.get(f"{self.member}s"):
            # An answer that was cut off behind its head is an empty one to botocore.
            raise ConnectionClosedError(endpoint_url=dms.meta.endpoint_url)
        return dict(answer[f"{self.member}s"][0])

    def tags(self, dms: Any) -> dict[str, str]:
        """The tag of each object, when what was on its way has settled or is gone."""
        deadline = time.monotonic() + 30
        while True:
            pages = dms.get_paginator(f"describe_{self.name}s").paginate()
            objects = [each for page in pages for each in page[f"{self.member}s"]]
            if all(self.status(each) == self.settled for each in objects):
                break
            assert time.monotonic() < deadline, objects
        arns = {each[f"{self.member}Identifier"]: each[f"{self.member}Arn"] for each in objects}
        found = {}
        for name, arn in arns.items():
            for tag in dms.list_tags_for_resource(ResourceArn=arn)["TagList"]:
                found[name] = str(tag["Value"])
        return found


def _task_arguments(dms: Any) -> dict[str, Any]:
    return {
        "SourceEndpointArn": ENDPOINTS.arn(dms, "source"),
        "TargetEndpointArn": ENDPOINTS.arn(dms, "target"),
        "ReplicationInstanceArn": INSTANCES.arn(dms, "ri"),
        "MigrationType": "full-load",
        "TableMappings": TABLE_MAPPINGS,
    }


ENDPOINTS = Kind(
    "endpoint",
    "endpoint-id",
    "active",
    lambda dms: {"EndpointType": "source", "EngineName": "mysql", **SOURCE},
)
INSTANCES = Kind(
    "replication_instance",
    "replication-instance-id",
    "available",
    lambda dms: {"ReplicationInstanceClass": "dms.t3.medium"},
)
TASKS = Kind("replication_task", "replication-task-id", "ready", _task_arguments)
KINDS = (ENDPOINTS, INSTANCES, TASKS)


@dataclass
class Writer:
    """One client: what it was told is done, and what it does not know of the last request.

    ``objects`` maps the identifiers of each kind to the value of a tag, ``items`` keys to a number,
    ``groups`` identifiers to descriptions.
    """

    name: str
    chance: random.Random
    objects: dict[str, dict[str, str]] = field(default_factory=lambda: {k.name: {} for k in KINDS})
    groups: dict[str, str] = field(default_factory=dict)
    items: dict[str, str] = field(default_factory=dict)
    doubtful: str = ""
    acknowledged: int = 0

    def write(self, client: Callable[[str], Any]) -> None:
        """Until the endpoint is gone."""
        dms, dynamodb = client("dms"), client("dynamodb")
        while True:
            what = self.chance.choice((self._object, self._object, self._group, self._item))
            try:
                what(dms, dynamodb)
            except (ConnectionError, HTTPClientError, ResponseParserError):
                return
            except ClientError as error:
                if error.response["Error"]["Code"] != "400":
                    raise
                # A fault that was cut off behind its head.
                return
            self.doubtful = ""
            self.acknowledged += 1

    def _object(self, dms: Any, _: Any) -> None:
        kind = self.chance.choice(KINDS)
        known = self.objects[kind.name]
        self.doubtful = name = f"{self.name}-{kind.name[-4:]}{self.chance.randrange(4)}"
        value = str(self.chance.random())
        if name not in known:
            kind.create(dms, name, value)
            known[name] = value
        elif self.chance.random() < 0.5:
            kind.tag(dms, name, value)
            known[name] = value
        else:
            kind.delete(dms, name)
            del known[name]

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
        known = {**self.objects, "groups": self.groups, "items": self.items}
        for kind, own_known in known.items():
            own = {key: text for key, text in found[kind].items() if key.startswith(self.name)}
            doubted = {self.doubtful: own.get(self.doubtful, "")}
            assert {**own, **doubted} == {**own_known, **doubted}, (self.name, kind)
            own_known.pop(self.doubtful, None)
            if self.doubtful in own:
                own_known[self.doubtful] = own[self.doubtful]


def _everything(client: Callable[[str], Any]) -> dict[str, dict[str, str]]:
    dms, dynamodb = client("dms"), client("dynamodb")
    groups = [
        each
        for page in dms.get_paginator("describe_replication_subnet_groups").paginate()
        for each in page["ReplicationSubnetGroups"]
    ]
    items = dynamodb.scan(TableName=TABLE, ConsistentRead=True)["Items"]
    return {
        **{kind.name: kind.tags(dms) for kind in KINDS},
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
        INSTANCES.create(client("dms"), "ri", "")
        for kind in ("source", "target"):
            create_endpoint(client("dms"), kind)
    for _ in range(kills):
        with warm_endpoint(home) as (process, client):
            for writer in writers:
                writer.compare(client)
                writer.doubtful = ""
            with ThreadPoolExecutor(CLIENTS) as pool:
                writing = [pool.submit(one.write, client) for one in writers]
                time.sleep(chance.uniform(0.0, 0.5))
                process.kill()
                process.join()
            for done in writing:
                done.result()
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
