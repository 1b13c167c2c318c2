"""Any boto3 client sees a run as on AWS: real states in their order, and the SDK's own waiters."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dms_pipeline_tests.e2e.local_run import NAME, LocalRun, new_local_run, wait_for

_OFTEN = {"Delay": 1, "MaxAttempts": 120}
_BY_INSTANCE = [{"Name": "replication-instance-id", "Values": [NAME]}]
# Longer than the time between two looks on a busy machine.
_SLOW = [{"kind": "slow", "state": state, "seconds": 3} for state in ("creating", "deleting")]
_BY_TASK = [{"Name": "replication-task-id", "Values": [NAME]}]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    with new_local_run(tmp_path_factory.mktemp("boto3")) as run:
        yield run


def _seen(dms: Any, kind: str, by_name: list[dict[str, Any]]) -> str:
    """The status of the run's instance or task; empty when there is none."""
    try:
        answer = getattr(dms, f"describe_replication_{kind}s")(Filters=by_name)
    except dms.exceptions.ResourceNotFoundFault:
        return ""
    rows = answer[f"Replication{kind.capitalize()}s"]
    return str(rows[0].get(f"Replication{kind.capitalize()}Status") or rows[0]["Status"])


def _without_repetitions(states: list[str]) -> list[str]:
    return [state for state, before in zip(states, ["", *states], strict=False) if state != before]


def test_the_states_during_a_run_are_those_of_dms_in_their_order(loaded: LocalRun):
    dms = loaded.client("dms")
    loaded.insert(2)
    loaded.inject(*_SLOW)
    seen: dict[str, list[str]] = {"instance": [], "task": []}
    process = loaded.begin("run", "studentdb", "incremental")
    while process.poll() is None:
        for kind, by_name in (("instance", _BY_INSTANCE), ("task", _BY_TASK)):
            seen[kind].append(_seen(dms, kind, by_name))
    assert process.returncode == 0, process.communicate()[0]
    process.communicate()
    loaded.inject()
    instance, task = (_without_repetitions(seen[kind]) for kind in ("instance", "task"))
    assert [state for state in instance if state] == ["creating", "available", "deleting"]
    # Short states may pass between two looks, and a slow machine's load is extended once or more.
    load = "(starting )?(running )?(stopped )?"
    passed = "".join(f"{state} " for state in task if state)
    assert re.fullmatch(f"creating (ready )?({load})+deleting ", passed), task
    assert {"running", "stopped"} <= set(task)
    assert loaded.source_rows() == loaded.target_rows()


def test_the_waiters_of_the_sdk_follow_a_load_made_by_hand(loaded: LocalRun):
    dms = loaded.client("dms")
    by_kind = {
        row["EndpointType"].lower(): row["EndpointArn"]
        for row in dms.describe_endpoints()["Endpoints"]
    }
    instance = dms.create_replication_instance(
        ReplicationInstanceIdentifier="by-hand", ReplicationInstanceClass="dms.t3.medium"
    )["ReplicationInstance"]["ReplicationInstanceArn"]
    dms.get_waiter("replication_instance_available").wait(
        Filters=[{"Name": "replication-instance-arn", "Values": [instance]}], WaiterConfig=_OFTEN
    )
    for arn in by_kind.values():
        dms.test_connection(ReplicationInstanceArn=instance, EndpointArn=arn)
        dms.get_waiter("test_connection_succeeds").wait(
            Filters=[{"Name": "endpoint-arn", "Values": [arn]}], WaiterConfig=_OFTEN
        )
    folder: Path = loaded.pipelines / "studentdb"
    task = dms.create_replication_task(
        ReplicationTaskIdentifier="by-hand",
        SourceEndpointArn=by_kind["source"],
        TargetEndpointArn=by_kind["target"],
        ReplicationInstanceArn=instance,
        MigrationType="full-load",
        TableMappings=(folder / "table_mappings.json").read_text(),
        ReplicationTaskSettings=json.dumps(
            {"FullLoadSettings": {"TargetTablePrepMode": "TRUNCATE_BEFORE_LOAD"}}
        ),
    )["ReplicationTask"]["ReplicationTaskArn"]
    by_task = [{"Name": "replication-task-arn", "Values": [task]}]

    def wait(waiter: str) -> None:
        dms.get_waiter(waiter).wait(Filters=by_task, WaiterConfig=_OFTEN)

    wait("replication_task_ready")
    dms.start_replication_task(
        ReplicationTaskArn=task, StartReplicationTaskType="start-replication"
    )
    # The SDK's waiter for `stopped` gives up on a task that is still `starting`.
    wait_for("the end of the load", lambda: _seen(dms, "task", by_task) == "stopped")
    dms.delete_replication_task(ReplicationTaskArn=task)
    wait("replication_task_deleted")
    dms.delete_replication_instance(ReplicationInstanceArn=instance)
    dms.get_waiter("replication_instance_deleted").wait(
        Filters=[{"Name": "replication-instance-arn", "Values": [instance]}], WaiterConfig=_OFTEN
    )
    assert loaded.left_in_dms() == []
    assert loaded.source_rows() == loaded.target_rows()
