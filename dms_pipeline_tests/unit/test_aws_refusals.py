"""What AWS refuses, and when that is no error: endpoints in use are provisioned at each start."""

from pathlib import Path

import pytest
from werkzeug.test import Client

from dms_pipeline.errors import AwsError
from dms_pipeline_tests.a_pipeline import World, a_world

_AS_IT_IS = {
    "EngineName": "mysql",
    "ServerName": "127.0.0.1",
    "Port": 1,
    "Username": "dms_user",
    "Password": "another",
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world whose endpoints are in use: AWS refuses to modify them."""
    world = a_world(tmp_path)
    busy = {
        "kind": "request-refused",
        "code": "InvalidResourceStateFault",
        "message": "part of one or more replication tasks",
        "operation": "ModifyEndpoint",
    }
    assert Client(world.app).put("/_faults", json=[busy]).status_code == 200
    return world


def test_endpoint_in_use_that_is_as_wanted_is_left_as_it_is(world):
    world.dms.put_endpoint("studentdb-source", kind="source", settings=_AS_IT_IS)


def test_endpoint_in_use_that_should_become_another_is_an_error(world):
    with pytest.raises(AwsError, match="part of one or more replication tasks"):
        world.dms.put_endpoint("studentdb-source", kind="source", settings={**_AS_IT_IS, "Port": 2})


def test_refusal_for_bad_credentials_says_to_renew_them(world):
    expired = {"kind": "request-refused", "code": "ExpiredTokenException"}
    assert Client(world.app).put("/_faults", json=[expired]).status_code == 200
    with pytest.raises(AwsError, match="Renew the AWS credentials"):
        world.dms.find_instance("any")
