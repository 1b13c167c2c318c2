"""Clients that nobody here wrote load through the local DMS, unmodified: AWS CLI and Airflow."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dms_pipeline_tests.e2e.local_run import LocalRun, new_local_run, wait_for

_CLIENTS = Path(sys.prefix) / "clients" / "bin"
"""A virtual environment of its own, which `make test` makes: their versions are not ours."""

pytestmark = pytest.mark.skipif(
    not (_CLIENTS.parent / "installed").exists(),
    reason="needs .venv/clients, which `make test` makes",
)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    with new_local_run(tmp_path_factory.mktemp("foreign")) as run:
        yield run


_INSTANCE = ("replication_instances", "ReplicationInstanceStatus")
_TASK = ("replication_tasks", "Status")
_WAITERS = {
    "replication-instance-available": (*_INSTANCE, "available"),
    "replication-instance-deleted": (*_INSTANCE, ""),
    "test-connection-succeeds": ("connections", "Status", "successful"),
    "replication-task-ready": (*_TASK, "ready"),
    "replication-task-stopped": (*_TASK, "stopped"),
    "replication-task-deleted": (*_TASK, ""),
}
"""What each of the waiters waits for: an operation, a member of its answer, and its value."""


class Aws:
    """`aws dms`, with the endpoint and keys of the local stack."""

    def __init__(self, run: LocalRun, folder: Path) -> None:
        self.url = run.addresses["endpoint_url"]
        self.dms = run.client("dms")
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "AIRFLOW", "PYTHON", "COV_"))
        }
        self.environment = {
            **kept,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
            "AIRFLOW_HOME": str(folder / "airflow"),
            "HOME": str(folder),
        }

    def __call__(self, *arguments: str) -> Any:
        said = self.run(str(_CLIENTS / "aws"), "dms", *arguments, "--output", "json")
        return json.loads(said) if said.strip() else None

    def wait(self, waiter: str, name: str, arn: str) -> None:
        """`aws dms wait`, which looks every 15 or 60 seconds, once there is something to see."""
        described, member, state = _WAITERS[waiter]
        by_arn = [{"Name": name, "Values": [arn]}]

        def is_there() -> bool:
            try:
                rows = getattr(self.dms, f"describe_{described}")(Filters=by_arn)
            except self.dms.exceptions.ResourceNotFoundFault:
                return state == ""
            return any(row[member] == state for row in next(v for v in rows.values() if v))

        wait_for(waiter, is_there)
        self("wait", waiter, "--filters", f"Name={name},Values={arn}")

    def run(self, *command: str) -> str:
        ended = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=240
        )
        assert ended.returncode == 0, (command, ended.stdout, ended.stderr)
        return ended.stdout


@pytest.fixture
def aws(loaded, tmp_path) -> Aws:
    return Aws(loaded, tmp_path)


@pytest.fixture
def instance(aws) -> Iterator[tuple[str, str, str]]:
    """The ARNs of an instance made by the CLI, and of the endpoints that it can reach."""
    made = aws(
        "create-replication-instance", "--replication-instance-identifier", "foreign",
        "--replication-instance-class", "dms.t3.medium",
    )  # fmt: skip
    arn = made["ReplicationInstance"]["ReplicationInstanceArn"]
    aws.wait("replication-instance-available", "replication-instance-arn", arn)
    ends = {
        row["EndpointType"].lower(): row["EndpointArn"]
        for row in aws("describe-endpoints")["Endpoints"]
    }
    for end in ends.values():
        aws("test-connection", "--replication-instance-arn", arn, "--endpoint-arn", end)
        aws.wait("test-connection-succeeds", "endpoint-arn", end)
    yield arn, ends["source"], ends["target"]
    aws("delete-replication-instance", "--replication-instance-arn", arn)
    aws.wait("replication-instance-deleted", "replication-instance-arn", arn)


def _changed_target(loaded: LocalRun) -> str:
    """Something for the load to mend; the mappings as a file."""
    loaded.execute_on_target("UPDATE studentdb.student_details SET name = 'wrong'")
    assert loaded.source_rows() != loaded.target_rows()
    return str(loaded.pipelines / "studentdb" / "table_mappings.json")


def test_the_aws_cli_loads_with_its_wait_commands(aws, instance, loaded):
    arn, source, target = instance
    mappings = _changed_target(loaded)
    made = aws(
        "create-replication-task", "--replication-task-identifier", "by-cli",
        "--source-endpoint-arn", source, "--target-endpoint-arn", target,
        "--replication-instance-arn", arn, "--migration-type", "full-load",
        "--table-mappings", f"file://{mappings}",
    )  # fmt: skip
    task = made["ReplicationTask"]["ReplicationTaskArn"]
    aws.wait("replication-task-ready", "replication-task-arn", task)
    aws(
        "start-replication-task", "--replication-task-arn", task,
        "--start-replication-task-type", "start-replication",
    )  # fmt: skip
    aws.wait("replication-task-stopped", "replication-task-arn", task)
    [table] = aws("describe-table-statistics", "--replication-task-arn", task)["TableStatistics"]
    assert (table["TableState"], table["FullLoadRows"]) == ("Table completed", 7)
    aws("delete-replication-task", "--replication-task-arn", task)
    aws.wait("replication-task-deleted", "replication-task-arn", task)
    assert loaded.source_rows() == loaded.target_rows()


def test_airflows_operators_sensor_and_hook_work(aws, instance, loaded):
    mappings = _changed_target(loaded)
    said = aws.run(
        str(_CLIENTS / "python"),
        str(Path(__file__).with_name("airflow_client.py")),
        aws.url,
        *instance,
        mappings,
    )
    # Airflow logs to the same place.
    ended, serverless = (json.loads(line) for line in said.splitlines() if line.startswith("{"))
    assert ended["status"] == "stopped"
    assert "Stop Reason NORMAL" in ended["reason"]
    assert ended["reloaded"] is True
    assert serverless["config"] == "by-airflow"
    assert serverless["refusals"] == ["UnknownOperationException", "InvalidResourceStateFault"]
    assert loaded.source_rows() == loaded.target_rows()
