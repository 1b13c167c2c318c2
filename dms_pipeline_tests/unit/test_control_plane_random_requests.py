"""Whatever is sent: JSON with status 200 or 400, and a DMS that works and restarts afterwards."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from dms_pipeline.local_dms.app import LocalAws
from dms_pipeline.local_dms.control_plane.empty_pages import EMPTY_PAGES
from dms_pipeline_tests.dms_objects import TABLE_MAPPINGS, Objects, create_objects
from dms_pipeline_tests.random_requests import MODEL, RandomRequests
from dms_pipeline_tests.wsgi_bridge import client, local_aws

CALLS = 400
# It has no required members, but some are needed.
NOT_ALONE = "DescribeApplicableIndividualAssessments"


def required_members(operation: str) -> list[str]:
    shape = MODEL.operation_model(operation).input_shape
    return list(shape.required_members) if shape else []


LISTINGS = [
    name
    for name in MODEL.operation_names
    if name.startswith("Describe")
    and name not in (*EMPTY_PAGES, NOT_ALONE)
    and not required_members(name)
]


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def send(app: LocalAws, operation: str, body: bytes) -> tuple[int, str, str]:
    reply = Client(app).post(
        "/",
        headers={
            "X-Amz-Target": f"AmazonDMSv20160101.{operation}",
            "Content-Type": "application/x-amz-json-1.1",
        },
        data=body,
    )
    return reply.status_code, reply.headers["Content-Type"], reply.get_data(as_text=True)


def check(app: LocalAws, operation: str, body: bytes) -> bool:
    """Whether the call was taken; fails when the answer is none that a client can read."""
    status, content_type, text = send(app, operation, body)
    about = f"{operation} {body[:2000]!r}: {status} {text[:300]}"
    assert status in (200, 400), about
    assert content_type == "application/x-amz-json-1.1", about
    answer = strict(text)
    assert isinstance(answer, dict), about
    if status == 400:
        assert isinstance(answer["__type"], str), about
        assert answer["__type"], about
        assert isinstance(answer["message"], str), about
        assert "Traceback" not in text, about
    return status == 200


def known(objects: Objects) -> dict[str, list[str]]:
    task, other = objects.create_task(), objects.create_task("other", "full-load")
    dms = objects.dms
    config = dms.create_replication_config(
        ReplicationConfigIdentifier="config",
        SourceEndpointArn=objects.source,
        TargetEndpointArn=objects.target,
        ReplicationType="cdc",
        TableMappings=TABLE_MAPPINGS,
        ComputeConfig={"MaxCapacityUnits": 4},
    )["ReplicationConfig"]["ReplicationConfigArn"]
    new_names = [f"new-{number}" for number in range(500)]
    created = (name for name in MODEL.operation_names if name.startswith("Create"))
    identifiers = {
        member
        for name in created
        for member in required_members(name)
        if member.endswith(("Identifier", "Name")) and member != "EngineName"
    }
    return {
        **dict.fromkeys(sorted(identifiers), new_names),
        "ReplicationInstanceArn": [objects.instance],
        "EndpointArn": [objects.source, objects.target],
        "SourceEndpointArn": [objects.source],
        "TargetEndpointArn": [objects.target],
        "ReplicationTaskArn": [task, other],
        "ReplicationConfigArn": [config],
        "ResourceArn": [objects.instance, task],
        "TableMappings": [TABLE_MAPPINGS],
        "StartReplicationTaskType": ["start-replication", "reload-target", "resume-processing"],
        "SourceIdentifier": ["ri", "load"],
        "AssessmentRunName": new_names,
        "EngineName": ["mysql", "postgres"],
    }


@pytest.mark.parametrize("rounds", [10, pytest.param(80, marks=pytest.mark.soak)])
def test_random_requests_are_answered_and_leave_nothing_broken(tmp_path: Path, rounds: int):
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    taken: set[str] = set()
    # Each round begins with objects that the requests of the one before may have deleted.
    for number in range(rounds):
        home = tmp_path / str(number)
        with local_aws(home) as app:
            requests = RandomRequests(seed + number, known(create_objects(client(app, "dms"))))
            for operation, body in requests.calls(CALLS):
                if check(app, operation, body):
                    taken.add(operation)
            for operation in LISTINGS:
                assert check(app, operation, b"{}"), operation
        with local_aws(home) as app:
            for operation in LISTINGS:
                assert check(app, operation, b"{}"), operation
    # Requests that are all refused at the door would show nothing.
    assert len(taken) > 50, sorted(taken)
