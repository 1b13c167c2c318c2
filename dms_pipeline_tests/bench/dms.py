"""Drives the local DMS as its users do: boto3 against the endpoint's process."""

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from dms_pipeline_tests.bench.errors import BenchError
from dms_pipeline_tests.bench.memory import peak_memory
from dms_pipeline_tests.bench.sample import Sample
from dms_pipeline_tests.bench.servers import Servers
from dms_pipeline_tests.dms_objects import (
    Objects,
    create_endpoint,
    create_instance,
    wait,
)
from dms_pipeline_tests.local_endpoint import endpoint

_LOOK_S = 0.02
_LOOK_SHARE = 0.02
"""Of the time that something takes: each look costs the machine some, which is not ours to lose."""
_LOOKS_AT_TASK = 50
_ENGINE_LOADS_S = 1.0
"""A task's engine loads its modules from the task's creation on. What is measured begins later."""
_TIMEOUT_S = 1800.0


class Dms:
    """An endpoint process with an instance and the endpoints of both servers."""

    def __init__(self, servers: Servers, pid: int, objects: Objects) -> None:
        self.servers = servers
        self.pid = pid
        self.objects = objects
        self._names = (f"bench-{number}" for number in itertools.count(1))

    def create_task(self, schema: str, kind: str, *, subtasks: int = 8) -> str:
        rule = {
            "rule-type": "selection",
            "rule-id": "1",
            "rule-name": "1",
            "object-locator": {"schema-name": schema, "table-name": "%"},
            "rule-action": "include",
        }
        task = self.objects.create_task(
            next(self._names),
            kind,
            TableMappings=json.dumps({"rules": [rule]}),
            ReplicationTaskSettings=json.dumps(
                {"FullLoadSettings": {"MaxFullLoadSubTasks": subtasks}}
            ),
        )
        time.sleep(_ENGINE_LOADS_S)
        return task

    def delete_task(self, task: str) -> None:
        self.objects.dms.delete_replication_task(ReplicationTaskArn=task)
        wait(self.objects.dms, "replication_task_deleted", "replication-task-arn", task, _LOOK_S)

    def wait_until(self, task: str, status: str) -> None:
        """Raises BenchError if the task fails."""
        begun = time.monotonic()
        while self._status(task) != status:
            self._check_time(begun)
            time.sleep(max(_LOOK_S, _LOOK_SHARE * (time.monotonic() - begun)))

    def full_load(self, schema: str, *, subtasks: int = 8) -> Sample:
        """From the task's start until it is shown as stopped."""
        task = self.create_task(schema, "full-load", subtasks=subtasks)
        with peak_memory(self.pid) as memory:
            begun = time.monotonic()
            self.objects.start(task)
            self.wait_until(task, "stopped")
            seconds = time.monotonic() - begun
        self.delete_task(task)
        return Sample(seconds, memory.megabytes)

    def capture(self, schema: str, position: str) -> Sample:
        """From the task's start until the row of the last change is committed on the target."""
        with peak_memory(self.pid) as memory, self.capturing(schema, position) as (task, begun):
            self._wait_for_marker(schema, task, begun)
            seconds = time.monotonic() - begun
            memory.read()
        return Sample(seconds, memory.megabytes)

    @contextmanager
    def capturing(self, schema: str, position: str) -> Iterator[tuple[str, float]]:
        """A task that captures changes until the block ends, and when it was started."""
        task = self.create_task(schema, "cdc")
        begun = time.monotonic()
        self.objects.start(task, CdcStartPosition=position)
        yield task, begun
        self.wait_until(task, "running")
        self.objects.dms.stop_replication_task(ReplicationTaskArn=task)
        self.wait_until(task, "stopped")
        self.delete_task(task)

    def has_marker(self, schema: str) -> bool:
        """Whether the last change of a log is committed on the target."""
        with self.servers.target() as target:
            return _marked(target, schema)

    def _wait_for_marker(self, schema: str, task: str, begun: float) -> None:
        with self.servers.target() as target:
            for look in itertools.count():
                if _marked(target, schema):
                    return
                if look % _LOOKS_AT_TASK == 0:
                    self._status(task)
                self._check_time(begun)
                time.sleep(_LOOK_S)

    def _status(self, task: str) -> str:
        described: dict[str, Any] = self.objects.task(task)
        if described["Status"] == "failed":
            raise BenchError(described.get("LastFailureMessage", "the task failed"))
        status: str = described["Status"]
        return status

    def _check_time(self, begun: float) -> None:
        if time.monotonic() - begun > _TIMEOUT_S:
            raise BenchError(f"the task was not done within {_TIMEOUT_S:.0f} s")


@contextmanager
def running_dms(servers: Servers, home: Path) -> Iterator[Dms]:
    home.mkdir()
    with endpoint(home) as (process, client):
        dms = client("dms")
        logins = {
            "source": {"Port": servers.mysql.port, **_login(servers.mysql)},
            "target": {
                "Port": servers.postgres.port,
                "DatabaseName": servers.postgres.dbname,
                **_login(servers.postgres),
            },
        }
        objects = Objects(
            dms,
            create_instance(dms),
            *(create_endpoint(dms, kind, **login) for kind, login in logins.items()),
        )
        for arn in (objects.source, objects.target):
            dms.test_connection(ReplicationInstanceArn=objects.instance, EndpointArn=arn)
        name = "replication-instance-arn"
        wait(dms, "test_connection_succeeds", name, objects.instance, _LOOK_S)
        yield Dms(servers, process.pid, objects)


def _marked(target: psycopg.Connection, schema: str) -> bool:
    return target.execute(f"SELECT id FROM {schema}.marker").fetchone() is not None


def _login(server: Any) -> dict[str, str]:
    return {"Username": server.dms_user, "Password": server.dms_password}
