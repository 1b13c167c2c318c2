"""Events tell what happened to instances and tasks, survive a restart and are found again."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dms_pipeline.local_dms.control_plane.event_log import KEPT_S, MOST_EVENTS, EventLog
from dms_pipeline.local_dms.control_plane.events import Event
from dms_pipeline_tests.dms_objects import Objects, create_instance, create_objects, wait
from dms_pipeline_tests.fake_engine import FakeEngine, Script, SteppingClock
from dms_pipeline_tests.wsgi_bridge import client, local_aws

EVENT = Event(
    number=1,
    date=0.0,
    region="us-east-1",
    source_arn="arn",
    source_identifier="ri",
    source_type="replication-instance",
    instance_arn="arn",
    message="",
    category=None,
)


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


def events(dms: Any, **params: Any) -> list[tuple[str, str]]:
    shown = dms.describe_events(**params)["Events"]
    return [(event["SourceIdentifier"], event["Message"]) for event in shown]


def messages(dms: Any, **params: Any) -> list[str]:
    return [message for _, message in events(dms, **params)]


INSTANCE_LIFE = [
    "A replication instance is being created.",
    "A replication instance is created.",
    "The replication instance is being deleted.",
    "The replication instance is deleted.",
]


def test_life_of_an_instance_is_told_in_aws_words_and_order(dms):
    arn = create_instance(dms)
    dms.delete_replication_instance(ReplicationInstanceArn=arn)
    wait(dms, "replication_instance_deleted", "replication-instance-arn", arn)
    assert messages(dms) == INSTANCE_LIFE
    shown = dms.describe_events()["Events"]
    assert [event["EventCategories"] for event in shown] == [["creation"]] * 2 + [["deletion"]] * 2
    assert {event["SourceType"] for event in shown} == {"replication-instance"}


def test_life_of_a_task_is_told_with_why_it_stopped(dms, objects):
    arn = objects.create_task()
    dms.modify_replication_task(ReplicationTaskArn=arn, TaskData="{}")
    objects.until(arn, "ready")
    objects.start(arn)
    objects.until(arn, "stopped")
    dms.delete_replication_task(ReplicationTaskArn=arn)
    wait(dms, "replication_task_deleted", "replication-task-arn", arn)
    assert messages(dms, SourceType="replication-task") == [
        "The replication task is created.",
        "The replication task is modified.",
        "The replication task has started.",
        "The replication task has stopped. Stop Reason STOPPED_AT_SERVER_TIME",
        "The replication task is deleted.",
    ]


def test_failed_task_is_told_with_its_failure(dms, objects, engine):
    engine.script("load", Script(fail_with="the binlog is gone"))
    arn = objects.create_task()
    objects.start(arn)
    objects.until(arn, "failed")
    (event,) = dms.describe_events(EventCategories=["failure"])["Events"]
    assert event["Message"] == (
        "The replication task has failed. Last Error  the binlog is gone "
        "Stop Reason FATAL_ERROR Error Level FATAL"
    )
    assert event["EventCategories"] == ["failure"]


def test_modified_task_that_had_stopped_is_not_told_to_stop_again(dms, objects):
    arn = objects.create_task()
    objects.start(arn)
    objects.until(arn, "stopped")
    dms.modify_replication_task(ReplicationTaskArn=arn, TaskData="{}")
    objects.until(arn, "stopped")
    assert messages(dms)[-1] == "The replication task is modified."


def test_a_poller_of_events_alone_sees_a_task_to_its_end(dms, objects):
    arn = objects.create_task()
    objects.start(arn)
    for _ in range(6):
        dms.describe_events()
    dms.describe_replication_tasks()
    assert "has stopped" in messages(dms)[-1]


def test_events_are_chosen_by_source_category_instance_and_region(dms, tmp_path):
    first, second = create_instance(dms, "one"), create_instance(dms, "two")
    objects = replace(create_objects(dms), instance=second)
    objects.create_task("load")
    assert {name for name, _ in events(dms, SourceIdentifier="two")} == {"two"}
    assert len(events(dms, SourceType="replication-task")) == 1
    assert len(messages(dms, SourceIdentifier="one", EventCategories=["creation", "x"])) == 2
    of_two = [{"Name": "replication-instance-id", "Values": ["two"]}]
    assert {name for name, _ in events(dms, Filters=of_two)} == {"two", "load"}
    nobody = [{"Name": "replication-instance-id", "Values": ["nobody"]}]
    assert events(dms, Filters=nobody) == []
    assert first != second


def test_events_of_another_region_are_not_shown(tmp_path):
    with local_aws(tmp_path) as app:
        create_instance(client(app, "dms", "eu-central-1"))
        assert events(client(app, "dms")) == []


def test_events_are_chosen_by_time(tmp_path):
    clock = SteppingClock(step_s=60.0, start=1_000_000_000.0)
    with local_aws(tmp_path, clock=clock) as app:
        dms = client(app, "dms")
        create_instance(dms)
        dates = [event["Date"] for event in dms.describe_events()["Events"]]
        first, second = dates
        assert first < second
        created = "A replication instance is created."
        assert messages(dms, StartTime=second) == [created]
        assert messages(dms, EndTime=first) == INSTANCE_LIFE[:1]
        between = (second - first) // timedelta(minutes=1)
        assert messages(dms, StartTime=first, Duration=between - 1) == INSTANCE_LIFE[:1]
        assert messages(dms, EndTime=second, Duration=between - 1) == [created]
        clock.now += 24 * 3600
        assert messages(dms, Duration=60) == []
        assert messages(dms, Duration=2 * 24 * 60) == INSTANCE_LIFE[:2]


@pytest.mark.parametrize(
    "params",
    [
        {"Duration": 0},
        {"SourceType": "endpoint"},
        {"StartTime": 20, "EndTime": 10},
        {"Filters": [{"Name": "source", "Values": ["x"]}]},
        {"MaxRecords": 10},
    ],
)
def test_wrong_questions_are_refused(dms, params):
    with pytest.raises(ClientError, match="InvalidParameterValueException"):
        dms.describe_events(**params)


def test_pages_of_events_show_each_once(dms):
    for number in range(15):
        create_instance(dms, f"ri-{number}")
    pages = list(dms.get_paginator("describe_events").paginate(PaginationConfig={"PageSize": 20}))
    told = [(e["SourceIdentifier"], e["Message"]) for page in pages for e in page["Events"]]
    assert [len(page["Events"]) for page in pages] == [20, 10]
    assert len(set(told)) == 30


def test_events_survive_a_killed_process_and_none_is_told_twice(tmp_path):
    # no close: a killed process leaves its file as it is
    before = client(local_aws(tmp_path), "dms")
    create_instance(before)
    before.create_replication_instance(
        ReplicationInstanceIdentifier="late", ReplicationInstanceClass="dms.t3.medium"
    )
    with local_aws(tmp_path) as app:
        dms = client(app, "dms")
        assert messages(dms, SourceIdentifier="ri") == INSTANCE_LIFE[:2]
        assert messages(dms, SourceIdentifier="late") == INSTANCE_LIFE[:2]
        numbers = [event.number for event in app.dms.registry.events.all("us-east-1")]
        assert numbers == [1, 2, 3, 4]


def test_task_that_ran_when_the_process_died_is_told_to_have_started_and_failed(tmp_path):
    app = local_aws(tmp_path, FakeEngine(Script(runs_until_stopped=True)))
    objects = create_objects(client(app, "dms"))
    objects.start(objects.create_task())
    with local_aws(tmp_path) as after:
        dms = client(after, "dms")
        dms.describe_replication_tasks()
        created, started, failed = messages(dms, SourceType="replication-task")
    assert "created" in created
    assert "started" in started
    assert "The local DMS ended while the task was running" in failed


def test_log_keeps_the_latest_events_of_two_weeks():
    log = EventLog([], time.time)
    many = [replace(EVENT, number=n + 1, date=float(n)) for n in range(MOST_EVENTS + 5)]
    log.append(many)
    assert log.oldest == 6
    log.append([replace(EVENT, number=MOST_EVENTS + 6, date=MOST_EVENTS + KEPT_S)])
    assert log.oldest == MOST_EVENTS + 1


def test_dropped_events_leave_the_file_too(tmp_path):
    clock = SteppingClock(start=1_000_000.0)
    with local_aws(tmp_path, clock=clock) as app:
        create_instance(client(app, "dms"), "old")
        clock.now += KEPT_S + 100
        dms = client(app, "dms")
        create_instance(dms, "new")
        create_instance(dms, "newer")
        assert {name for name, _ in events(dms)} == {"new", "newer"}
    with local_aws(tmp_path, clock=clock) as app:
        assert app.dms.registry.events.oldest == 3


def test_categories_are_those_of_aws_by_source_type(dms):
    groups = dms.describe_event_categories()["EventCategoryGroupList"]
    assert [group["SourceType"] for group in groups] == ["replication-instance", "replication-task"]
    (group,) = dms.describe_event_categories(SourceType="replication-task")[
        "EventCategoryGroupList"
    ]
    assert "state change" in group["EventCategories"]
    with pytest.raises(ClientError, match="SourceType must be one of"):
        dms.describe_event_categories(SourceType="endpoint")
