"""One replication instance, two endpoints and two databases, with which questions are asked.

Everything on AWS has an identifier that begins with ``dms-probe-``, and the tag ``mode`` with the
value ``probe``; everything in the databases is in schemas named so. `clean_up` finds all by that,
also after a crash.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from aws_probe.place import Pace, Place

PREFIX = "dms-probe-"
SCHEMA = "dms_probe"
# There, _ stands for any sign unless it is escaped.
SCHEMA_IN_GRANT = SCHEMA.replace("_", r"\_")
CONTROL_SCHEMA = "dms_probe_control"
TAGS = {"pipeline": "probe", "mode": "probe"}

_NOT_FOUND = "ResourceNotFoundFault"
_TRANSITIONAL = frozenset({"creating", "starting", "stopping", "modifying", "testing", "deleting"})
_SETTINGS: Mapping[str, Any] = {
    "TargetMetadata": {"TaskRecoveryTableEnabled": True},
    "FullLoadSettings": {
        "TargetTablePrepMode": "DROP_AND_CREATE",
        "StopTaskCachedChangesApplied": True,
    },
    "ControlTablesSettings": {"ControlSchema": CONTROL_SCHEMA},
    "ChangeProcessingTuning": {"RecoveryTimeout": 1},
}


class OutOfTimeError(Exception):
    """Something did not come within its time."""


@dataclass(slots=True)
class Workbench:
    """What the questions need.

    Attributes:
        place: where they are asked.
        dms: a boto3 client, perhaps in another role than the place's.
        role: its ARN then.
        name: of the instance, and the beginning of those of the tasks.
        checkpoint: where the next CDC task can begin, once there was a load.
        seconds: for each change of state the longest time that it took.
        notes: what one question leaves to another.
    """

    place: Place
    dms: Any
    role: str
    name: str
    instance_class: str
    engine_version: str
    say: Callable[[str], None]
    pace: Pace
    instance: str = ""
    checkpoint: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    _tasks: int = 0
    _began: float = field(default_factory=time.monotonic)
    _instance_began: float = 0.0
    _instance_ended: float = 0.0

    # --- the instance

    def set_up(self) -> None:
        """The source's tables, the instance, and both connections tested."""
        self.sql(
            f"DROP DATABASE IF EXISTS {SCHEMA}",
            f"CREATE DATABASE {SCHEMA}",
            f"CREATE TABLE {SCHEMA}.moments (id int PRIMARY KEY, note varchar(40))",
            f"INSERT INTO {SCHEMA}.moments VALUES (1, 'before the load')",
        )
        if reader := self.place.reader:
            self.sql(f"GRANT SELECT ON `{SCHEMA_IN_GRANT}`.* TO '{reader}'@'%'")
        self.say(f"creating the replication instance {self.name} ({self.instance_class})")
        self._instance_began = time.monotonic()
        made = self.dms.create_replication_instance(
            ReplicationInstanceIdentifier=self.name,
            ReplicationInstanceClass=self.instance_class,
            EngineVersion=self.engine_version,
            AllocatedStorage=50,
            PubliclyAccessible=False,
            AutoMinorVersionUpgrade=False,
            Tags=self._tags(),
            **self.place.network,
        )
        self.instance = made["ReplicationInstance"]["ReplicationInstanceArn"]
        self._await("instance creating", self._instance_status, {"available"})
        for endpoint in (self.place.source_endpoint, self.place.target_endpoint):
            self.dms.test_connection(ReplicationInstanceArn=self.instance, EndpointArn=endpoint)
        self._await("connection tests", self._connection_status, {"successful", "failed"})
        if self._connection_status() == "failed":
            raise OutOfTimeError(f"the endpoints cannot be reached: {self.connections()}")

    def delete_instance(self) -> None:
        self.dms.delete_replication_instance(ReplicationInstanceArn=self.instance)

    def await_no_instance(self) -> None:
        self._await("instance deleting", self._instance_status, {"gone"})
        self._instance_ended = time.monotonic()

    def connections(self) -> list[dict[str, Any]]:
        return self.described("connections", "replication-instance-arn", self.instance)

    def _instance_status(self) -> str:
        by_name = ("replication-instance-id", self.name)
        rows = self.described("replication_instances", *by_name)
        return str(rows[0]["ReplicationInstanceStatus"]) if rows else "gone"

    def _connection_status(self) -> str:
        found = {row["Status"] for row in self.connections()}
        return "testing" if "testing" in found else "failed" if "failed" in found else "successful"

    # --- tasks

    def task(self, migration_type: str, *, start: str = "", **settings: Mapping[str, Any]) -> str:
        """The ARN of a new task that is ready; ``settings`` are merged into the probe's own."""
        self._tasks += 1
        merged = {name: {**_SETTINGS.get(name, {}), **own} for name, own in settings.items()}
        rule = {
            "rule-type": "selection",
            "rule-id": "1",
            "rule-name": "1",
            "rule-action": "include",
            "object-locator": {"schema-name": SCHEMA, "table-name": "%"},
        }
        made = self.dms.create_replication_task(
            ReplicationTaskIdentifier=f"{self.name}-{self._tasks}",
            ReplicationInstanceArn=self.instance,
            SourceEndpointArn=self.place.source_endpoint,
            TargetEndpointArn=self.place.target_endpoint,
            MigrationType=migration_type,
            TableMappings=json.dumps({"rules": [rule]}),
            ReplicationTaskSettings=json.dumps({**_SETTINGS, **merged}),
            Tags=self._tags(),
            **({"CdcStartPosition": start} if start else {}),
        )
        arn = str(made["ReplicationTask"]["ReplicationTaskArn"])
        self._await("task creating", lambda: self.status(arn), {"ready", "failed"})
        return arn

    def start(self, task: str, kind: str = "start-replication", *, stop: str = "") -> None:
        self.dms.start_replication_task(
            ReplicationTaskArn=task,
            StartReplicationTaskType=kind,
            **({"CdcStopPosition": stop} if stop else {}),
        )

    def described_task(self, task: str) -> dict[str, Any]:
        rows = self.described("replication_tasks", "replication-task-arn", task)
        return rows[0] if rows else {}

    def status(self, task: str) -> str:
        return str(self.described_task(task).get("Status", "gone"))

    def statistics(self, task: str) -> list[dict[str, Any]] | str:
        """The rows, or the code with which DMS refuses."""
        try:
            found = self.dms.describe_table_statistics(ReplicationTaskArn=task)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return list(found["TableStatistics"])

    def until_ended(self, task: str) -> dict[str, Any]:
        """The task as it is described once it has stopped or failed."""
        self._await("task running", lambda: self.status(task), {"stopped", "failed"})
        return self.described_task(task)

    def watched(self, task: str) -> list[str]:
        """The states that a task goes through while it is watched, up to an end."""
        seen: list[str] = []
        deadline = time.monotonic() + self.pace.watch_s
        while time.monotonic() < deadline:
            if (now := self.status(task)) != (seen[-1] if seen else ""):
                seen.append(now)
            if now in ("stopped", "failed"):
                break
            time.sleep(self.pace.poll_s)
        return seen

    def delete_task(self, task: str) -> None:
        """Stops it first where it runs."""
        self._await("task settling", lambda: self._settled(task), {"settled"})
        if self.status(task) == "running":
            self.dms.stop_replication_task(ReplicationTaskArn=task)
            self._await("task stopping", lambda: self._settled(task), {"settled"})
        self.dms.delete_replication_task(ReplicationTaskArn=task)
        self._await("task deleting", lambda: self.status(task), {"gone"})

    def _settled(self, task: str) -> str:
        return "moving" if self.status(task) in _TRANSITIONAL else "settled"

    # --- time and databases

    def server_time(self, seconds: float | None = None) -> str:
        """A stop position so many seconds from now, by default a window."""
        moment = datetime.now(UTC) + timedelta(seconds=seconds or self.pace.window_s)
        return f"server_time:{moment:%Y-%m-%dT%H:%M:%S}"

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """On the source, each committed; the rows of the last."""
        with self.place.source.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def target_sql(self, statement: str) -> list[tuple[Any, ...]]:
        with self.place.target.connect() as connection:
            cursor = connection.execute(statement.encode())
            return list(cursor.fetchall()) if cursor.description else []

    def described(self, what: str, by: str, value: str) -> list[dict[str, Any]]:
        """What DMS describes; it raises a fault where a filter matches nothing."""
        with nothing_is_fine():
            answer = getattr(self.dms, f"describe_{what}")(
                Filters=[{"Name": by, "Values": [value]}]
            )
            return list(next(rows for rows in answer.values() if isinstance(rows, list)))
        return []

    def out_of_time(self) -> bool:
        return time.monotonic() - self._began > self.pace.budget_s

    def instance_seconds(self) -> float:
        """From its creation until it was gone, or until now."""
        if not self._instance_began:
            return 0.0
        return (self._instance_ended or time.monotonic()) - self._instance_began

    def _tags(self) -> list[dict[str, str]]:
        expires = datetime.now(UTC) + timedelta(seconds=self.pace.budget_s)
        own = {"run_id": self.name, "expires_at": expires.isoformat(timespec="seconds")}
        return [{"Key": key, "Value": value} for key, value in {**TAGS, **own}.items()]

    def _await(self, what: str, look: Callable[[], str], ends: set[str]) -> None:
        began = time.monotonic()
        while (now := look()) not in ends:
            if time.monotonic() - began > self.pace.patience_s:
                raise OutOfTimeError(f"{what}: still {now} after {self.pace.patience_s:.0f} s")
            time.sleep(self.pace.poll_s)
        self.seconds[what] = round(max(self.seconds.get(what, 0), time.monotonic() - began), 1)


@contextmanager
def nothing_is_fine() -> Iterator[None]:
    """Passes over the fault with which DMS says that there is nothing."""
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != _NOT_FOUND:
            raise
