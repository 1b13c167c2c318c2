"""Every injected fault, from its HTTP request to what boto3 then sees."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError
from werkzeug.test import Client

from dms_pipeline.local_dms.app import LocalAws
from dms_pipeline_tests.dms_objects import Objects, create_instance, create_objects, wait
from dms_pipeline_tests.fake_engine import (
    CHECKPOINT,
    FakeEngine,
    Script,
    SteppingClock,
    table_row,
)
from dms_pipeline_tests.wsgi_bridge import client, local_aws

STUDENTS = table_row("studentdb", "students", Inserts=3, Updates=2)
EARLIER = CHECKPOINT.replace("000002:1975", "000001:1975")
FATAL = "Stop Reason FATAL_ERROR Error Level FATAL"


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine(Script(tables=[STUDENTS]))


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
def app(tmp_path: Path, engine: FakeEngine, clock: SteppingClock) -> Iterator[LocalAws]:
    with local_aws(tmp_path, engine, clock=clock) as app:
        yield app


@pytest.fixture
def dms(app: LocalAws) -> Any:
    return client(app, "dms")


@pytest.fixture
def objects(dms: Any) -> Objects:
    return create_objects(dms)


def inject(app: LocalAws, *faults: dict[str, Any]) -> None:
    reply = Client(app).put("/_faults", data=json.dumps(faults))
    assert reply.status_code == 200, reply.text


def struck(app: LocalAws) -> list[int]:
    return [fault["struck"] for fault in json.loads(Client(app).get("/_faults").text)]


def refusal(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def instance_status(dms: Any) -> str:
    (shown,) = dms.describe_replication_instances()["ReplicationInstances"]
    return str(shown["ReplicationInstanceStatus"])


NEW_INSTANCE = {
    "ReplicationInstanceIdentifier": "nightly",
    "ReplicationInstanceClass": "dms.t3.medium",
}


# --- the HTTP contract


def test_put_replaces_get_shows_and_delete_removes(app):
    http = Client(app)
    first = {"kind": "provisioning-failed", "status": "failed"}
    second = {"kind": "table-suspended", "schema-name": "s", "table-name": "t", "times": 2}
    assert http.put("/_faults", json=[first]).json == [{**first, "struck": 0}]
    assert http.put("/_faults", json=[second]).json == [{**second, "struck": 0}]
    assert http.get("/_faults").json == [{**second, "struck": 0}]
    assert http.delete("/_faults").json == []
    assert http.get("/_faults").json == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "the body must be a JSON list of faults"),
        ("{}", "the body must be a JSON list of faults"),
        ('[{"kind": "gremlins"}]', "fault 0: Input tag 'gremlins'"),
        ('[{"kind": "task-killed"}]', "fault 0 (task-killed): applied_rows: Field required"),
        ('[{"kind": "task-killed", "applied_rows": "9"}]', "applied_rows: Input should be a valid"),
        ('[{"kind": "binlog-purged", "time": 1}]', "time: Extra inputs are not permitted"),
        ('[{"kind": "binlog-purged", "times": 0}]', "times: Input should be greater than 0"),
        ('[{"kind": "request-refused", "code": "X"}]', "code X has no usual message"),
        (
            '[{"kind": "request-refused", "code": "ThrottlingException", "share": 2}]',
            "share: Input should be less than or equal to 1",
        ),
        (
            '[{"kind": "slow", "resource": "instance", "state": "testing", "seconds": 1}]',
            "the local DMS has no instance that is testing",
        ),
        ('[{"kind": "binlog-purged"}, {"kind": "task-failed"}]', "fault 1 (task-failed): message"),
    ],
)
def test_wrong_fault_is_refused_by_name_and_the_former_ones_stay(app, body, words):
    inject(app, {"kind": "binlog-purged"})
    reply = Client(app).put("/_faults", data=body)
    assert reply.status_code == 400
    assert words in json.loads(reply.text)["message"]
    assert struck(app) == [0]


def test_other_methods_and_other_sites_are_refused(app):
    http = Client(app)
    assert http.post("/_faults", data="[]").status_code == 405
    evil = {"Origin": "https://evil.example"}
    assert http.put("/_faults", data="[]", headers=evil).status_code == 403
    assert http.delete("/_faults", headers=evil).status_code == 403
    assert http.get("/_faults", headers=evil).status_code == 403


def test_status_page_shows_the_faults_in_force(app):
    assert "Injected faults" not in Client(app).get("/").text
    inject(app, {"kind": "binlog-purged", "identifier": "<night>"})
    page = Client(app).get("/").text
    assert "binlog-purged" in page
    assert "&lt;night&gt;" in page


def test_new_process_has_no_faults(app, tmp_path):
    inject(app, {"kind": "binlog-purged"})
    app.close()
    with local_aws(tmp_path) as restarted:
        assert struck(restarted) == []


# --- requests


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (
            {"code": "InsufficientResourceCapacityFault"},
            "There are not enough resources allocated to the database migration.",
        ),
        (
            {"code": "AccessDeniedFault"},
            "The IAM Role arn:aws:iam::123456789012:role/dms-vpc-role is not configured properly.",
        ),
        (
            {"code": "ExpiredTokenException"},
            "The security token included in the request is expired",
        ),
        (
            {"code": "AccessDeniedException"},
            "User: arn:aws:iam::123456789012:user/local is not authorized to perform: "
            "dms:CreateReplicationInstance because no identity-based policy allows the "
            "dms:CreateReplicationInstance action",
        ),
        ({"code": "ServiceQuotaFault", "message": "too {many}"}, "too {many}"),
    ],
    ids=lambda value: value.get("code") if isinstance(value, dict) else "",
)
def test_refused_request_changes_nothing(app, dms, fault, message):
    operation = "CreateReplicationInstance"
    inject(app, {"kind": "request-refused", "operation": operation, "times": 1, **fault})
    refused = refusal(dms.create_replication_instance, **NEW_INSTANCE)
    assert refused == (fault["code"], message)
    assert dms.describe_replication_instances()["ReplicationInstances"] == []
    dms.create_replication_instance(**NEW_INSTANCE)
    assert struck(app) == [1]


def throttled_calls(app: LocalAws, dms: Any, share: float) -> list[bool]:
    inject(
        app,
        {"kind": "request-refused", "code": "ThrottlingException", "share": share, "seed": 7},
    )
    return [is_throttled(dms) for _ in range(200)]


def is_throttled(dms: Any) -> bool:
    try:
        dms.describe_endpoints()
    except dms.exceptions.ClientError as error:
        return bool(error.response["Error"]["Message"] == "Rate exceeded")
    return False


def test_throttled_share_is_about_right_and_the_same_for_the_same_seed(app, dms):
    first = throttled_calls(app, dms, 0.3)
    assert 40 <= sum(first) <= 80
    assert struck(app) == [sum(first)]
    assert throttled_calls(app, dms, 0.3) == first


def test_refusal_may_be_for_one_object_by_name_or_arn_or_filter(app, dms, objects):
    other = create_instance(dms, "other")
    inject(
        app,
        {"kind": "request-refused", "code": "AccessDeniedException", "identifier": "oth*"},
    )
    assert refusal(dms.delete_replication_instance, ReplicationInstanceArn=other)[0] == (
        "AccessDeniedException"
    )
    filters = [{"Name": "replication-instance-arn", "Values": [objects.instance, other]}]
    assert refusal(dms.describe_replication_instances, Filters=filters)[0] == (
        "AccessDeniedException"
    )
    dms.describe_replication_instances()
    dms.delete_replication_instance(ReplicationInstanceArn=objects.instance)


def test_faults_strike_in_the_order_of_the_list(app, dms):
    def refused(code):
        return {"kind": "request-refused", "code": code, "times": 1}

    inject(app, refused("ThrottlingException"), refused("ExpiredTokenException"))
    codes = [refusal(dms.describe_endpoints)[0] for _ in range(2)]
    assert codes == ["ThrottlingException", "ExpiredTokenException"]
    dms.describe_endpoints()


def test_calls_of_other_services_can_be_refused_too(app):
    inject(
        app,
        {
            "kind": "request-refused",
            "service": "dynamodb",
            "operation": "Put*",
            "code": "AccessDeniedException",
        },
        {
            "kind": "request-refused",
            "service": "sns",
            "operation": "Publish",
            "code": "AuthorizationError",
            "message": "not <you>",
        },
    )
    code, message = refusal(client(app, "dynamodb").put_item, TableName="loads", Item={})
    assert (code, "dynamodb:PutItem" in message) == ("AccessDeniedException", True)
    sns = client(app, "sns")
    topic = sns.create_topic(Name="loads")["TopicArn"]
    assert refusal(sns.publish, TopicArn=topic, Message="x") == ("AuthorizationError", "not <you>")


def test_refusal_without_a_service_is_for_dms_only(app, dms):
    inject(app, {"kind": "request-refused", "code": "ThrottlingException"})
    assert client(app, "dynamodb").list_tables()["TableNames"] == []
    assert refusal(dms.describe_endpoints) == ("ThrottlingException", "Rate exceeded")


# --- instances and connections


@pytest.mark.parametrize("status", ["failed", "incompatible-network"])
def test_instance_ends_in_another_status_and_can_be_deleted(app, dms, status):
    inject(app, {"kind": "provisioning-failed", "status": status, "identifier": "nightly"})
    arn = dms.create_replication_instance(**NEW_INSTANCE)["ReplicationInstance"][
        "ReplicationInstanceArn"
    ]
    assert [instance_status(dms) for _ in range(3)] == ["creating", status, status]
    dms.delete_replication_instance(ReplicationInstanceArn=arn)
    wait(dms, "replication_instance_deleted", "replication-instance-arn", arn)
    create_instance(dms, "other")


def test_connection_test_fails_for_one_endpoint(app, dms):
    inject(
        app,
        {"kind": "connection-test-failed", "identifier": "source", "message": "no route"},
    )
    with pytest.raises(WaiterError, match="terminal failure"):
        create_objects(dms)
    source, target = dms.describe_connections()["Connections"]
    assert (source["Status"], target["Status"]) == ("failed", "successful")
    assert source["LastFailureMessage"] == "Test Endpoint failed: no route"


# --- states that last


def test_creating_lasts_for_the_given_seconds_and_only_for_new_objects(app, dms, clock):
    create_instance(dms, "before")
    inject(app, {"kind": "slow", "resource": "instance", "state": "creating", "seconds": 100})
    dms.create_replication_instance(**NEW_INSTANCE)

    def statuses() -> list[str]:
        instances = dms.describe_replication_instances()["ReplicationInstances"]
        return [i["ReplicationInstanceStatus"] for i in instances]

    clock.now += 90
    assert statuses() == ["available", "creating"]
    clock.now += 10
    assert statuses() == ["available", "available"]


def test_other_states_and_other_kinds_of_object_stay_fast(app, dms, objects, clock):
    inject(
        app,
        {"kind": "slow", "resource": "instance", "state": "deleting", "seconds": 100},
        {"kind": "slow", "resource": "connection", "state": "testing", "seconds": 100},
    )
    arn = objects.create_task()
    dms.delete_replication_task(ReplicationTaskArn=arn)
    wait(dms, "replication_task_deleted", "replication-task-arn", arn)
    assert struck(app) == [0, 0]


def test_realistic_seconds_are_those_of_aws(app, dms, clock):
    inject(app, {"kind": "slow", "state": "creating", "seconds": "realistic"})
    dms.create_replication_instance(**NEW_INSTANCE)
    clock.now += 400
    assert instance_status(dms) == "creating"
    clock.now += 100
    assert instance_status(dms) == "available"


def test_slow_delete_of_a_task_keeps_its_instance(app, dms, objects, clock):
    arn = objects.create_task()
    inject(app, {"kind": "slow", "resource": "task", "state": "deleting", "seconds": 60})
    dms.delete_replication_task(ReplicationTaskArn=arn)
    clock.now += 50
    assert objects.task(arn)["Status"] == "deleting"
    delete = {"ReplicationInstanceArn": objects.instance}
    assert "one or more" in refusal(dms.delete_replication_instance, **delete)[1]
    clock.now += 60
    dms.delete_replication_instance(**delete)
    assert instance_status(dms) == "deleting"
    with pytest.raises(ClientError, match="ResourceNotFoundFault"):
        objects.task(arn)


# --- runs of tasks


def failed_run(objects: Objects, **params: Any) -> dict[str, Any]:
    arn = objects.create_task(**params)
    objects.start(arn)
    return objects.until(arn, "failed")


def test_task_is_killed_when_it_has_applied_so_many_rows(app, dms, objects, engine):
    engine.script("load", Script(tables=[STUDENTS], runs_until_stopped=True))
    inject(app, {"kind": "task-killed", "identifier": "load", "applied_rows": 5, "times": 1})
    task = failed_run(objects)
    text = f"Last Error  the engine process ended with status -9 {FATAL}"
    assert (task["LastFailureMessage"], task["StopReason"]) == (text, text)
    assert engine.handles["load"].ended
    arn = task["ReplicationTaskArn"]
    (row,) = dms.describe_table_statistics(ReplicationTaskArn=arn)["TableStatistics"]
    assert (row["AppliedInserts"], row["AppliedUpdates"]) == (3, 2)
    assert struck(app) == [1]


def test_task_that_applies_fewer_rows_is_not_killed(app, objects):
    inject(app, {"kind": "task-killed", "applied_rows": 6})
    arn = objects.create_task()
    objects.start(arn)
    assert objects.until(arn, "stopped")["StopReason"] == "Stop Reason STOPPED_AT_SERVER_TIME"
    assert struck(app) == [0]


def test_kill_at_row_0_strikes_as_soon_as_the_task_runs(app, objects):
    inject(app, {"kind": "task-killed", "applied_rows": 0})
    arn = objects.create_task()
    objects.start(arn)
    assert list(objects.statuses(arn, "failed")) == ["starting", "running", "failed"]
    assert objects.task(arn)["RecoveryCheckpoint"] == ""


def test_kill_strikes_even_when_the_engine_is_done_by_then(app, objects):
    inject(app, {"kind": "task-killed", "applied_rows": 5})
    assert "status -9" in failed_run(objects)["StopReason"]


def test_rows_of_an_earlier_run_do_not_count(app, objects, engine):
    arn = objects.create_task()
    objects.start(arn)
    objects.until(arn, "stopped")
    more = table_row("studentdb", "students", Inserts=4, Updates=2)
    engine.script("load", Script(tables=[more]))
    inject(app, {"kind": "task-killed", "applied_rows": 2})
    objects.start(arn, "resume-processing")
    objects.until(arn, "stopped")
    inject(app, {"kind": "task-killed", "applied_rows": 1})
    engine.script("load", Script(tables=[table_row("studentdb", "students", Inserts=7)]))
    objects.start(arn, "resume-processing")
    objects.until(arn, "failed")


def test_kill_can_be_injected_while_the_task_runs(app, objects, engine):
    engine.script("load", Script(tables=[STUDENTS], runs_until_stopped=True))
    arn = objects.create_task()
    objects.start(arn)
    objects.until(arn, "running")
    inject(app, {"kind": "task-killed", "applied_rows": 1})
    engine.handles["load"].send("checkpoint", value=CHECKPOINT)
    objects.until(arn, "failed")


def test_task_fails_with_the_given_text_before_its_engine_starts(app, objects, engine):
    inject(app, {"kind": "task-failed", "message": "ODBC error.", "reason": "RECOVERABLE_ERROR"})
    arn = objects.create_task()
    objects.start(arn)
    assert list(objects.statuses(arn, "failed")) == ["starting", "failed"]
    task = objects.task(arn)
    assert task["LastFailureMessage"] == (
        "Last Error  ODBC error. Stop Reason RECOVERABLE_ERROR Error Level RECOVERABLE"
    )
    assert task["RecoveryCheckpoint"] == ""
    assert engine.specs == []


def test_text_that_is_worded_as_by_aws_is_shown_as_it_is(app, objects):
    text = f"Last Error  Stream Component Fatal error.\nTask error notification {FATAL}."
    inject(app, {"kind": "task-failed", "message": text, "applied_rows": 5})
    task = failed_run(objects)
    assert (task["LastFailureMessage"], task["RecoveryCheckpoint"]) == (text, "")


def test_purged_binlog_fails_a_task_that_starts_from_a_checkpoint(app, objects):
    inject(app, {"kind": "binlog-purged"})
    task = failed_run(objects, CdcStartPosition=CHECKPOINT)
    assert "(1236) Could not find first log file name" in task["LastFailureMessage"]
    assert CHECKPOINT in task["LastFailureMessage"]
    assert task["LastFailureMessage"].endswith(FATAL)
    assert task["RecoveryCheckpoint"] == ""


def test_purged_binlog_does_not_touch_a_task_that_starts_now(app, objects):
    inject(app, {"kind": "binlog-purged"})
    arn = objects.create_task(kind="full-load-and-cdc")
    objects.start(arn)
    objects.until(arn, "stopped")
    assert struck(app) == [0]


def test_checkpoint_stays_empty(app, objects):
    inject(app, {"kind": "checkpoint-stale", "value": ""})
    arn = objects.create_task()
    objects.start(arn)
    assert objects.until(arn, "stopped")["RecoveryCheckpoint"] == ""


def test_checkpoint_stays_at_the_given_one(app, objects):
    inject(app, {"kind": "checkpoint-stale", "value": EARLIER})
    arn = objects.create_task()
    objects.start(arn)
    assert objects.until(arn, "stopped")["RecoveryCheckpoint"] == EARLIER


def test_checkpoint_stands_still_until_the_run_stops(app, dms, objects, engine):
    engine.script("load", Script(runs_until_stopped=True))
    inject(app, {"kind": "checkpoint-stale"})
    arn = objects.create_task(CdcStartPosition=EARLIER)
    objects.start(arn)
    assert objects.until(arn, "running")["RecoveryCheckpoint"] == EARLIER
    dms.stop_replication_task(ReplicationTaskArn=arn)
    assert objects.until(arn, "stopped")["RecoveryCheckpoint"] == CHECKPOINT


def test_suspended_table_is_left_out_and_the_task_stops_as_usual(app, dms, objects, engine):
    courses = table_row("studentdb", "courses", Inserts=1)
    engine.script("load", Script(tables=[STUDENTS, courses], progress={"tables_loaded": 2}))
    inject(
        app,
        {"kind": "table-suspended", "schema-name": "studentdb", "table-name": "students"},
    )
    arn = objects.create_task()
    objects.start(arn)
    task = objects.until(arn, "stopped")
    assert task["StopReason"] == "Stop Reason STOPPED_AT_SERVER_TIME"
    assert task["ReplicationTaskStats"]["TablesErrored"] == 1
    tables = dms.describe_table_statistics(ReplicationTaskArn=arn)["TableStatistics"]
    states = {t["TableName"]: (t["TableState"], t["AppliedInserts"]) for t in tables}
    assert states == {"students": ("Table error", 0), "courses": ("Table completed", 1)}
    (rule,) = engine.specs[0]["table_mappings"]["rules"][1:]
    assert rule["rule-action"] == "exclude"
    assert rule["object-locator"] == {"schema-name": "studentdb", "table-name": "students"}


def test_only_table_may_be_suspended_and_its_name_is_no_pattern(app, objects, engine):
    fault = {"kind": "table-suspended", "schema-name": "school", "table-name": "a_b%[c]"}
    inject(app, fault)
    objects.start(objects.create_task())
    (spec,) = engine.specs
    assert spec["table_mappings"]["rules"][-1]["object-locator"]["table-name"] == "a[_]b[%][[]c]"
    # without it the engine would fail for want of tables
    assert spec["task_settings"]["ErrorBehavior"]["FailOnNoTablesCaptured"] is False


def test_suspended_table_keeps_the_counters_of_the_runs_before(app, dms, objects):
    arn = objects.create_task()
    objects.start(arn)
    objects.until(arn, "stopped")
    inject(
        app,
        {"kind": "table-suspended", "schema-name": "studentdb", "table-name": "students"},
    )
    objects.start(arn, "resume-processing")
    objects.until(arn, "stopped")
    (row,) = dms.describe_table_statistics(ReplicationTaskArn=arn)["TableStatistics"]
    assert (row["TableState"], row["AppliedInserts"]) == ("Table error", 3)


def test_fault_for_one_task_leaves_the_others_alone(app, objects):
    inject(app, {"kind": "task-failed", "message": "no", "identifier": "other-*"})
    arn = objects.create_task("load")
    objects.start(arn)
    objects.until(arn, "stopped")
    other = objects.create_task("other-1")
    objects.start(other)
    objects.until(other, "failed")
