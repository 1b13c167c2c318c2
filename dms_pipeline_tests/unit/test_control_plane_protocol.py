import json
from collections.abc import Callable
from typing import Any

import pytest

from dms_pipeline.local_dms.control_plane.protocol import Protocol
from dms_pipeline.local_dms.control_plane.wire import region_of


def answer(
    protocol: Protocol, body: bytes, operation: str = "DescribeReplicationInstances"
) -> tuple[int, Any]:
    status, text = protocol.answer(f"AmazonDMSv20160101.{operation}", body, "us-east-1")
    return status, json.loads(text)


def protocol(result: Callable[[Any], dict[str, Any]]) -> Protocol:
    return Protocol({"DescribeReplicationInstances": lambda request: result(request.params)})


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "SerializationException"),
        (b"[]", "SerializationException"),
        (b'{"MaxRecords":"20"}', "SerializationException"),
        (b'{"MaxRecords":true}', "SerializationException"),
        (b'{"MaxRecords":NaN}', "SerializationException"),
        (b'{"MaxRecords":1e999}', "SerializationException"),
        (b'{"MaxRecords":2147483648}', "SerializationException"),
        (b'{"Marker":"\\ud800"}', "SerializationException"),
        pytest.param(b'{"a":' * 100_000, "SerializationException", id="deep"),
        (b'{"Filters":[{"Name":"x"}]}', "InvalidParameterValueException"),
    ],
)
def test_wrong_input_is_a_json_fault(body, code):
    status, fault = answer(protocol(lambda params: {}), body)
    assert (status, fault["__type"]) == (400, code)


def test_unknown_members_are_left_out_of_the_input():
    seen = []

    def note(params):
        seen.append(params)
        return {}

    answer(protocol(note), b'{"MaxRecords":20,"New":1}')
    assert seen == [{"MaxRecords": 20}]


@pytest.mark.parametrize("operation", ["DescribeEvents", "NoSuchThing"])
def test_operation_that_is_not_emulated_says_so(operation):
    status, fault = answer(protocol(lambda params: {}), b"{}", operation)
    assert (status, fault["__type"]) == (400, "UnknownOperationException")
    assert fault["message"] == f"The local DMS does not emulate {operation}"


def test_output_member_outside_the_model_is_an_error_of_ours():
    status, fault = answer(protocol(lambda params: {"Secret": 1}), b"{}")
    assert (status, fault["__type"]) == (500, "InternalFailure")


def test_times_are_epoch_floats_and_absent_members_are_left_out():
    result = {"ReplicationInstances": [{"InstanceCreateTime": 1700000000, "KmsKeyId": None}]}
    status, shaped = answer(protocol(lambda params: {**result, "Marker": None}), b"{}")
    assert status == 200
    assert shaped == {"ReplicationInstances": [{"InstanceCreateTime": 1700000000.0}]}
    assert isinstance(shaped["ReplicationInstances"][0]["InstanceCreateTime"], float)


@pytest.mark.parametrize(
    ("header", "region"),
    [
        ("AWS4-HMAC-SHA256 Credential=k/20260101/eu-west-1/dms/aws4_request, Sig", "eu-west-1"),
        ("", "us-east-1"),
        ("Basic x", "us-east-1"),
    ],
)
def test_region_comes_from_the_credential_scope(header, region):
    assert region_of({"HTTP_AUTHORIZATION": header}) == region


@pytest.mark.parametrize("moment", [1e18, -1e18, 253_402_300_800])
def test_times_that_no_calendar_has_are_refused(moment):
    accepting = Protocol({"DescribeEvents": lambda request: {}})
    body = json.dumps({"StartTime": moment}).encode()
    status, fault = answer(accepting, body, "DescribeEvents")
    assert (status, fault["__type"]) == (400, "SerializationException")
