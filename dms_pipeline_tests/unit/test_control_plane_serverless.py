"""Configurations of DMS Serverless are durable objects; their replications are never started."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dms_pipeline_tests.dms_objects import TABLE_MAPPINGS, Objects, create_objects
from dms_pipeline_tests.fake_engine import CHECKPOINT
from dms_pipeline_tests.wsgi_bridge import client, local_aws


@pytest.fixture
def dms(tmp_path: Path) -> Iterator[Any]:
    with local_aws(tmp_path) as app:
        yield client(app, "dms")


@pytest.fixture
def objects(dms: Any) -> Objects:
    return create_objects(dms)


def create(objects: Objects, name: str = "serverless", **params: Any) -> str:
    given = {
        "ReplicationConfigIdentifier": name,
        "SourceEndpointArn": objects.source,
        "TargetEndpointArn": objects.target,
        "ReplicationType": "cdc",
        "TableMappings": TABLE_MAPPINGS,
        "ComputeConfig": {"MaxCapacityUnits": 4},
        **params,
    }
    config = objects.dms.create_replication_config(**given)["ReplicationConfig"]
    arn: str = config["ReplicationConfigArn"]
    return arn


@pytest.fixture
def config(objects: Objects) -> str:
    return create(objects)


def configs(dms: Any, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dms.describe_replication_configs(**params)["ReplicationConfigs"]
    return found


def test_config_is_shown_complete_and_its_replication_as_created(dms, objects):
    sent = '{"FullLoadSettings":{"MaxFullLoadSubTasks":2}}'
    arn = create(objects, ReplicationSettings=sent, ResourceIdentifier="Mine")
    assert arn.endswith(":replication-config:Mine")
    (shown,) = configs(dms)
    settings = json.loads(shown["ReplicationSettings"])["FullLoadSettings"]
    assert (settings["MaxFullLoadSubTasks"], settings["CommitRate"]) == (2, 10000)
    assert (shown["ReplicationType"], shown["IsReadOnly"]) == ("cdc", False)
    (replication,) = dms.describe_replications()["Replications"]
    assert (replication["Status"], replication["ReplicationConfigArn"]) == ("created", arn)


def test_config_is_modified_in_part(dms, config):
    modified = dms.modify_replication_config(
        ReplicationConfigArn=config,
        ReplicationType="full-load",
        ComputeConfig={"MinCapacityUnits": 2},
    )["ReplicationConfig"]
    assert modified["ComputeConfig"] == {"MaxCapacityUnits": 4, "MinCapacityUnits": 2}
    assert modified["ReplicationType"] == "full-load"
    assert modified["ReplicationConfigUpdateTime"] > modified["ReplicationConfigCreateTime"]
    assert configs(dms) == [modified]


def test_deleted_config_shows_deleting_once_and_frees_its_endpoints(dms, objects, config):
    with pytest.raises(ClientError, match="part of replication config serverless"):
        dms.delete_endpoint(EndpointArn=objects.source)
    dms.delete_replication_config(ReplicationConfigArn=config)
    assert dms.describe_replications()["Replications"][0]["Status"] == "deleting"
    assert configs(dms) == []
    by_arn = [{"Name": "replication-config-arn", "Values": [config]}]
    with pytest.raises(ClientError, match="ResourceNotFoundFault"):
        configs(dms, Filters=by_arn)
    dms.delete_endpoint(EndpointArn=objects.source)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"ReplicationConfigIdentifier": "SERVERLESS"}, "ResourceAlreadyExistsFault"),
        ({"ReplicationConfigIdentifier": "a--b"}, "InvalidParameterValueException"),
        ({"ReplicationType": "all"}, "InvalidParameterValueException"),
        ({"TableMappings": "{}"}, "InvalidParameterValueException"),
        ({"ReplicationSettings": "["}, "InvalidParameterValueException"),
        ({"ComputeConfig": {}}, "InvalidParameterValueException"),
        ({"ComputeConfig": {"MaxCapacityUnits": 3}}, "InvalidParameterValueException"),
        (
            {"ComputeConfig": {"MaxCapacityUnits": 2, "MinCapacityUnits": 4}},
            "InvalidParameterCombinationException",
        ),
        (
            {"ComputeConfig": {"MaxCapacityUnits": 2, "MultiAZ": True, "AvailabilityZone": "a"}},
            "InvalidParameterCombinationException",
        ),
        (
            {"ComputeConfig": {"MaxCapacityUnits": 2, "ReplicationSubnetGroupId": "gone"}},
            "ResourceNotFoundFault",
        ),
        ({"SourceEndpointArn": "arn:gone"}, "ResourceNotFoundFault"),
    ],
)
def test_wrong_config_is_refused(objects, config, params, code):
    with pytest.raises(ClientError, match=code):
        create(objects, **{"ReplicationConfigIdentifier": "other", **params})
    assert len(configs(objects.dms)) == 1


def test_endpoints_of_the_wrong_direction_are_refused(objects):
    with pytest.raises(ClientError, match="endpoint must be of type SOURCE"):
        create(replace(objects, source=objects.target))


def start(dms: Any, config: str, **params: Any) -> None:
    given = {"StartReplicationType": "start-replication", **params}
    dms.start_replication(ReplicationConfigArn=config, **given)


@pytest.mark.parametrize(
    "position", [{"CdcStartPosition": CHECKPOINT}, {"CdcStartTime": 1_700_000_000}]
)
def test_custom_start_points_are_refused_in_aws_words(dms, config, position):
    with pytest.raises(ClientError) as caught:
        start(dms, config, **position)
    assert caught.value.response["Error"] == {
        "Code": "InvalidParameterValueException",
        "Message": "AWS DMS Serverless does not support setting custom CDC start points.",
    }


def test_start_that_aws_would_make_says_that_it_is_not_emulated(dms, config):
    with pytest.raises(ClientError, match="UnknownOperationException.*does not emulate Start"):
        start(dms, config)
    assert dms.describe_replications()["Replications"][0]["Status"] == "created"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"StartReplicationType": "now"}, "InvalidParameterValueException"),
        ({"StartReplicationType": "resume-processing"}, "InvalidParameterCombinationException"),
        (
            {"CdcStartPosition": CHECKPOINT, "CdcStartTime": 1},
            "InvalidParameterCombinationException",
        ),
        ({"CdcStopPosition": "tomorrow"}, "InvalidParameterValueException"),
    ],
)
def test_starts_that_are_wrong_anyway_are_refused_first(dms, config, params, code):
    with pytest.raises(ClientError, match=code):
        start(dms, config, **params)


def test_config_that_is_being_deleted_does_not_start(dms, config):
    dms.delete_replication_config(ReplicationConfigArn=config)
    with pytest.raises(ClientError, match="is in DELETING state and cannot start"):
        start(dms, config)


def test_nothing_runs_that_could_be_stopped_or_reloaded(dms, config):
    tables = [{"SchemaName": "a", "TableName": "b"}]
    with pytest.raises(ClientError, match="InvalidResourceStateFault"):
        dms.stop_replication(ReplicationConfigArn=config)
    with pytest.raises(ClientError, match="InvalidResourceStateFault"):
        dms.reload_replication_tables(ReplicationConfigArn=config, TablesToReload=tables)
    statistics = dms.describe_replication_table_statistics
    answer = statistics(ReplicationConfigArn=config, MaxRecords=500)
    assert answer["ReplicationTableStatistics"] == []
    with pytest.raises(ClientError, match="MaxRecords must be between 20 and 500"):
        statistics(ReplicationConfigArn=config, MaxRecords=501)
    with pytest.raises(ClientError, match="ResourceNotFoundFault"):
        statistics(ReplicationConfigArn="arn:gone")


def test_config_survives_a_restart_with_its_tags(tmp_path):
    objects = create_objects(client(local_aws(tmp_path), "dms"))
    arn = create(objects, Tags=[{"Key": "k", "Value": "v"}])
    shown = configs(objects.dms)
    with local_aws(tmp_path) as app:
        dms = client(app, "dms")
        assert configs(dms) == shown
        assert dms.list_tags_for_resource(ResourceArn=arn)["TagList"][0]["Value"] == "v"
