from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dms_pipeline_tests.dms_objects import Objects, create_instance, create_objects, wait
from dms_pipeline_tests.fake_engine import CHECKPOINT, FakeEngine, Script, table_row
from dms_pipeline_tests.wsgi_bridge import client, local_aws


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def dms(tmp_path: Path, engine: FakeEngine) -> Iterator[Any]:
    with local_aws(tmp_path, engine) as app:
        yield client(app, "dms")


@pytest.fixture
def objects(dms: Any) -> Objects:
    return create_objects(dms)


def refusal(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_run_shows_starting_and_running_although_the_engine_is_done_at_once(objects):
    arn = objects.create_task()
    assert objects.start(arn)["Status"] == "starting"
    assert list(objects.statuses(arn, "stopped")) == ["starting", "running", "stopped"]


def test_botocore_waiters_follow_a_task_to_its_end(dms, objects, engine):
    engine.script("load", Script(runs_until_stopped=True))
    arn = objects.create_task()
    objects.start(arn)
    objects.until(arn, "running")
    wait(dms, "replication_task_running", "replication-task-arn", arn)
    dms.stop_replication_task(ReplicationTaskArn=arn)
    wait(dms, "replication_task_stopped", "replication-task-arn", arn)
    assert objects.task(arn)["StopReason"] == "Stop Reason NORMAL"
    dms.delete_replication_task(ReplicationTaskArn=arn)
    wait(dms, "replication_task_deleted", "replication-task-arn", arn)
    dms.delete_replication_instance(ReplicationInstanceArn=objects.instance)
    wait(dms, "replication_instance_deleted", "replication-instance-arn", objects.instance)
    dms.delete_endpoint(EndpointArn=objects.source)
    wait(dms, "endpoint_deleted", "endpoint-arn", objects.source)


def test_an_engine_waits_as_long_as_there_is_an_instance(dms, objects, engine):
    other = create_instance(dms, "other")
    assert engine.is_ready
    dms.delete_replication_instance(ReplicationInstanceArn=objects.instance)
    assert engine.is_ready
    dms.delete_replication_instance(ReplicationInstanceArn=other)
    assert not engine.is_ready


def test_an_engine_waits_for_each_task_that_is_created(objects, engine):
    objects.start(objects.create_task("first"))
    assert not engine.is_ready
    objects.create_task("second")
    assert engine.is_ready


def test_no_engine_waits_when_the_endpoint_has_ended(tmp_path, engine):
    with local_aws(tmp_path / "home", engine) as app:
        create_instance(client(app, "dms"))
    assert not engine.is_ready


def test_stop_reason_is_hidden_while_running_is_still_shown(objects):
    arn = objects.create_task()
    objects.start(arn)
    objects.task(arn)
    held = objects.task(arn)
    assert held["Status"] == "running"
    assert "StopReason" not in held
    assert "StopDate" not in held["ReplicationTaskStats"]


def test_ended_run_shows_reason_checkpoint_and_counters(dms, objects, engine):
    row = table_row("studentdb", "students", Inserts=3, Updates=2)
    engine.script("load", Script(tables=[row]))
    arn = objects.create_task()
    objects.start(arn, CdcStopPosition="server_time: 2030-01-01T00:00:00")
    task = objects.until(arn, "stopped")
    assert task["StopReason"] == "Stop Reason STOPPED_AT_SERVER_TIME"
    assert task["RecoveryCheckpoint"] == CHECKPOINT
    assert engine.specs[0]["stop_position"] == "server_time:2030-01-01T00:00:00"
    (shown,) = dms.describe_table_statistics(ReplicationTaskArn=arn)["TableStatistics"]
    assert (shown["Inserts"], shown["AppliedUpdates"], shown["Deletes"]) == (3, 2, 0)


def test_failure_stands_in_stop_reason_and_last_failure_message(objects, engine):
    engine.script("load", Script(fail_with="the binlog is gone", checkpoint=None))
    arn = objects.create_task()
    objects.start(arn)
    task = objects.until(arn, "failed")
    text = "Last Error  the binlog is gone Stop Reason FATAL_ERROR Error Level FATAL"
    assert (task["StopReason"], task["LastFailureMessage"]) == (text, text)
    assert task["RecoveryCheckpoint"] == ""


def test_engine_that_never_runs_fails_from_starting(objects, engine):
    engine.script("load", Script(fails_before_running=True))
    arn = objects.create_task()
    objects.start(arn)
    assert list(objects.statuses(arn, "failed")) == ["starting", "failed"]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("", False),
        ("skipTableSuspensionForPartitionDdl=true;", True),
        ("eventsPollInterval=5; skipTableSuspensionForPartitionDDL = True", True),
        ("skipTableSuspensionForPartitionDdl=false", False),
    ],
)
def test_engine_is_told_what_the_source_endpoint_asks(dms, objects, engine, attributes, expected):
    dms.modify_endpoint(EndpointArn=objects.source, ExtraConnectionAttributes=attributes)
    dms.test_connection(ReplicationInstanceArn=objects.instance, EndpointArn=objects.source)
    wait(dms, "test_connection_succeeds", "endpoint-arn", objects.source)
    objects.start(objects.create_task())
    assert engine.specs[0]["source"]["skip_partition_ddl"] is expected


def test_new_task_has_no_statistics_and_no_checkpoint(objects):
    task = objects.task(objects.create_task())
    assert not {"ReplicationTaskStats", "RecoveryCheckpoint", "StopReason"} & set(task)


def test_resume_starts_from_the_recovery_checkpoint_and_keeps_the_counters(objects, engine):
    row = table_row("studentdb", "students", Inserts=3)
    engine.script("load", Script(tables=[row]), Script(runs_until_stopped=True))
    arn = objects.create_task(CdcStartPosition="mysql-bin.000001:4")
    objects.start(arn)
    objects.until(arn, "stopped")
    objects.start(arn, "resume-processing", CdcStopPosition="commit_time:2030-01-01T00:00:00")
    first, second = engine.specs
    assert (first["start"]["position"], first["resume"]) == ("mysql-bin.000001:4", False)
    assert (second["start"]["position"], second["resume"]) == (CHECKPOINT, True)
    assert second["counters"][0]["Inserts"] == 3
    assert second["stop_position"] == "commit_time:2030-01-01T00:00:00"


def test_messages_of_an_earlier_run_change_nothing(objects, engine):
    engine.script("load", Script(), Script(runs_until_stopped=True))
    arn = objects.create_task()
    objects.start(arn)
    objects.until(arn, "stopped")
    former = engine.handles["load"]
    objects.start(arn, "resume-processing")
    former.fail("late words")
    assert objects.until(arn, "running")["Status"] == "running"


@pytest.mark.parametrize(
    ("kind", "how", "word"),
    [
        ("cdc", "resume-processing", "RESUME_PROCESSING"),
        ("full-load", "resume-processing", "RESUME_PROCESSING"),
    ],
)
def test_start_types_that_need_an_earlier_run_are_refused(dms, objects, kind, how, word):
    arn = objects.create_task(kind=kind)
    code, message = refusal(
        dms.start_replication_task, ReplicationTaskArn=arn, StartReplicationTaskType=how
    )
    assert code == "InvalidParameterCombinationException"
    assert word in message


@pytest.mark.parametrize("kind", ["full-load", "full-load-and-cdc", "cdc"])
def test_second_start_replication_is_refused_without_a_start_position(dms, objects, kind):
    arn = objects.create_task(kind=kind)
    objects.start(arn)
    objects.until(arn, "stopped")
    code, message = refusal(
        dms.start_replication_task,
        ReplicationTaskArn=arn,
        StartReplicationTaskType="start-replication",
    )
    assert code == "InvalidParameterCombinationException"
    assert message.startswith("Start Type : START_REPLICATION")


def test_reload_target_may_start_a_new_full_load_and_run_it_again_from_scratch(objects, engine):
    arn = objects.create_task(kind="full-load")
    objects.start(arn, "reload-target")
    task = objects.until(arn, "stopped")
    assert task["StopReason"] == "Stop Reason FULL_LOAD_ONLY_FINISHED"
    objects.start(arn, "reload-target")
    assert engine.specs[1]["counters"] is None


def test_start_without_tested_connections_is_refused_in_aws_words(dms, objects):
    arn = objects.create_task()
    dms.modify_endpoint(EndpointArn=objects.target, Port=5433)
    code, message = refusal(
        dms.start_replication_task,
        ReplicationTaskArn=arn,
        StartReplicationTaskType="start-replication",
    )
    assert code == "InvalidResourceStateFault"
    assert message == (
        "Test connection for replication instance ri and endpoint target should be successful "
        "for starting the replication task"
    )


def test_running_task_can_be_neither_started_nor_modified_nor_deleted(dms, objects, engine):
    engine.script("load", Script(runs_until_stopped=True))
    arn = objects.create_task()
    objects.start(arn)
    objects.until(arn, "running")
    start = {"ReplicationTaskArn": arn, "StartReplicationTaskType": "resume-processing"}
    state = "InvalidResourceStateFault"
    assert refusal(dms.start_replication_task, **start) == (
        state,
        "Replication Task cannot be started, invalid state",
    )
    assert refusal(dms.delete_replication_task, ReplicationTaskArn=arn)[0] == state
    code, message = refusal(dms.modify_replication_task, ReplicationTaskArn=arn)
    assert (code, "cannot be modified while it is running state" in message) == (state, True)


def test_stopped_task_cannot_be_stopped(dms, objects):
    code, _ = refusal(dms.stop_replication_task, ReplicationTaskArn=objects.create_task())
    assert code == "InvalidResourceStateFault"


def test_instance_with_a_task_is_not_deleted_not_even_while_the_task_goes(dms, objects):
    arn = objects.create_task()
    delete = {"ReplicationInstanceArn": objects.instance}
    assert "one or more" in refusal(dms.delete_replication_instance, **delete)[1]
    dms.delete_replication_task(ReplicationTaskArn=arn)
    assert "deleting" in refusal(dms.delete_replication_instance, **delete)[1]
    wait(dms, "replication_task_deleted", "replication-task-arn", arn)
    deleted = dms.delete_replication_instance(**delete)["ReplicationInstance"]
    assert deleted["ReplicationInstanceStatus"] == "deleting"


def test_deleted_instance_shows_deleting_once_and_takes_its_connections_along(dms, objects):
    dms.delete_replication_instance(ReplicationInstanceArn=objects.instance)
    (shown,) = dms.describe_replication_instances()["ReplicationInstances"]
    assert shown["ReplicationInstanceStatus"] == "deleting"
    filters = [{"Name": "replication-instance-arn", "Values": [objects.instance]}]
    for describe in (dms.describe_replication_instances, dms.describe_connections):
        assert refusal(describe, Filters=filters)[0] == "ResourceNotFoundFault"


def test_creating_instance_takes_no_task_and_no_test(dms, objects):
    created = dms.create_replication_instance(
        ReplicationInstanceIdentifier="other", ReplicationInstanceClass="dms.t3.medium"
    )["ReplicationInstance"]
    code, _ = refusal(
        dms.test_connection,
        ReplicationInstanceArn=created["ReplicationInstanceArn"],
        EndpointArn=objects.source,
    )
    assert code == "InvalidResourceStateFault"


def test_identifier_of_an_instance_is_lower_case_and_taken_once(dms):
    arn = create_instance(dms, "Nightly-Load")
    (shown,) = dms.describe_replication_instances()["ReplicationInstances"]
    assert shown["ReplicationInstanceIdentifier"] == "nightly-load"
    with pytest.raises(ClientError) as caught:
        create_instance(dms, "NIGHTLY-load")
    assert caught.value.response["Error"]["Code"] == "ResourceAlreadyExistsFault"
    assert dict(caught.value.response)["resourceArn"] == arn


def test_endpoint_of_the_wrong_direction_is_refused(dms, objects):
    swapped = Objects(dms, objects.instance, objects.target, objects.source)
    with pytest.raises(ClientError, match="endpoint must be of type SOURCE"):
        swapped.create_task()


def test_failed_connection_test_shows_the_reason(tmp_path):
    def refuse(kind, settings):
        return f"no {kind} at {settings['host']}"

    with local_aws(tmp_path, connection_check=refuse) as app:
        dms = client(app, "dms")
        with pytest.raises(Exception, match="terminal failure"):
            create_objects(dms)
        (connection, _) = dms.describe_connections()["Connections"]
    assert connection["Status"] == "failed"
    assert connection["LastFailureMessage"] == "Test Endpoint failed: no source at 127.0.0.1"


def test_password_is_in_no_answer(dms, objects):
    arn = objects.create_task()
    answers = [
        dms.describe_endpoints(),
        dms.describe_replication_tasks(),
        dms.modify_endpoint(EndpointArn=objects.source, Password="pw-new"),
        objects.task(arn),
    ]
    assert "pw-" not in str(answers)


def test_login_may_come_from_a_secret(tmp_path):
    seen = []
    with local_aws(tmp_path, connection_check=lambda _, settings: seen.append(settings)) as app:
        secret = '{"host":"db","port":3307,"username":"u","password":"p"}'
        client(app, "secretsmanager").create_secret(Name="mysql", SecretString=secret)
        dms = client(app, "dms")
        endpoint = dms.create_endpoint(
            EndpointIdentifier="s",
            EndpointType="source",
            EngineName="mariadb",
            MySQLSettings={"SecretsManagerSecretId": "mysql"},
        )["Endpoint"]["EndpointArn"]
        instance = create_instance(dms)
        dms.test_connection(ReplicationInstanceArn=instance, EndpointArn=endpoint)
    expected = {"engine": "mariadb", "host": "db", "port": 3307, "user": "u", "password": "p"}
    assert seen == [expected]


def test_tags_are_added_listed_and_removed(dms):
    arn = create_instance(dms, Tags=[{"Key": "pipeline", "Value": "students"}])
    dms.add_tags_to_resource(ResourceArn=arn, Tags=[{"Key": "run_id", "Value": "7"}])
    dms.remove_tags_from_resource(ResourceArn=arn, TagKeys=["pipeline"])
    tags = dms.list_tags_for_resource(ResourceArn=arn)["TagList"]
    assert [(tag["Key"], tag["Value"]) for tag in tags] == [("run_id", "7")]


def test_pages_show_every_instance_once(dms):
    names = [f"ri-{number}" for number in range(45)]
    for name in names:
        dms.create_replication_instance(
            ReplicationInstanceIdentifier=name, ReplicationInstanceClass="dms.t3.medium"
        )
    pages = list(
        dms.get_paginator("describe_replication_instances").paginate(
            PaginationConfig={"PageSize": 20}
        )
    )
    shown = [
        i["ReplicationInstanceIdentifier"] for page in pages for i in page["ReplicationInstances"]
    ]
    assert [len(page["ReplicationInstances"]) for page in pages] == [20, 20, 5]
    assert shown == names


def test_one_describe_shows_many_tasks_by_their_arns(dms, objects):
    arns = [objects.create_task(f"load-{number}") for number in range(45)]
    wanted = arns[:25]
    filters = [{"Name": "replication-task-arn", "Values": wanted}]
    pages = list(
        dms.get_paginator("describe_replication_tasks").paginate(
            Filters=filters, WithoutSettings=True, PaginationConfig={"PageSize": 20}
        )
    )
    shown = [task["ReplicationTaskArn"] for page in pages for task in page["ReplicationTasks"]]
    assert [len(page["ReplicationTasks"]) for page in pages] == [20, 5]
    assert shown == wanted


def test_filter_with_several_arns_is_a_fault_only_when_none_is_left(dms, objects):
    arns = [objects.create_task(name) for name in ("one", "two")]
    filters = [{"Name": "replication-task-arn", "Values": [*arns, "arn:aws:dms:gone"]}]

    def shown() -> list[str]:
        tasks = dms.describe_replication_tasks(Filters=filters)["ReplicationTasks"]
        return [task["ReplicationTaskIdentifier"] for task in tasks]

    assert shown() == ["one", "two"]
    dms.delete_replication_task(ReplicationTaskArn=arns[0])
    wait(dms, "replication_task_deleted", "replication-task-arn", arns[0])
    assert shown() == ["two"]
    dms.delete_replication_task(ReplicationTaskArn=arns[1])
    wait(dms, "replication_task_deleted", "replication-task-arn", arns[1])
    with pytest.raises(ClientError, match="ResourceNotFoundFault"):
        shown()


def test_regions_do_not_see_each_other(tmp_path):
    with local_aws(tmp_path) as app:
        create_instance(client(app, "dms", "eu-central-1"))
        assert client(app, "dms").describe_replication_instances()["ReplicationInstances"] == []


def test_unknown_filter_and_page_size_are_refused(dms):
    filters = [{"Name": "colour", "Values": ["red"]}]
    invalid = "InvalidParameterValueException"
    assert refusal(dms.describe_endpoints, Filters=filters)[0] == invalid
    assert refusal(dms.describe_endpoints, MaxRecords=19)[0] == invalid
    assert refusal(dms.describe_endpoints, Marker="%%%")[0] == invalid


def test_settings_are_echoed_complete(dms, objects):
    sent = '{"FullLoadSettings":{"MaxFullLoadSubTasks":2}}'
    settings = objects.task(objects.create_task(ReplicationTaskSettings=sent))
    assert '"MaxFullLoadSubTasks": 2' in settings["ReplicationTaskSettings"]
    assert '"LobMaxSize": 32' in settings["ReplicationTaskSettings"]
    brief = dms.describe_replication_tasks(WithoutSettings=True)["ReplicationTasks"][0]
    assert not {"ReplicationTaskSettings", "TableMappings"} & set(brief)


def test_resource_identifier_ends_the_arn_and_is_taken_once(dms):
    arn = create_instance(dms, "one", ResourceIdentifier="Nightly-1")
    assert arn.endswith(":rep:Nightly-1")
    with pytest.raises(ClientError, match="ResourceAlreadyExistsFault"):
        create_instance(dms, "two", ResourceIdentifier="Nightly-1")
