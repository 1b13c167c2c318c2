"""Everything that AWS DMS can list is listed here, by botocore's paginators too."""

import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ListShape, ServiceModel, StructureShape

from dms_pipeline.local_dms.app import LocalAws
from dms_pipeline.local_dms.control_plane.empty_pages import EMPTY_PAGES
from dms_pipeline_tests.dms_objects import Objects, create_endpoint, create_instance, create_objects
from dms_pipeline_tests.fake_engine import FakeEngine, Script, table_row
from dms_pipeline_tests.wsgi_bridge import client, local_aws

MODEL = ServiceModel(Loader().load_service_model("dms", "service-2"))
PAGINATORS = sorted(Loader().load_service_model("dms", "paginators-1")["pagination"])
# What a page may hold at most, where AWS does not document 100.
LARGEST = {"DescribeTableStatistics": 500}
UNBOUNDED = set(EMPTY_PAGES)


@pytest.fixture
def engine() -> FakeEngine:
    tables = [table_row("studentdb", f"t{number}") for number in range(45)]
    return FakeEngine(Script(tables=tables))


@pytest.fixture
def app(tmp_path: Path, engine: FakeEngine) -> Iterator[LocalAws]:
    names = [f"db{number}" for number in range(45)]
    with local_aws(tmp_path, engine, schema_names=lambda kind, settings: names) as app:
        yield app


@pytest.fixture
def dms(app: LocalAws) -> Any:
    return client(app, "dms")


@pytest.fixture
def objects(dms: Any) -> Objects:
    return create_objects(dms)


def method(operation: str) -> str:
    """The name that boto3 gives to an operation."""
    return botocore.xform_name(operation)


def required(operation: str, known: dict[str, Any]) -> dict[str, Any]:
    shape = MODEL.operation_model(operation).input_shape
    names = shape.required_members if shape else []
    return {name: known.get(name, "SOURCE" if name == "Origin" else "x") for name in names}


def input_members(operation: str) -> set[str]:
    shape = MODEL.operation_model(operation).input_shape
    return set(shape.members) if shape else set()


def list_member(operation: str) -> str:
    shape = MODEL.operation_model(operation).output_shape
    assert isinstance(shape, StructureShape)
    (name,) = [n for n, member in shape.members.items() if isinstance(member, ListShape)]
    return name


@pytest.fixture
def known(objects: Objects) -> dict[str, Any]:
    """Members that a listing needs to be given, with objects behind them that fill its pages."""
    dms = objects.dms
    dms.refresh_schemas(EndpointArn=objects.source, ReplicationInstanceArn=objects.instance)
    task = objects.create_task()
    objects.start(task)
    objects.until(task, "stopped")
    return {
        "EndpointArn": objects.source,
        "ReplicationInstanceArn": objects.instance,
        "ReplicationTaskArn": task,
    }


def fill(objects: Objects) -> None:
    dms = objects.dms
    for number in range(25):
        name = f"more-{number}"
        arn = create_instance(dms, name)
        create_endpoint(dms, "source", EndpointIdentifier=name)
        dms.test_connection(ReplicationInstanceArn=arn, EndpointArn=objects.source)
        task = objects.create_task(name)
        objects.start(task)
        objects.until(task, "stopped")
        dms.start_replication_task_assessment(ReplicationTaskArn=task)
        objects.until(task, "stopped")
        dms.create_event_subscription(
            SubscriptionName=name, SnsTopicArn="arn:aws:sns:us-east-1:123456789012:t"
        )
        dms.create_replication_subnet_group(
            ReplicationSubnetGroupIdentifier=name,
            ReplicationSubnetGroupDescription="",
            SubnetIds=["subnet-1"],
        )


def test_everything_that_describes_or_lists_is_emulated(app):
    reading = {n for n in MODEL.operation_names if n.startswith(("Describe", "List"))}
    assert reading <= set(app.dms.operation_names)


def test_table_of_empty_pages_names_the_lists_of_the_service_model():
    for operation, empty in EMPTY_PAGES.items():
        model = MODEL.operation_model(operation)
        assert empty.member == list_member(operation), operation
        modelled = {shape.name for shape in model.error_shapes}
        has_filters = "Filters" in input_members(operation)
        assert empty.must_match == (has_filters and "ResourceNotFoundFault" in modelled), operation


@pytest.mark.parametrize("operation", sorted(EMPTY_PAGES))
def test_empty_page_has_its_list_and_no_marker(dms, operation):
    answer = getattr(dms, method(operation))(**required(operation, {}))
    answer.pop("ResponseMetadata")
    assert answer == {list_member(operation): []}


@pytest.mark.parametrize("operation", sorted(EMPTY_PAGES))
def test_filters_and_markers_of_empty_pages_are_not_passed_over(dms, operation):
    call, given = getattr(dms, method(operation)), required(operation, {})
    if EMPTY_PAGES[operation].must_match:
        with pytest.raises(ClientError, match="ResourceNotFoundFault"):
            call(**given, Filters=[{"Name": "x", "Values": ["y"]}])
    token = "NextToken" if "NextToken" in input_members(operation) else "Marker"
    with pytest.raises(ClientError, match="InvalidParameterValueException"):
        call(**given, **{token: "%"})
    with pytest.raises(ClientError, match="MaxRecords must be between 1 and 100"):
        call(**given, MaxRecords=101)


@pytest.mark.parametrize("operation", ["DescribeConversionConfiguration", "DescribeMetadataModel"])
def test_what_belongs_to_a_project_is_not_found(dms, operation):
    with pytest.raises(ClientError, match="ResourceNotFoundFault.*Migration project x not found"):
        getattr(dms, method(operation))(**required(operation, {}))


def test_every_paginator_shows_each_thing_once_in_pages_of_twenty(dms, objects, known):
    fill(objects)
    several = set()
    for operation in PAGINATORS:
        given = required(operation, known)
        pages = dms.get_paginator(method(operation)).paginate(
            PaginationConfig={"PageSize": 20}, **given
        )
        found = [page[list_member(operation)] for page in pages]
        assert {len(rows) for rows in found[:-1]} <= {20}, operation
        rows = [repr(row) for page in found for row in page]
        assert len(set(rows)) == len(rows), operation
        if len(found) > 1:
            several.add(operation)
    one_page = UNBOUNDED | {"DescribeEndpointTypes"}
    assert several == set(PAGINATORS) - one_page


@pytest.mark.parametrize("operation", sorted(set(PAGINATORS) - UNBOUNDED))
def test_page_sizes_and_markers_are_checked_as_by_aws(dms, known, operation):
    call, given = getattr(dms, method(operation)), required(operation, known)
    largest = LARGEST.get(operation, 100)
    for size in (20, largest):
        call(**given, MaxRecords=size)
    for size in (-1, 0, 19, largest + 1):
        with pytest.raises(ClientError, match=f"MaxRecords must be between 20 and {largest}"):
            call(**given, MaxRecords=size)
    for marker in ("%%%", "a", string.printable):
        with pytest.raises(ClientError, match="The marker is not one"):
            call(**given, Marker=marker)


def test_waiters_for_what_is_emulated_all_end_well(dms, objects):
    waiters = botocore.session.get_session().get_waiter_model("dms")
    # The others wait for requests of migration projects, of which there are none.
    names = [n for n in waiters.waiter_names if waiters.get_waiter(n).operation not in EMPTY_PAGES]
    assert len(names) == 8
    task = objects.create_task()

    def wait(name: str, filter_name: str, value: str) -> None:
        names.remove(name)
        dms.get_waiter(method(name)).wait(
            Filters=[{"Name": filter_name, "Values": [value]}],
            WaiterConfig={"Delay": 0, "MaxAttempts": 50},
        )

    wait("ReplicationInstanceAvailable", "replication-instance-arn", objects.instance)
    wait("TestConnectionSucceeds", "endpoint-arn", objects.source)
    wait("ReplicationTaskReady", "replication-task-arn", task)
    objects.start(task)
    wait("ReplicationTaskRunning", "replication-task-arn", task)
    wait("ReplicationTaskStopped", "replication-task-arn", task)
    dms.delete_replication_task(ReplicationTaskArn=task)
    wait("ReplicationTaskDeleted", "replication-task-arn", task)
    dms.delete_endpoint(EndpointArn=objects.source)
    wait("EndpointDeleted", "endpoint-arn", objects.source)
    dms.delete_replication_instance(ReplicationInstanceArn=objects.instance)
    wait("ReplicationInstanceDeleted", "replication-instance-arn", objects.instance)
    assert names == []
