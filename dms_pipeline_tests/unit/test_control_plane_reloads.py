"""ReloadTables reaches the engine, is shown at once, and is refused as on AWS."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dms_pipeline_tests.dms_objects import Objects, create_objects
from dms_pipeline_tests.fake_engine import FakeEngine, Script, table_row
from dms_pipeline_tests.wsgi_bridge import client, local_aws

STUDENTS = {"SchemaName": "studentdb", "TableName": "students"}
COURSES = {"SchemaName": "studentdb", "TableName": "courses"}
KIND = "full-load-and-cdc"


@pytest.fixture
def engine() -> FakeEngine:
    fake = FakeEngine()
    fake.script("load", Script(tables=rows(), runs_until_stopped=True))
    return fake


@pytest.fixture
def dms(tmp_path: Path, engine: FakeEngine) -> Iterator[Any]:
    with local_aws(tmp_path, engine) as app:
        yield client(app, "dms")


@pytest.fixture
def objects(dms: Any) -> Objects:
    return create_objects(dms)


@pytest.fixture
def running(objects: Objects) -> str:
    task = objects.create_task(kind=KIND)
    objects.start(task)
    objects.until(task, "running")
    return task


def rows(**members: Any) -> list[dict[str, Any]]:
    return [table_row("studentdb", "courses"), table_row("studentdb", "students", **members)]


def states(dms: Any, task: str) -> dict[str, str]:
    shown = dms.describe_table_statistics(ReplicationTaskArn=task)["TableStatistics"]
    return {row["TableName"]: row["TableState"] for row in shown}


def test_a_table_shows_that_it_is_reloaded_until_it_is(dms, engine, running):
    answer = dms.reload_tables(ReplicationTaskArn=running, TablesToReload=[STUDENTS])
    assert answer["ReplicationTaskArn"] == running
    handle = engine.handles["load"]
    assert handle.reloads == [STUDENTS]
    asked = {"courses": "Table completed", "students": "Table is being reloaded"}
    assert states(dms, running) == asked
    handle.send("tables", tables=rows())  # written before the engine read the request
    assert states(dms, running) == asked
    handle.send("tables", tables=rows(TableState="Table is being reloaded"))
    handle.send("reloading", tables=[STUDENTS])
    assert states(dms, running) == asked
    handle.send("tables", tables=rows(FullLoadReloaded=True))
    assert states(dms, running)["students"] == "Table completed"
    shown = dms.describe_table_statistics(ReplicationTaskArn=running)["TableStatistics"]
    assert [row["FullLoadReloaded"] for row in shown] == [False, True]


def test_an_event_tells_of_the_request(dms, running):
    dms.reload_tables(ReplicationTaskArn=running, TablesToReload=[STUDENTS, COURSES])
    events = dms.describe_events(SourceType="replication-task")["Events"]
    assert events[-1]["Message"] == "A reload of table details was requested."
    assert events[-1]["EventCategories"] == ["state change"]


def test_a_request_that_the_engine_never_took_is_part_of_the_resume(objects, dms, engine, running):
    dms.reload_tables(ReplicationTaskArn=running, TablesToReload=[STUDENTS])
    objects.dms.stop_replication_task(ReplicationTaskArn=running)
    objects.until(running, "stopped")
    objects.start(running, "resume-processing")
    told = {row["TableName"]: row["TableState"] for row in engine.specs[-1]["counters"]}
    assert told == {"courses": "Table completed", "students": "Table is being reloaded"}


@pytest.mark.parametrize(
    ("params", "code", "words"),
    [
        ({"TablesToReload": []}, "InvalidParameterValueException", "1 to 10"),
        ({"TablesToReload": [STUDENTS] * 11}, "InvalidParameterValueException", "1 to 10"),
        (
            {"TablesToReload": [STUDENTS, COURSES, STUDENTS]},
            "InvalidParameterValueException",
            "studentdb.students more than once",
        ),
        ({"ReloadOption": "all"}, "InvalidParameterValueException", "data-reload"),
        ({"ReloadOption": "validate-only"}, "InvalidParameterCombinationException", "validate"),
        ({"ReplicationTaskArn": "arn:gone"}, "ResourceNotFoundFault", ""),
        (
            {"TablesToReload": [{"SchemaName": "studentdb", "TableName": "gone"}]},
            "ResourceNotFoundFault",
            "studentdb.gone is not a table of task load",
        ),
    ],
)
def test_wrong_reloads_are_refused(dms, engine, running, params, code, words):
    given = {"ReplicationTaskArn": running, "TablesToReload": [STUDENTS], **params}
    with pytest.raises(ClientError, match=f"{code}.*{words}"):
        dms.reload_tables(**given)
    assert engine.handles["load"].reloads == []


def test_a_task_that_does_not_run_reloads_nothing(objects, dms):
    task = objects.create_task(kind=KIND)
    with pytest.raises(ClientError, match="InvalidResourceStateFault.*must be running"):
        dms.reload_tables(ReplicationTaskArn=task, TablesToReload=[STUDENTS])


def test_a_task_without_a_full_load_reloads_nothing(objects, dms):
    task = objects.create_task(kind="cdc")
    objects.start(task)
    objects.until(task, "running")
    with pytest.raises(ClientError, match="InvalidParameterCombination.*has no full load"):
        dms.reload_tables(ReplicationTaskArn=task, TablesToReload=[STUDENTS])
