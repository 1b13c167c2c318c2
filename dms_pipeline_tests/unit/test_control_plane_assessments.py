"""Assessments have AWS's states, guards and shapes, and never claim to have examined anything."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dms_pipeline_tests.dms_objects import Objects, create_objects, wait
from dms_pipeline_tests.fake_engine import FakeEngine, Script
from dms_pipeline_tests.wsgi_bridge import client, local_aws

FULL_LOAD = [
    "full-lob-not-nullable-at-target",
    "table-with-lob-but-without-primary-key-or-unique-constraint",
    "unsupported-data-types-in-source",
]


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


@pytest.fixture
def task(objects: Objects) -> str:
    return objects.create_task(kind="full-load")


def stopped(objects: Objects, arn: str) -> str:
    objects.start(arn)
    objects.until(arn, "stopped")
    return arn


def start_run(dms: Any, task: str, name: str = "first", **params: Any) -> dict[str, Any]:
    answer = dms.start_replication_task_assessment_run(
        ReplicationTaskArn=task,
        AssessmentRunName=name,
        ServiceAccessRoleArn="arn:aws:iam::123456789012:role/dms",
        ResultLocationBucket="results",
        **params,
    )
    run: dict[str, Any] = answer["ReplicationTaskAssessmentRun"]
    return run


def runs(dms: Any, **params: Any) -> list[dict[str, Any]]:
    answer = dms.describe_replication_task_assessment_runs(**params)
    found: list[dict[str, Any]] = answer["ReplicationTaskAssessmentRuns"]
    return found


def individuals(dms: Any, **params: Any) -> list[tuple[str, str]]:
    answer = dms.describe_replication_task_individual_assessments(**params)
    return [
        (i["IndividualAssessmentName"], i["Status"])
        for i in answer["ReplicationTaskIndividualAssessments"]
    ]


def named(name: str, *values: str) -> list[dict[str, Any]]:
    return [{"Name": name, "Values": list(values)}]


def test_assessed_task_shows_testing_and_then_a_result_that_claims_nothing(dms, objects, task):
    stopped(objects, task)
    answer = dms.start_replication_task_assessment(ReplicationTaskArn=task)
    assert answer["ReplicationTask"]["Status"] == "testing"
    results = dms.describe_replication_task_assessment_results
    assert results()["ReplicationTaskAssessmentResults"] == []
    assert list(objects.statuses(task, "stopped")) == ["testing", "stopped"]
    (brief,) = results()["ReplicationTaskAssessmentResults"]
    assert brief["AssessmentStatus"] == "Not assessed"
    assert brief["AssessmentResultsFile"].startswith("load/")
    assert "AssessmentResults" not in brief
    (full,) = results(ReplicationTaskArn=task)["ReplicationTaskAssessmentResults"]
    assert "examines nothing" in json.loads(full["AssessmentResults"])["reason"]


def test_task_is_assessed_only_when_stopped_and_tested(dms, objects, task):
    start = dms.start_replication_task_assessment
    with pytest.raises(ClientError, match="InvalidResourceStateFault.*must be stopped"):
        start(ReplicationTaskArn=task)
    stopped(objects, task)
    dms.modify_endpoint(EndpointArn=objects.target, Port=5433)
    with pytest.raises(ClientError, match="should be successful for assessing"):
        start(ReplicationTaskArn=task)
    with pytest.raises(ClientError, match="ResourceNotFoundFault"):
        start(ReplicationTaskArn="arn:gone")


def test_run_goes_through_its_states_and_ends_with_everything_skipped(dms, objects, task):
    started = start_run(dms, task, ResultLocationFolder="here")
    assert started["Status"] == "starting"
    assert started["ResultLocationFolder"] == "here"
    assert objects.task(task)["Status"] == "testing"
    seen = [runs(dms)[0]["Status"] for _ in range(4)]
    assert seen == ["starting", "provisioning", "running", "warning"]
    (run,) = runs(dms)
    assert run["AssessmentProgress"] == {
        "IndividualAssessmentCount": 3,
        "IndividualAssessmentCompletedCount": 3,
    }
    assert run["ResultStatistic"]["Skipped"] == 3
    assert run["ResultStatistic"]["Passed"] == 0
    assert individuals(dms) == [(name, "skipped") for name in FULL_LOAD]
    assert objects.until(task, "ready")


def test_individual_assessments_follow_their_run(dms, task):
    start_run(dms, task)
    seen = [{status for _, status in individuals(dms)} for _ in range(4)]
    assert seen == [{"pending"}, {"pending"}, {"running"}, {"skipped"}]


def test_cancelled_run_lets_its_task_go(dms, objects, task):
    arn = start_run(dms, task)["ReplicationTaskAssessmentRunArn"]
    cancel = dms.cancel_replication_task_assessment_run
    run = cancel(ReplicationTaskAssessmentRunArn=arn)["ReplicationTaskAssessmentRun"]
    assert run["Status"] == "cancelling"
    assert {status for _, status in individuals(dms)} == {"cancelled"}
    assert objects.task(task)["Status"] == "ready"
    with pytest.raises(ClientError, match="cannot be cancelled, it is cancelling"):
        cancel(ReplicationTaskAssessmentRunArn=arn)


def test_run_is_deleted_when_it_is_over(dms, task):
    arn = start_run(dms, task)["ReplicationTaskAssessmentRunArn"]
    delete = dms.delete_replication_task_assessment_run
    with pytest.raises(ClientError, match="InvalidResourceStateFault"):
        delete(ReplicationTaskAssessmentRunArn=arn)
    for _ in range(4):
        runs(dms)
    run = delete(ReplicationTaskAssessmentRunArn=arn)["ReplicationTaskAssessmentRun"]
    assert run["Status"] == "deleting"
    assert len(runs(dms)) == 1
    assert runs(dms) == []
    with pytest.raises(ClientError, match="ResourceNotFoundFault"):
        delete(ReplicationTaskAssessmentRunArn=arn)


def test_runs_are_filtered_and_the_latest_of_a_task_is_marked(dms, objects, task):
    other = objects.create_task("other")
    first = start_run(dms, task)["ReplicationTaskAssessmentRunArn"]
    objects.until(task, "ready")
    second = start_run(dms, task, "second")["ReplicationTaskAssessmentRunArn"]
    third = start_run(dms, other)["ReplicationTaskAssessmentRunArn"]
    by_arn = {run["ReplicationTaskAssessmentRunArn"]: run for run in runs(dms)}
    latest = {arn for arn, run in by_arn.items() if run["IsLatestTaskAssessmentRun"]}
    assert latest == {second, third}
    of_task = runs(dms, Filters=named("replication-task-arn", task))
    assert {run["ReplicationTaskAssessmentRunArn"] for run in of_task} == {first, second}
    assert len(runs(dms, Filters=named("replication-instance-arn", objects.instance))) == 3
    only = individuals(dms, Filters=named("replication-task-assessment-run-arn", third))
    assert len(only) == 5
    with pytest.raises(ClientError, match="ResourceNotFoundFault"):
        runs(dms, Filters=named("status", "passed"))


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"IncludeOnly": FULL_LOAD[:1]}, FULL_LOAD[:1]),
        ({"Exclude": FULL_LOAD[:1]}, FULL_LOAD[1:]),
    ],
)
def test_run_has_the_assessments_that_were_chosen(dms, task, params, expected):
    start_run(dms, task, **params)
    assert [name for name, _ in individuals(dms)] == expected


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (
            {"IncludeOnly": FULL_LOAD, "Exclude": FULL_LOAD},
            "InvalidParameterCombinationException",
        ),
        ({"Exclude": FULL_LOAD}, "InvalidParameterCombinationException"),
        (
            {"IncludeOnly": ["table-with-no-primary-key-or-unique-constraint"]},
            "InvalidParameterValueException",
        ),
        ({"ResultEncryptionMode": "ROT13"}, "InvalidParameterValueException"),
        ({"name": "taken"}, "ResourceAlreadyExistsFault"),
    ],
)
def test_wrong_run_is_refused_and_leaves_the_task_alone(dms, objects, task, params, code):
    start_run(dms, task, "taken")
    objects.until(task, "ready")
    with pytest.raises(ClientError, match=code):
        start_run(dms, task, **params)
    assert objects.task(task)["Status"] == "ready"
    assert len(runs(dms)) == 1


def test_running_task_is_not_assessed(dms, objects, task, engine):
    engine.script("load", Script(runs_until_stopped=True))
    objects.start(task)
    objects.until(task, "running")
    with pytest.raises(ClientError, match="cannot be assessed, it is running"):
        start_run(dms, task)


def test_runs_survive_a_restart_and_go_with_their_task(tmp_path):
    before = create_objects(client(local_aws(tmp_path), "dms"))
    task = before.create_task(kind="full-load")
    arn = start_run(before.dms, task, Tags=[{"Key": "k", "Value": "v"}])[
        "ReplicationTaskAssessmentRunArn"
    ]
    with local_aws(tmp_path) as app:
        objects = replace(before, dms=client(app, "dms"))
        assert [run["Status"] for run in runs(objects.dms)] == ["warning"]
        assert objects.dms.list_tags_for_resource(ResourceArn=arn)["TagList"][0]["Value"] == "v"
        objects.dms.delete_replication_task(ReplicationTaskArn=task)
        wait(objects.dms, "replication_task_deleted", "replication-task-arn", task)
        assert runs(objects.dms) == []


@pytest.mark.parametrize(
    ("kind", "count"), [("full-load", 3), ("full-load-and-cdc", 4), ("cdc", 5)]
)
def test_applicable_assessments_depend_on_the_migration_type(dms, objects, kind, count):
    applicable = dms.describe_applicable_individual_assessments
    modelled = {
        "ReplicationInstanceArn": objects.instance,
        "SourceEngineName": "mysql",
        "TargetEngineName": "postgres",
        "MigrationType": kind,
    }
    names = applicable(**modelled)["IndividualAssessmentNames"]
    assert len(names) == count
    of_task = applicable(ReplicationTaskArn=objects.create_task(kind=kind))
    assert of_task["IndividualAssessmentNames"] == names
    for missing in modelled:
        partial = {name: value for name, value in modelled.items() if name != missing}
        with pytest.raises(ClientError, match="InvalidParameterCombinationException"):
            applicable(**partial)
    with pytest.raises(ClientError, match="SourceEngineName must be one of"):
        applicable(**{**modelled, "SourceEngineName": "postgres"})
