"""Makes the usual DMS objects through a boto3 client, and waits for them the way a user would."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

TABLE_MAPPINGS = json.dumps(
    {
        "rules": [
            {
                "rule-type": "selection",
                "rule-id": "1",
                "rule-name": "1",
                "object-locator": {"schema-name": "studentdb", "table-name": "%"},
                "rule-action": "include",
            }
        ]
    }
)
SOURCE = {"ServerName": "127.0.0.1", "Port": 3306, "Username": "reader", "Password": "pw-of-source"}
TARGET = {
    "ServerName": "127.0.0.1",
    "Port": 5432,
    "Username": "writer",
    "Password": "pw-of-target",
    "DatabaseName": "auroradb",
}


@dataclass(frozen=True)
class Objects:
    """The ARNs of an instance and two tested endpoints."""

    dms: Any
    instance: str
    source: str
    target: str

    def create_task(self, name: str = "load", kind: str = "cdc", **params: Any) -> str:
        """A task that is `ready`."""
        wanted = {"TableMappings": TABLE_MAPPINGS, "MigrationType": kind, **params}
        task = self.dms.create_replication_task(
            ReplicationTaskIdentifier=name,
            SourceEndpointArn=self.source,
            TargetEndpointArn=self.target,
            ReplicationInstanceArn=self.instance,
            **wanted,
        )["ReplicationTask"]
        arn: str = task["ReplicationTaskArn"]
        wait(self.dms, "replication_task_ready", "replication-task-arn", arn)
        return arn

    def start(self, arn: str, how: str = "start-replication", **params: Any) -> dict[str, Any]:
        answer = self.dms.start_replication_task(
            ReplicationTaskArn=arn, StartReplicationTaskType=how, **params
        )
        task: dict[str, Any] = answer["ReplicationTask"]
        return task

    def task(self, arn: str) -> dict[str, Any]:
        filters = [{"Name": "replication-task-arn", "Values": [arn]}]
        tasks = self.dms.describe_replication_tasks(Filters=filters)["ReplicationTasks"]
        task: dict[str, Any] = tasks[0]
        return task

    def statuses(self, arn: str, last: str, most: int = 20) -> Iterator[str]:
        """The statuses that Describe shows until `last`, each look one element."""
        for _ in range(most):
            status: str = self.task(arn)["Status"]
            yield status
            if status == last:
                return
        raise AssertionError(f"the task did not become {last}")

    def until(self, arn: str, status: str) -> dict[str, Any]:
        list(self.statuses(arn, status))
        return self.task(arn)


def wait(dms: Any, waiter: str, name: str, value: str, delay_s: float = 0.0) -> None:
    filters = [{"Name": name, "Values": [value]}]
    dms.get_waiter(waiter).wait(
        Filters=filters, WaiterConfig={"Delay": delay_s, "MaxAttempts": 200}
    )


def create_instance(dms: Any, name: str = "ri", *, delay_s: float = 0.0, **params: Any) -> str:
    wanted = {"ReplicationInstanceClass": "dms.t3.medium", **params}
    instance = dms.create_replication_instance(ReplicationInstanceIdentifier=name, **wanted)
    arn: str = instance["ReplicationInstance"]["ReplicationInstanceArn"]
    wait(dms, "replication_instance_available", "replication-instance-arn", arn, delay_s)
    return arn


def create_endpoint(dms: Any, kind: str, **params: Any) -> str:
    engine, server = ("mysql", SOURCE) if kind == "source" else ("postgres", TARGET)
    wanted = {"EndpointIdentifier": kind, "EngineName": engine, **server, **params}
    endpoint = dms.create_endpoint(EndpointType=kind, **wanted)["Endpoint"]
    arn: str = endpoint["EndpointArn"]
    return arn


def create_objects(dms: Any, *, delay_s: float = 0.0) -> Objects:
    """An available instance from which both endpoints were tested."""
    objects = Objects(
        dms,
        create_instance(dms, delay_s=delay_s),
        create_endpoint(dms, "source"),
        create_endpoint(dms, "target"),
    )
    for endpoint in (objects.source, objects.target):
        dms.test_connection(ReplicationInstanceArn=objects.instance, EndpointArn=endpoint)
    wait(dms, "test_connection_succeeds", "replication-instance-arn", objects.instance, delay_s)
    return objects
