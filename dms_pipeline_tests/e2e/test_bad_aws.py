"""AWS has a bad day: each run says what happened, and leaves what the documentation promises.

Each case is a real `dms-pipeline run` against the local DMS with injected faults.
"""

import json
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default as default_policy
from pathlib import Path
from typing import Any

import pytest

from dms_pipeline.cli import students
from dms_pipeline_tests.e2e.dagster_dev import failure_mails
from dms_pipeline_tests.e2e.local_run import NAME, LocalRun, new_local_run

_INCREMENTAL = ("run", "studentdb", "incremental")
_DENIED = "not authorized to perform: dms:CreateReplicationInstance"
_INSTANCE, _TASK = f"instance {NAME}", f"task {NAME}"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    with new_local_run(tmp_path_factory.mktemp("bad-aws")) as run:
        yield run


@pytest.fixture
def bad_day(loaded: LocalRun) -> Iterator[LocalRun]:
    """There is something to load; afterwards there are no faults and no leftovers."""
    loaded.insert(1)
    yield loaded
    loaded.inject()
    if loaded.left_in_dms():
        loaded.succeed("cleanup", "studentdb")


def _failed(run: LocalRun, *faults: dict[str, Any], **environment: str) -> str:
    """What a run says that fails by these faults; it moves no checkpoint and is mailed once."""
    before, mails = run.checkpoints(), len(failure_mails(run))
    run.inject(*faults)
    done = run.command(*_INCREMENTAL, **environment)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said
    assert said.count("error: ") == 1, said
    assert all(fault["struck"] for fault in run.faults())
    assert run.checkpoints() == before
    assert len(failure_mails(run)) == mails + 1
    return done.stderr.partition("error: ")[2].strip()


def _newest_mail(run: LocalRun) -> str:
    newest = max(run.mails(), key=lambda path: path.stat().st_mtime_ns)
    mail = message_from_bytes(newest.read_bytes(), policy=default_policy)
    return str(mail.get_content())


def _refusal(code: str, operation: str, **more: Any) -> dict[str, Any]:
    return {"kind": "request-refused", "code": code, "operation": operation, **more}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (_refusal("AccessDeniedException", "CreateReplicationInstance"), _DENIED),
        (_refusal("AccessDeniedFault", "CreateReplicationInstance"), "dms-vpc-role"),
        (_refusal("InsufficientResourceCapacityFault", "CreateReplicationInstance"), "not enough"),
    ],
)
def test_refused_instance_is_named_with_aws_s_reason_and_nothing_is_left(
    bad_day: LocalRun, fault: dict[str, Any], said: str
):
    message = _failed(bad_day, fault)
    assert f"AWS refused CreateReplicationInstance {NAME}" in message
    assert said in message
    assert bad_day.left_in_dms() == []
    assert "Nothing of it is left on AWS." in _newest_mail(bad_day)


def test_role_that_dms_does_not_see_yet_is_waited_for(bad_day: LocalRun):
    bad_day.inject(_refusal("AccessDeniedFault", "CreateReplicationInstance", times=2))
    bad_day.load_incrementally()


@pytest.mark.parametrize(
    "command",
    [("preflight", "studentdb"), ("cleanup", "studentdb"), ("checkpoint", "show", "studentdb")],
    ids=["preflight", "cleanup", "checkpoint"],
)
def test_command_that_aws_refuses_says_what_to_do(bad_day: LocalRun, command: tuple[str, ...]):
    bad_day.inject(_refusal("ExpiredTokenException", "*", service="*"))
    done = bad_day.command(*command)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "Renew the AWS credentials" in " ".join(said.split())
    assert "Traceback" not in said


def test_expired_token_is_mailed_although_aws_shows_nothing_of_the_run(bad_day: LocalRun):
    expired = _refusal("ExpiredTokenException", "*", identifier=NAME)
    message = _failed(bad_day, expired)
    assert "ExpiredTokenException" in message
    assert "Renew the AWS credentials" in message
    text = _newest_mail(bad_day)
    assert "It may have left an instance and a task" in text
    assert "`dms-pipeline cleanup studentdb`" in text


def test_instance_that_cannot_be_provisioned_is_kept_and_named_by_the_next_run(bad_day: LocalRun):
    message = _failed(bad_day, {"kind": "provisioning-failed", "status": "incompatible-network"})
    assert f"the replication instance {NAME} is incompatible-network" in message
    assert bad_day.left_in_dms() == [_INSTANCE]
    assert "`dms-pipeline cleanup studentdb`" in _newest_mail(bad_day)
    assert "is left over from run" in _failed(bad_day)
    bad_day.succeed("cleanup", "studentdb")
    bad_day.load_incrementally()


def test_instance_that_cannot_connect_is_deleted_at_once(bad_day: LocalRun):
    fault = {
        "kind": "connection-test-failed",
        "identifier": "studentdb-target",
        "message": "no route to host",
    }
    message = _failed(bad_day, fault)
    assert "target endpoint studentdb-target: Test Endpoint failed: no route to host" in message
    assert bad_day.left_in_dms() == []
    bad_day.inject()
    bad_day.load_incrementally()


def test_suspended_table_is_named_in_the_mail(bad_day: LocalRun):
    table = {"schema-name": "studentdb", "table-name": "student_details"}
    _failed(bad_day, {"kind": "table-suspended", **table})
    text = _newest_mail(bad_day)
    assert "studentdb.student_details: Table error" in text
    assert "The checkpoint was not moved." in text
    assert bad_day.left_in_dms() == [_INSTANCE, _TASK]
    bad_day.inject()
    bad_day.succeed("cleanup", "studentdb")
    bad_day.load_incrementally()


def test_row_that_the_target_refuses_is_named_in_the_mail(bad_day: LocalRun):
    refused = bad_day.source_rows()[-1][0]
    table = f"{students.SCHEMA}.{students.TABLE}"
    bad_day.execute_on_target(
        f"ALTER TABLE {table} ADD CONSTRAINT odd_one CHECK (student_id <> {refused})"
    )

    def log_errors(folder: Path) -> None:
        settings = folder / "task_settings.json"
        content = json.loads(settings.read_text())
        content["ErrorBehavior"] |= {"DataErrorPolicy": "LOG_ERROR"}
        settings.write_text(json.dumps(content))

    said = _failed(bad_day, DMS_PIPELINES_DIR=bad_day.pipelines_with("logged", log_errors))
    assert f"1 change(s) could not be applied on the target; the first is of {table}: " in said
    assert "odd_one" in said
    assert str(refused) in said
    assert "The checkpoint was not moved." in _newest_mail(bad_day)
    bad_day.execute_on_target(f"ALTER TABLE {table} DROP CONSTRAINT odd_one")
    bad_day.succeed("cleanup", "studentdb")
    bad_day.load_incrementally()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "checkpoint-stale", "value": ""}, "DMS gave no recovery checkpoint"),
        ({"kind": "task-killed", "applied_rows": 0}, "is failed"),
        ({"kind": "task-failed", "message": "the disk is on fire"}, "the disk is on fire"),
        ({"kind": "binlog-purged"}, "1236"),
    ],
)
def test_task_that_ends_badly_is_kept_with_its_reason(
    bad_day: LocalRun, fault: dict[str, Any], said: str
):
    assert said in _failed(bad_day, fault)
    assert said in _newest_mail(bad_day)
    assert bad_day.left_in_dms() == [_INSTANCE, _TASK]


def test_run_outlasts_throttling_and_a_slow_deletion(bad_day: LocalRun):
    bad_day.inject(
        _refusal("ThrottlingException", "*", share=0.3),
        {"kind": "slow", "state": "deleting", "resource": "instance", "seconds": 3},
    )
    # As on AWS, with its retries; only the address is the local one.
    aws = {
        "DMS_PIPELINE_DEPLOYMENT": "aws",
        "AWS_ENDPOINT_URL": bad_day.addresses["endpoint_url"],
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "DMS_POLL_INTERVAL_S": "0.5",
        # Longer than a throttled StartReplicationTask is repeated: its stop time must not be over.
        "DMS_DRAIN_WINDOW_S": "6",
        "DAGSTER_HOME": str(bad_day.home / "dagster"),
    }
    done = bad_day.command(*_INCREMENTAL, **aws)
    assert done.returncode == 0, done.stdout + done.stderr
    throttling, slow = bad_day.faults()
    assert throttling["struck"] >= 5
    assert slow["struck"] == 1
    assert bad_day.source_rows() == bad_day.target_rows()
    bad_day.inject()
    assert bad_day.left_in_dms() == []
