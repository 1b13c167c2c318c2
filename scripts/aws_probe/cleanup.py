"""Removes all that any probe has left, whatever ended it."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import pymysql
from botocore.exceptions import ClientError

from aws_probe.place import Place
from aws_probe.workbench import (
    CONTROL_SCHEMA,
    PREFIX,
    SCHEMA,
    SCHEMA_IN_GRANT,
    TAGS,
    OutOfTimeError,
    nothing_is_fine,
)


def clean_up(place: Place, say: Callable[[str], None]) -> None:
    """Tasks, then instances, until none is left; then the schemas, and what may be read of them.

    Raises:
        OutOfTimeError: if something is still there when the patience is over.
    """
    dms, pace = place.dms, place.pace
    deadline = time.monotonic() + pace.patience_s
    told: set[str] = set()
    while left := [*_tasks(dms), *_instances(dms)]:
        if time.monotonic() > deadline:
            raise OutOfTimeError(f"still there: {', '.join(name for name, _, _ in left)}")
        for name, status, remove in left:
            if status not in ("deleting", "gone"):
                if name not in told:
                    say(f"deleting {name} ({status})")
                    told.add(name)
                _try(remove)
        time.sleep(pace.poll_s)
    _drop_schemas(place)
    say("nothing of a probe is left")


def _drop_schemas(place: Place) -> None:
    with place.source.connect() as mysql, mysql.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {SCHEMA}")
        if place.reader:
            with suppress(pymysql.MySQLError):  # nothing was granted
                granted = f"SELECT ON `{SCHEMA_IN_GRANT}`.*"
                cursor.execute(f"REVOKE {granted} FROM '{place.reader}'@'%'")
    with place.target.connect() as postgres:
        for schema in (SCHEMA, CONTROL_SCHEMA):
            postgres.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())


def _tasks(dms: Any) -> Iterable[tuple[str, str, Callable[[], Any]]]:
    for row in _rows(dms, "describe_replication_tasks", "ReplicationTasks"):
        name, arn = row["ReplicationTaskIdentifier"], row["ReplicationTaskArn"]
        if name.startswith(PREFIX) and _is_ours(dms, arn):
            yield (
                f"the task {name}",
                row["Status"],
                # A task that runs has to be stopped first.
                _removal(dms, arn, stops=row["Status"] == "running"),
            )


def _removal(dms: Any, arn: str, *, stops: bool) -> Callable[[], Any]:
    remove = dms.stop_replication_task if stops else dms.delete_replication_task
    return lambda: remove(ReplicationTaskArn=arn)


def _instances(dms: Any) -> Iterable[tuple[str, str, Callable[[], Any]]]:
    for row in _rows(dms, "describe_replication_instances", "ReplicationInstances"):
        name, arn = row["ReplicationInstanceIdentifier"], row["ReplicationInstanceArn"]
        if name.startswith(PREFIX) and _is_ours(dms, arn):
            yield f"the instance {name}", row["ReplicationInstanceStatus"], _deletion(dms, arn)


def _deletion(dms: Any, arn: str) -> Callable[[], Any]:
    return lambda: dms.delete_replication_instance(ReplicationInstanceArn=arn)


def _rows(dms: Any, operation: str, members: str) -> Iterable[dict[str, Any]]:
    with nothing_is_fine():
        for page in dms.get_paginator(operation).paginate():
            yield from page[members]


def _is_ours(dms: Any, arn: str) -> bool:
    """By its tag: a name alone could be anybody's."""
    with nothing_is_fine():
        tags = dms.list_tags_for_resource(ResourceArn=arn)["TagList"]
        return {"Key": "mode", "Value": TAGS["mode"]} in tags
    return False


def _try(remove: Callable[[], Any]) -> None:
    """What is in the middle of something cannot be removed yet; it is tried again."""
    try:
        remove()
    except ClientError as error:
        if error.response["Error"]["Code"] not in (
            "InvalidResourceStateFault",
            "ResourceNotFoundFault",
        ):
            raise
