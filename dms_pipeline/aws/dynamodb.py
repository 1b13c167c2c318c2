"""DynamoDB: the two tables that outlive a run, and nothing of how they are filled."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import count
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from dms_pipeline.aws.session import aws_errors, error_code
from dms_pipeline.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# BatchWriteItem's limit.
_BATCH = 25
# What the SDK does not repeat: another write had the item, or the table has no capacity left.
_IN_THE_WAY = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
_REPETITIONS = 8
_errors = partial(aws_errors, "dynamodb")

Item = dict[str, Any]


class ConditionFailedError(AwsError):
    """A conditional write found other values than it was told to expect; nothing was written."""


class KeyedTable:
    """One table with a partition and a sort key, both strings; items are plain Python values.

    Every method raises `AwsError` when AWS refuses or does not answer.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        name: str,
        *,
        partition_key: str,
        sort_key: str,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self.name = name
        self._keys = (partition_key, sort_key)
        self._sleep = sleep

    def create(self) -> None:
        """Creates the table with on-demand billing, unless it is there."""
        partition_key, sort_key = self._keys
        with _errors(f"CreateTable {self.name}"):
            try:
                self._client.create_table(
                    TableName=self.name,
                    AttributeDefinitions=[
                        {"AttributeName": key, "AttributeType": "S"} for key in self._keys
                    ],
                    KeySchema=[
                        {"AttributeName": partition_key, "KeyType": "HASH"},
                        {"AttributeName": sort_key, "KeyType": "RANGE"},
                    ],
                    BillingMode="PAY_PER_REQUEST",
                )
            except ClientError as error:
                if error_code(error) != "ResourceInUseException":
                    raise
            self._client.get_waiter("table_exists").wait(
                TableName=self.name, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
            )

    def get(self, partition: str, sort: str) -> Item | None:
        key = dict(zip(self._keys, (partition, sort), strict=True))
        with _errors(f"GetItem of {self.name}"):
            response = self._client.get_item(
                TableName=self.name, Key=_to_wire(key), ConsistentRead=True
            )
        return _from_wire(response["Item"]) if "Item" in response else None

    def query(
        self,
        partition: str,
        *,
        sort_prefix: str = "",
        sort_from: str = "",
        newest_first: bool = False,
    ) -> Iterator[Item]:
        """The items of a partition in the order of their sort keys, all or those of a range."""
        condition, values = "#p = :p", {":p": partition}
        names = {"#p": self._keys[0]}
        if sort_prefix or sort_from:
            condition += " AND begins_with(#s, :s)" if sort_prefix else " AND #s >= :s"
            names["#s"] = self._keys[1]
            values[":s"] = sort_prefix or sort_from
        with _errors(f"Query of {self.name}"):
            pages = self._client.get_paginator("query").paginate(
                TableName=self.name,
                KeyConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=_to_wire(values),
                ScanIndexForward=not newest_first,
                ConsistentRead=True,
            )
            for page in pages:
                yield from (_from_wire(item) for item in page["Items"])

    def put_all(self, items: Iterable[Item]) -> None:
        """Writes every item, replacing those with the same keys. Not atomic: repeat on failure."""
        requests: list[Any] = [{"PutRequest": {"Item": _to_wire(item)}} for item in items]
        repetitions = 0
        while requests:
            batch, requests = requests[:_BATCH], requests[_BATCH:]
            with _errors(f"BatchWriteItem to {self.name}"):
                response = self._client.batch_write_item(RequestItems={self.name: batch})
            left = response["UnprocessedItems"].get(self.name, [])
            repetitions = repetitions + 1 if left else 0
            if repetitions > _REPETITIONS:
                raise AwsError(
                    f"{self.name} has not taken {len(left)} of {len(batch)} items in "
                    f"{repetitions} tries; give it more capacity, best on-demand, and try again"
                )
            if left:
                self._pause(repetitions)
            requests = left + requests

    def put_if(
        self, item: Item, *, absent_or: Mapping[str, tuple[str, Any]] = MappingProxyType({})
    ) -> None:
        """Writes the item if there is none with its keys, or one that a comparison holds for.

        Args:
            item: the item to write.
            absent_or: attribute -> operator and value, such as ``{"run_id": ("=", "x")}``.

        Raises:
            ConditionFailedError: if neither is so; nothing was written.
        """
        names = {"#k": self._keys[0]}
        values, conditions = {}, ["attribute_not_exists(#k)"]
        for number, (attribute, (operator, value)) in enumerate(absent_or.items()):
            names[f"#a{number}"], values[f":v{number}"] = attribute, value
            conditions.append(f"#a{number} {operator} :v{number}")
        self._write(
            "PutItem to",
            self._client.put_item,
            TableName=self.name,
            Item=_to_wire(item),
            ConditionExpression=" OR ".join(conditions),
            ExpressionAttributeNames=names,
            **({"ExpressionAttributeValues": _to_wire(values)} if values else {}),
        )

    def delete(self, partition: str, sort: str, *, only_if: tuple[str, Any]) -> None:
        """Deletes the item if the attribute still has the value; otherwise leaves it, silently."""
        key = dict(zip(self._keys, (partition, sort), strict=True))
        with suppress(ConditionFailedError):
            self._write(
                "DeleteItem of",
                self._client.delete_item,
                TableName=self.name,
                Key=_to_wire(key),
                ConditionExpression="#a = :a",
                ExpressionAttributeNames={"#a": only_if[0]},
                ExpressionAttributeValues=_to_wire({":a": only_if[1]}),
            )

    def put_pair(
        self, new: Item, replaced: Item, *, unless_changed: tuple[str, Any] | None
    ) -> None:
        """In one transaction: adds ``new``, which must not exist, and replaces ``replaced``.

        Args:
            new: the item to add.
            replaced: the item that takes the place of the one with its keys.
            unless_changed: attribute and value that the item to be replaced must still have;
                None if there must be no such item yet.

        Raises:
            ConditionFailedError: if one of the two conditions does not hold.
        """
        absent = {
            "ConditionExpression": "attribute_not_exists(#k)",
            "ExpressionAttributeNames": {"#k": self._keys[0]},
        }
        condition: dict[str, Any] = absent
        if unless_changed is not None:
            condition = {
                "ConditionExpression": "#a = :a",
                "ExpressionAttributeNames": {"#a": unless_changed[0]},
                "ExpressionAttributeValues": _to_wire({":a": unless_changed[1]}),
            }
        puts: list[Any] = [
            {"Put": {"TableName": self.name, "Item": _to_wire(new), **absent}},
            {"Put": {"TableName": self.name, "Item": _to_wire(replaced), **condition}},
        ]
        self._write("TransactWriteItems to", self._client.transact_write_items, TransactItems=puts)

    def _write(self, action: str, operation: Callable[..., object], **request: Any) -> None:
        """A conditional write, repeated while other writes are in its way.

        Raises:
            ConditionFailedError: if its condition does not hold.
        """
        with _errors(f"{action} {self.name}"):
            for repetitions in count(1):
                try:
                    operation(**request)
                    return
                except ClientError as error:
                    reasons = _reasons(error)
                    if "ConditionalCheckFailed" in reasons:
                        raise ConditionFailedError(
                            f"{self.name} was changed by somebody else meanwhile; "
                            "nothing was written"
                        ) from error
                    if repetitions > _REPETITIONS or not reasons & _IN_THE_WAY:
                        raise
                self._pause(repetitions)

    def _pause(self, repetitions: int) -> None:
        """Longer each time, and not as long as others who were refused with us."""
        self._sleep(random.uniform(0.5, 1) * min(0.05 * 2**repetitions, 5))


def _reasons(error: ClientError) -> set[str]:
    """Why a write was refused: of a transaction, for each of its items that was."""
    response: Any = error.response
    items = {reason.get("Code", "") for reason in response.get("CancellationReasons", [])}
    return {error_code(error).removesuffix("Exception"), *items}


def _to_wire(item: Mapping[str, Any]) -> Any:
    serializer = TypeSerializer()
    return {name: serializer.serialize(value) for name, value in item.items()}


def _from_wire(item: Mapping[str, Any]) -> Item:
    deserializer = TypeDeserializer()
    return {name: deserializer.deserialize(value) for name, value in item.items()}
