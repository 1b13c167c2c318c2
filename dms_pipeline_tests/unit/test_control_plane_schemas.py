"""Schemas are asked in the background; the logs of tasks are listed with their sizes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dms_pipeline.errors import SourceError
from dms_pipeline_tests.dms_objects import Objects, create_endpoint, create_objects, wait
from dms_pipeline_tests.fake_engine import FakeEngine, SteppingClock
from dms_pipeline_tests.wsgi_bridge import client, local_aws


@dataclass
class Databases:
    """What the endpoints' databases have, by kind; a message instead of names is an error."""

    names: dict[str, list[str] | str] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, kind: str, settings: dict[str, Any]) -> list[str]:
        self.asked.append(settings)
        names = self.names.get(kind, [])
        if isinstance(names, str):
            raise SourceError(names)
        return names


@pytest.fixture
def databases() -> Databases:
    return Databases()


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def dms(tmp_path: Path, databases: Databases, engine: FakeEngine) -> Iterator[Any]:
    with local_aws(tmp_path, engine, schema_names=databases) as app:
        yield client(app, "dms")


@pytest.fixture
def objects(dms: Any) -> Objects:
    return create_objects(dms)


def refresh(objects: Objects) -> dict[str, Any]:
    answer = objects.dms.refresh_schemas(
        EndpointArn=objects.source, ReplicationInstanceArn=objects.instance
    )
    status: dict[str, Any] = answer["RefreshSchemasStatus"]
    return status


def status(objects: Objects) -> dict[str, Any]:
    answer = objects.dms.describe_refresh_schemas_status(EndpointArn=objects.source)
    found: dict[str, Any] = answer["RefreshSchemasStatus"]
    return found


def schemas(objects: Objects, **params: Any) -> list[str]:
    found: list[str] = objects.dms.describe_schemas(EndpointArn=objects.source, **params)["Schemas"]
    return found


def test_refresh_shows_refreshing_and_then_what_the_database_has(objects, databases):
    databases.names["source"] = ["shop", "Archive"]
    assert refresh(objects)["Status"] == "refreshing"
    assert [status(objects)["Status"] for _ in range(2)] == ["refreshing", "successful"]
    assert "LastRefreshDate" in status(objects)
    assert schemas(objects) == ["Archive", "shop"]
    (settings,) = databases.asked
    assert (settings["user"], settings["password"]) == ("reader", "pw-of-source")


def test_failed_refresh_says_why_and_keeps_the_former_names(objects, databases):
    databases.names["source"] = ["shop"]
    refresh(objects)
    for _ in range(2):
        status(objects)
    databases.names["source"] = "the source is away"
    refresh(objects)
    status(objects)
    after = status(objects)
    assert (after["Status"], after["LastFailureMessage"]) == ("failed", "the source is away")
    assert schemas(objects) == ["shop"]


def test_second_refresh_waits_for_the_first(objects):
    refresh(objects)
    with pytest.raises(ClientError, match="InvalidResourceStateFault.*already being refreshed"):
        refresh(objects)


def test_schemas_come_in_pages(objects, dms, databases):
    names = [f"db_{number:02d}" for number in range(45)]
    databases.names["source"] = names
    refresh(objects)
    pages = dms.get_paginator("describe_schemas").paginate(
        EndpointArn=objects.source, PaginationConfig={"PageSize": 20}
    )
    found = [page["Schemas"] for page in pages]
    assert [len(names) for names in found] == [20, 20, 5]
    assert [name for names in found for name in names] == names


def test_endpoint_that_was_never_asked_has_no_status_and_no_schemas(objects, dms):
    with pytest.raises(ClientError, match="ResourceNotFoundFault.*never refreshed"):
        status(objects)
    assert schemas(objects) == []
    for call in (dms.describe_schemas, dms.describe_refresh_schemas_status):
        with pytest.raises(ClientError, match="ResourceNotFoundFault"):
            call(EndpointArn="arn:gone")


def test_schemas_go_with_their_endpoint(objects, dms):
    refresh(objects)
    dms.delete_endpoint(EndpointArn=objects.source)
    with pytest.raises(ClientError, match="InvalidResourceStateFault"):
        refresh(objects)
    wait(dms, "endpoint_deleted", "endpoint-arn", objects.source)
    again = create_endpoint(dms, "source", ResourceIdentifier="again")
    assert dms.describe_schemas(EndpointArn=again)["Schemas"] == []


def test_refresh_from_an_instance_that_is_not_available_is_refused(objects, dms):
    dms.reboot_replication_instance(ReplicationInstanceArn=objects.instance)
    with pytest.raises(ClientError, match="must be available to refresh schemas"):
        refresh(objects)


def test_answer_after_a_restart_in_between_is_a_failure(tmp_path):
    clock, later = SteppingClock(), list[Callable[[], None]]()
    with local_aws(tmp_path, clock=clock) as app:
        objects = create_objects(client(app, "dms"))
    # no close: a killed process leaves its file as it is
    killed = local_aws(tmp_path, clock=clock, background=later.append)
    asking = replace(objects, dms=client(killed, "dms"))
    refresh(asking)
    assert [status(asking)["Status"] for _ in range(3)] == ["refreshing"] * 3
    with local_aws(tmp_path, clock=clock) as after:
        again = replace(objects, dms=client(after, "dms"))
        status(again)
        shown = status(again)
    assert shown["Status"] == "failed"
    assert "ended meanwhile" in shown["LastFailureMessage"]


def test_logs_of_an_instance_are_shown_with_their_sizes(objects, dms, tmp_path):
    ran, _ = objects.create_task("ran"), objects.create_task("new")
    (tmp_path / "logs").mkdir(exist_ok=True)
    (tmp_path / "logs" / "ran.log").write_text("12345")
    answer = dms.describe_replication_instance_task_logs(ReplicationInstanceArn=objects.instance)
    assert answer["ReplicationInstanceTaskLogs"] == [
        {
            "ReplicationTaskName": "ran",
            "ReplicationTaskArn": ran,
            "ReplicationInstanceTaskLogSize": 5,
        }
    ]
    with pytest.raises(ClientError, match="ResourceNotFoundFault"):
        dms.describe_replication_instance_task_logs(ReplicationInstanceArn="arn:gone")
