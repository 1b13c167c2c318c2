"""Makes the emulated DynamoDB durable, as moto keeps it in memory only.

After a successful write the touched items are read back and committed to SQLite before the answer
goes out, and all of it is written into moto again at the next start. Writes go one at a time: two
conditional writes cannot interleave, and the file has them in the order in which they happened.
When the commit fails the answer is an error, although moto's memory has the write.
"""

import json
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moto.backends import get_backend

from dms_pipeline.local_dms.control_plane.dynamodb_writes import Item, Touched, touched_by
from dms_pipeline.local_dms.control_plane.persistence import open_database
from dms_pipeline.local_dms.control_plane.resources import ACCOUNT_ID
from dms_pipeline.local_dms.control_plane.wire import (
    DYNAMODB_PREFIX,
    Reply,
    call_dynamodb,
    forward,
    read_body,
    region_of,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

# DynamoDB's limit for one BatchGetItem
_KEYS_PER_READ = 100


@dataclass(frozen=True, slots=True)
class TableShown:
    """A table as a page shows it."""

    region: str
    name: str
    item_count: int

    @property
    def path(self) -> str:
        return f"{self.region}/{self.name}"


class DynamoDbStore:
    """A write-through copy of all tables of all regions."""

    def __init__(self, path: Path, moto: "WSGIApplication") -> None:
        """Open the copy and fill the still empty emulation from it."""
        self._moto = moto
        self._lock = threading.Lock()
        self._database = open_database(path)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS tables "
            "(region TEXT, name TEXT, definition TEXT NOT NULL, PRIMARY KEY (region, name))"
        )
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS items "
            "(region TEXT, name TEXT, key TEXT, item TEXT NOT NULL, PRIMARY KEY (region, name, "
            "key))"
        )
        self._restore()

    def answer(self, environ: "WSGIEnvironment") -> Reply:
        """Let moto answer; what it wrote is on disk when this returns."""
        operation = environ["HTTP_X_AMZ_TARGET"].removeprefix(DYNAMODB_PREFIX)
        try:
            touched = touched_by(operation, json.loads(read_body(environ)))
        except (ValueError, KeyError, TypeError, AttributeError):
            # Not a request that can succeed: moto says what is wrong with it.
            touched = []
        if not touched:
            return forward(self._moto, environ)
        with self._lock:
            reply = forward(self._moto, environ)
            if reply.ok:
                self._commit(touched, region_of(environ))
        return reply

    def note_changed_tables(self, region: str) -> None:
        """Tables that moto made or deleted by itself, as its CloudFormation does."""
        with self._lock:
            rows = self._database.execute("SELECT name FROM tables WHERE region = ?", (region,))
            known = {name for (name,) in rows}
            present = set(self._table_names(region))
            new = [Touched(name, "definition") for name in sorted(present - known)]
            gone = [Touched(name, "dropped") for name in sorted(known - present)]
            self._commit([*new, *gone], region)

    def tables(self) -> list[TableShown]:
        """What there is, for people."""
        with self._lock:
            rows = self._database.execute(
                "SELECT region, name, (SELECT count(*) FROM items AS i"
                " WHERE i.region = t.region AND i.name = t.name) FROM tables AS t ORDER BY 1, 2"
            ).fetchall()
        return [TableShown(*row) for row in rows]

    def items(self, path: str, most: int = 200) -> tuple[TableShown, list[Item]] | None:
        """A table by its region/name, and its items with the highest keys; None if unknown."""
        for table in self.tables():
            if table.path == path:
                with self._lock:
                    rows = self._database.execute(
                        "SELECT item FROM items WHERE region = ? AND name = ?"
                        " ORDER BY key DESC LIMIT ?",
                        (table.region, table.name, most),
                    ).fetchall()
                return table, [json.loads(item) for (item,) in rows]
        return None

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _commit(self, touched: Iterable[Touched], region: str) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            for change in touched:
                self._save(change, region)
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def _save(self, change: Touched, region: str) -> None:
        place = (region, change.table)
        match change.scope:
            case "definition":
                definition = json.dumps(self._definition(*place))
                self._database.execute(
                    "INSERT OR REPLACE INTO tables VALUES (?, ?, ?)", (*place, definition)
                )
            case "dropped":
                self._database.execute("DELETE FROM tables WHERE region = ? AND name = ?", place)
                self._database.execute("DELETE FROM items WHERE region = ? AND name = ?", place)
            case "rows":
                names = self._key_names(*place)
                self._database.execute("DELETE FROM items WHERE region = ? AND name = ?", place)
                for item in self._scan(*place):
                    self._put(place, _key(item, names), item)
            case "keys":
                self._save_keys(place, change.items)

    def _save_keys(self, place: tuple[str, str], written: Iterable[Item]) -> None:
        names = self._key_names(*place)
        wanted = {_key(item, names): {name: item[name] for name in names} for item in written}
        present = {_key(item, names): item for item in self._read(*place, list(wanted.values()))}
        for key in wanted:
            if key in present:
                self._put(place, key, present[key])
            else:
                self._database.execute(
                    "DELETE FROM items WHERE region = ? AND name = ? AND key = ?", (*place, key)
                )

    def _put(self, place: tuple[str, str], key: str, item: Item) -> None:
        row = (*place, key, json.dumps(item))
        self._database.execute("INSERT OR REPLACE INTO items VALUES (?, ?, ?, ?)", row)

    def _key_names(self, region: str, table: str) -> list[str]:
        row = self._database.execute(
            "SELECT definition FROM tables WHERE region = ? AND name = ?", (region, table)
        ).fetchone()
        if row is None:
            raise sqlite3.DataError(f"the copy does not know table {table} of region {region}")
        schema = json.loads(row[0])["table"]["KeySchema"]
        return [element["AttributeName"] for element in schema]

    def _definition(self, region: str, table: str) -> dict[str, Any]:
        name = {"TableName": table}
        described = self._call("DescribeTable", name, region)["Table"]
        backups = self._call("DescribeContinuousBackups", name, region)
        tags = self._call("ListTagsOfResource", {"ResourceArn": described["TableArn"]}, region)
        return {
            "table": described,
            "ttl": self._call("DescribeTimeToLive", name, region)["TimeToLiveDescription"],
            "backups": backups["ContinuousBackupsDescription"],
            "tags": tags["Tags"],
        }

    def _table_names(self, region: str) -> Iterator[str]:
        start: dict[str, Any] = {}
        while True:
            answer = self._call("ListTables", start, region)
            yield from answer["TableNames"]
            if not answer.get("LastEvaluatedTableName"):
                return
            start = {"ExclusiveStartTableName": answer["LastEvaluatedTableName"]}

    def _read(self, region: str, table: str, keys: list[dict[str, Any]]) -> Iterator[Item]:
        for first in range(0, len(keys), _KEYS_PER_READ):
            wanted = {table: {"Keys": keys[first : first + _KEYS_PER_READ], "ConsistentRead": True}}
            while wanted:
                answer = self._call("BatchGetItem", {"RequestItems": wanted}, region)
                yield from answer["Responses"].get(table, [])
                # One answer holds 16 MB at most.
                wanted = answer.get("UnprocessedKeys") or {}

    def _scan(self, region: str, table: str) -> Iterator[Item]:
        start: dict[str, Any] = {}
        while True:
            answer = self._call("Scan", {"TableName": table, **start}, region)
            yield from answer["Items"]
            if not answer.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _restore(self) -> None:
        rows = self._database.execute("SELECT region, name, definition FROM tables").fetchall()
        for region, name, text in rows:
            self._restore_definition(region, json.loads(text))
            items = self._database.execute(
                "SELECT item FROM items WHERE region = ? AND name = ?", (region, name)
            )
            # In process, as the wire takes a hundred times as long for a large table.
            table = get_backend("dynamodb")[ACCOUNT_ID][region].get_table(name)
            count = 0
            for (item,) in items:
                table.put_item(json.loads(item))
                count += 1
            logger.info("restored table %s of %s with %d items", name, region, count)

    def _restore_definition(self, region: str, definition: dict[str, Any]) -> None:
        table, ttl = definition["table"], definition["ttl"]
        name = table["TableName"]
        self._call("CreateTable", {**_creation(table), "Tags": definition["tags"]}, region)
        if ttl.get("TimeToLiveStatus") == "ENABLED":
            wanted = {"Enabled": True, "AttributeName": ttl["AttributeName"]}
            params = {"TableName": name, "TimeToLiveSpecification": wanted}
            self._call("UpdateTimeToLive", params, region)
        recovery = definition["backups"]["PointInTimeRecoveryDescription"]
        if recovery["PointInTimeRecoveryStatus"] == "ENABLED":
            specification = {"PointInTimeRecoveryEnabled": True}
            params = {"TableName": name, "PointInTimeRecoverySpecification": specification}
            self._call("UpdateContinuousBackups", params, region)

    def _call(self, operation: str, params: dict[str, Any], region: str) -> dict[str, Any]:
        return call_dynamodb(self._moto, operation, params, region=region)


def _key(item: Item, names: Iterable[str]) -> str:
    return json.dumps([item[name] for name in names], sort_keys=True)


def _creation(table: dict[str, Any]) -> dict[str, Any]:
    """The CreateTable call that leads to this description."""
    billing = table.get("BillingModeSummary", {}).get("BillingMode") or "PROVISIONED"
    wanted: dict[str, Any] = {
        name: table[name]
        for name in ("TableName", "AttributeDefinitions", "KeySchema", "DeletionProtectionEnabled")
        if name in table
    }
    wanted["BillingMode"] = billing
    if billing == "PROVISIONED":
        wanted["ProvisionedThroughput"] = _throughput(table)
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        if indexes := table.get(kind):
            wanted[kind] = [_index(index, kind, billing) for index in indexes]
    if table.get("StreamSpecification", {}).get("StreamEnabled"):
        wanted["StreamSpecification"] = table["StreamSpecification"]
    return wanted


def _index(index: dict[str, Any], kind: str, billing: str) -> dict[str, Any]:
    wanted = {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
    if kind == "GlobalSecondaryIndexes" and billing == "PROVISIONED":
        wanted["ProvisionedThroughput"] = _throughput(index)
    return wanted


def _throughput(described: dict[str, Any]) -> dict[str, int]:
    units = described["ProvisionedThroughput"]
    return {name: units[name] for name in ("ReadCapacityUnits", "WriteCapacityUnits")}
