"""What a DynamoDB call changes: whole tables, some keys, or only the table's definition."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Item = Mapping[str, Any]
Scope = Literal["definition", "dropped", "keys", "rows"]

_DEFINITION = {"CreateTable", "UpdateTable", "UpdateTimeToLive", "UpdateContinuousBackups"}
_TAGS = {"TagResource", "UntagResource"}
_ITEM = {"PutItem", "UpdateItem", "DeleteItem"}
_STATEMENTS = {"ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"}
_MUTATING = {
    *_DEFINITION,
    *_TAGS,
    *_ITEM,
    *_STATEMENTS,
    "DeleteTable",
    "BatchWriteItem",
    "TransactWriteItems",
}
_PARTIQL = re.compile(
    r"""\s*(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+["']?([A-Za-z0-9_.-]+)""", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Touched:
    """A change of one table; `items` hold at least the keys when the scope is `keys`."""

    table: str
    scope: Scope
    items: tuple[Item, ...] = ()


def touched_by(operation: str, params: Mapping[str, Any]) -> list[Touched]:
    """What the call changes if it succeeds; nothing for one that only reads."""
    if operation not in _MUTATING:
        return []
    if operation in _DEFINITION:
        return [Touched(_name(params["TableName"]), "definition")]
    if operation in _TAGS:
        return [Touched(_name(params["ResourceArn"]), "definition")]
    if operation == "DeleteTable":
        return [Touched(_name(params["TableName"]), "dropped")]
    if operation in _STATEMENTS:
        return [Touched(table, "rows") for table in sorted(set(_written_tables(params)))]
    return _by_table(_written_items(operation, params))


def _name(table: str) -> str:
    # Wherever a table's name is allowed, its ARN is too.
    return table.rsplit("/", 1)[-1]


def _written_items(operation: str, params: Mapping[str, Any]) -> Iterator[tuple[str, Item]]:
    if operation == "BatchWriteItem":
        for table, requests in params["RequestItems"].items():
            for request in requests:
                put, delete = request.get("PutRequest"), request.get("DeleteRequest")
                yield _name(table), put["Item"] if put else delete["Key"]
    elif operation == "TransactWriteItems":
        for action in params["TransactItems"]:
            for kind, write in action.items():
                if kind != "ConditionCheck":
                    yield _name(write["TableName"]), write.get("Item") or write["Key"]
    else:
        yield _name(params["TableName"]), params.get("Item") or params["Key"]


def _by_table(written: Iterable[tuple[str, Item]]) -> list[Touched]:
    tables: dict[str, list[Item]] = {}
    for table, item in written:
        tables.setdefault(table, []).append(item)
    return [Touched(table, "keys", tuple(items)) for table, items in tables.items()]


def _written_tables(params: Mapping[str, Any]) -> Iterator[str]:
    statements = params.get("Statements") or params.get("TransactStatements") or [params]
    for statement in statements:
        if match := _PARTIQL.match(statement.get("Statement", "")):
            yield match[1]
