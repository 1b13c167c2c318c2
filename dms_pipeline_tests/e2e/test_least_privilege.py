"""Loads, checks and repairs run under the orchestrator's policy, which AWS enforces here.

The policy is what CloudFormation makes of the template; the proxy before the local AWS refuses what
it does not allow, with the ARNs and tags that are really in the requests.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from dms_pipeline.cli import students
from dms_pipeline_tests.deployed_policy import deployed_document
from dms_pipeline_tests.e2e.local_run import (
    NAME,
    LocalRun,
    change_yaml,
    copied_pipelines,
    new_local_run,
    wait_for,
)
from dms_pipeline_tests.e2e.policed_proxy import PolicedProxy, policed_proxy
from dms_pipeline_tests.iam_policy import Policy

_INCREMENTAL = ("run", "studentdb", "incremental")
_KEYS: dict[str, Any] = {
    "region_name": "us-east-1",
    "aws_access_key_id": "any",
    "aws_secret_access_key": "any",
}


@dataclass(frozen=True, slots=True)
class Policed:
    """A local stack, and the deployment `aws` that reaches it through the policy only."""

    run: LocalRun
    proxy: PolicedProxy

    @property
    def environment(self) -> dict[str, str]:
        return {
            "DMS_PIPELINE_DEPLOYMENT": "aws",
            "AWS_ENDPOINT_URL": self.proxy.url,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
            "DMS_POLL_INTERVAL_S": "0.1",
            "DMS_DRAIN_WINDOW_S": "1",
            "DAGSTER_HOME": str(self.run.home / "dagster"),
        }

    def command(self, *arguments: str, **changes: str) -> "subprocess.CompletedProcess[str]":
        return self.run.command(*arguments, **{**self.environment, **changes})

    def succeed(self, *arguments: str, **changes: str) -> str:
        self.proxy.asked.clear()
        done = self.command(*arguments, **changes)
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.proxy.refused == []
        return done.stdout

    def client(self, service: str) -> Any:
        """As the orchestrator."""
        session = boto3.session.Session(**_KEYS)
        return session.client(service, endpoint_url=self.proxy.url)  # type: ignore[call-overload]


@pytest.fixture(scope="module")
def policed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Policed]:
    with new_local_run(tmp_path_factory.mktemp("policed")) as run:
        policy = Policy.of(deployed_document(run.client, EndpointArns=",".join(_endpoints(run))))
        url = run.addresses["endpoint_url"]
        with policed_proxy(url, policy, run.client("dms")) as proxy:
            yield Policed(run, proxy)


@pytest.fixture
def orchestrated(policed: Policed) -> Iterator[Policed]:
    """There is something to load; afterwards no faults and nothing left."""
    policed.run.insert(1)
    policed.proxy.asked.clear()
    yield policed
    policed.run.inject()
    if policed.run.left_in_dms():
        policed.run.succeed("cleanup", "studentdb")


def _endpoints(run: LocalRun) -> list[str]:
    return [row["EndpointArn"] for row in run.client("dms").describe_endpoints()["Endpoints"]]


def test_full_and_incremental_loads_are_allowed(orchestrated: Policed):
    orchestrated.succeed("run", "studentdb", "full-load", "--reload")
    assert "dms:CreateReplicationInstance" in orchestrated.proxy.used
    orchestrated.run.insert(2)
    orchestrated.succeed(*_INCREMENTAL)
    assert orchestrated.run.source_rows() == orchestrated.run.target_rows()
    assert orchestrated.run.left_in_dms() == []


def test_commands_that_look_check_and_repair_are_allowed(orchestrated: Policed):
    orchestrated.succeed(*_INCREMENTAL)
    orchestrated.succeed("preflight", "studentdb")
    orchestrated.succeed("check", "studentdb")
    orchestrated.succeed("checkpoint", "history", "studentdb")
    text = orchestrated.succeed("checkpoint", "show", "studentdb").strip()
    moved = ("--reason", "a test", "--force")
    orchestrated.succeed("checkpoint", "set", "studentdb", text, *moved)
    orchestrated.succeed(*_INCREMENTAL)
    orchestrated.succeed("repair", "studentdb", f"{students.SCHEMA}.{students.TABLE}")


def test_failed_run_is_marked_and_mailed_and_cleaned_up(orchestrated: Policed):
    orchestrated.run.inject({"kind": "task-failed", "message": "the disk is on fire"})
    done = orchestrated.command(*_INCREMENTAL)
    assert done.returncode == 1
    assert "the disk is on fire" in done.stderr
    assert orchestrated.proxy.refused == []
    assert ("dms:AddTagsToResource", "SetWhenItExpires") in {
        (question.action, sid) for question, sid in orchestrated.proxy.asked
    }
    orchestrated.run.inject()
    orchestrated.succeed("cleanup", "studentdb")


def test_task_of_a_dead_run_is_stopped_and_deleted(orchestrated: Policed):
    process = orchestrated.run.begin(
        *_INCREMENTAL, **{**orchestrated.environment, "DMS_DRAIN_WINDOW_S": "120"}
    )
    wait_for("the row of the load", lambda: _is_equal(orchestrated.run))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    orchestrated.succeed("cleanup", "studentdb")
    assert "dms:StopReplicationTask" in orchestrated.proxy.used


def _is_equal(run: LocalRun) -> bool:
    return run.source_rows() == run.target_rows()


def test_warm_instance_is_taken_over(orchestrated: Policed, tmp_path: Path):
    folder = copied_pipelines(tmp_path)

    def warm(content: dict[str, Any]) -> None:
        content["instance"]["mode"] = "warm"

    change_yaml(folder / "studentdb" / "pipeline.yaml", warm)
    for _ in range(2):
        orchestrated.run.insert(1)
        orchestrated.succeed(*_INCREMENTAL, DMS_PIPELINES_DIR=str(folder))
    assert orchestrated.run.left_in_dms() == [f"instance {NAME}"]


def test_run_that_may_not_create_its_instance_says_which_action_is_missing(orchestrated: Policed):
    """That the proxy can refuse at all: the policy without one statement."""
    whole = orchestrated.proxy.policy
    orchestrated.proxy.policy = whole.without("CreateTheInstance")
    try:
        done = orchestrated.command(*_INCREMENTAL)
    finally:
        orchestrated.proxy.policy = whole
    assert done.returncode == 1
    said = " ".join(done.stderr.split())
    assert "Allow dms:CreateReplicationInstance on arn:aws:dms:us-east-1:123456789012:rep:" in said
    assert "Traceback" not in said


@pytest.fixture
def foreign(policed: Policed) -> Iterator[dict[str, str]]:
    """What another pipeline has: the ARNs of an instance and of a task on it."""
    dms = policed.run.client("dms")
    tags = [{"Key": "pipeline", "Value": "payroll"}]
    instance = dms.create_replication_instance(
        ReplicationInstanceIdentifier="payroll", ReplicationInstanceClass="dms.t3.medium", Tags=tags
    )["ReplicationInstance"]["ReplicationInstanceArn"]
    rows = dms.describe_endpoints()["Endpoints"]
    ends = {row["EndpointType"].lower(): row["EndpointArn"] for row in rows}
    wait_for("the instance", lambda: _instance_status(dms) == ["available"])
    task = dms.create_replication_task(
        ReplicationTaskIdentifier="payroll", ReplicationInstanceArn=instance, Tags=tags,
        SourceEndpointArn=ends["source"], TargetEndpointArn=ends["target"], MigrationType="cdc",
        TableMappings=(policed.run.pipelines / "studentdb" / "table_mappings.json").read_text(),
    )["ReplicationTask"]["ReplicationTaskArn"]  # fmt: skip
    yield {"instance": instance, "task": task, **ends}

    def is_gone() -> bool:
        _try(dms.delete_replication_task, ReplicationTaskArn=task)
        _try(dms.delete_replication_instance, ReplicationInstanceArn=instance)
        return policed.run.left_in_dms() == []

    wait_for("what the other pipeline has is gone", is_gone)


def _instance_status(dms: Any) -> list[str]:
    rows = dms.describe_replication_instances()["ReplicationInstances"]
    return [row["ReplicationInstanceStatus"] for row in rows]


def _try(delete: Any, **request: str) -> None:
    """It may be gone, or in a state in which it cannot be deleted yet."""
    with suppress(ClientError):
        delete(**request)


def test_what_another_pipeline_has_is_out_of_reach(policed: Policed, foreign: dict[str, str]):
    dms = policed.client("dms")
    instance, task = foreign["instance"], foreign["task"]
    own = [{"Key": "pipeline", "Value": "studentdb"}]
    soon = [{"Key": "expires_at", "Value": "2020-01-01T00:00:00+00:00"}]
    refused: list[tuple[Any, dict[str, Any]]] = [
        (dms.delete_replication_instance, {"ReplicationInstanceArn": instance}),
        (dms.delete_replication_task, {"ReplicationTaskArn": task}),
        (dms.stop_replication_task, {"ReplicationTaskArn": task}),
        (dms.describe_table_statistics, {"ReplicationTaskArn": task}),
        (
            dms.start_replication_task,
            {"ReplicationTaskArn": task, "StartReplicationTaskType": "start-replication"},
        ),
        (
            dms.test_connection,
            {"ReplicationInstanceArn": instance, "EndpointArn": foreign["source"]},
        ),
        (dms.add_tags_to_resource, {"ResourceArn": instance, "Tags": own}),
        (dms.add_tags_to_resource, {"ResourceArn": task, "Tags": soon}),
        (
            dms.create_replication_task,
            {
                "ReplicationTaskIdentifier": "mine",
                "ReplicationInstanceArn": instance,
                "SourceEndpointArn": foreign["source"],
                "TargetEndpointArn": foreign["target"],
                "MigrationType": "cdc",
                "TableMappings": "{}",
                "Tags": own,
            },
        ),
    ]
    for call, request in refused:
        with pytest.raises(ClientError, match="not authorized to perform: dms:"):
            call(**request)


def test_tables_topics_and_secrets_of_others_are_out_of_reach(policed: Policed):
    dynamodb, sns = policed.client("dynamodb"), policed.client("sns")
    secrets = policed.client("secretsmanager")
    foreign_row = {"pipeline": {"S": "payroll"}, "version": {"S": "latest"}}
    refused: list[tuple[Any, dict[str, Any]]] = [
        (dynamodb.put_item, {"TableName": "customers", "Item": foreign_row}),
        (dynamodb.put_item, {"TableName": "dms_load_checkpoints", "Item": foreign_row}),
        (dynamodb.get_item, {"TableName": "dms_load_checkpoints", "Key": foreign_row}),
        (
            dynamodb.transact_write_items,
            {
                "TransactItems": [
                    {"Put": {"TableName": "dms_load_checkpoints", "Item": foreign_row}}
                ]
            },
        ),
        (dynamodb.scan, {"TableName": "dms_load_checkpoints"}),
        (dynamodb.delete_table, {"TableName": "dms_load_checkpoints"}),
        (sns.create_topic, {"Name": "alarms"}),
        (
            sns.publish,
            {"TopicArn": "arn:aws:sns:us-east-1:123456789012:alarms", "Message": "fire"},
        ),
        (secrets.get_secret_value, {"SecretId": "payroll-source"}),
    ]
    for call, request in refused:
        with pytest.raises(ClientError, match="not authorized to perform: "):
            call(**request)


def test_what_is_not_tagged_as_the_pipeline_s_cannot_be_created(policed: Policed):
    dms = policed.client("dms")
    request = {"ReplicationInstanceIdentifier": "a", "ReplicationInstanceClass": "dms.t3.medium"}
    elsewhere = {"ReplicationSubnetGroupIdentifier": "of-others"}
    own, payroll = ({"Key": "pipeline", "Value": value} for value in ("studentdb", "payroll"))
    stage = {"Key": "stage", "Value": "production"}
    for changes in ({}, {"Tags": [payroll]}, {"Tags": [own], **elsewhere}, {"Tags": [own, stage]}):
        with pytest.raises(ClientError, match="not authorized to perform: dms:"):
            dms.create_replication_instance(**request, **changes)
    assert policed.run.left_in_dms() == []
