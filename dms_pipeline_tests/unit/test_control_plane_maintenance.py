"""Subnet groups are modified, tasks moved; nothing is ever pending for maintenance."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dms_pipeline_tests.dms_objects import Objects, create_instance, create_objects, wait
from dms_pipeline_tests.fake_engine import FakeEngine, Script
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


def test_subnet_group_takes_new_subnets_and_keeps_its_description(dms):
    dms.create_replication_subnet_group(
        ReplicationSubnetGroupIdentifier="Group",
        ReplicationSubnetGroupDescription="for loads",
        SubnetIds=["subnet-1"],
    )
    dms.modify_replication_subnet_group(
        ReplicationSubnetGroupIdentifier="GROUP", SubnetIds=["subnet-2", "subnet-3"]
    )
    (group,) = dms.describe_replication_subnet_groups()["ReplicationSubnetGroups"]
    assert [s["SubnetIdentifier"] for s in group["Subnets"]] == ["subnet-2", "subnet-3"]
    assert group["ReplicationSubnetGroupDescription"] == "for loads"
    with pytest.raises(ClientError, match="ResourceNotFoundFault"):
        dms.modify_replication_subnet_group(
            ReplicationSubnetGroupIdentifier="gone", SubnetIds=["subnet-1"]
        )


def test_subnet_group_in_use_is_not_deleted_however_it_is_spelled(dms):
    dms.create_replication_subnet_group(
        ReplicationSubnetGroupIdentifier="group",
        ReplicationSubnetGroupDescription="",
        SubnetIds=["subnet-1"],
    )
    create_instance(dms, ReplicationSubnetGroupIdentifier="group")
    with pytest.raises(ClientError, match="is used by ri"):
        dms.delete_replication_subnet_group(ReplicationSubnetGroupIdentifier="Group")


def test_endpoint_that_is_being_deleted_is_not_modified(dms, objects):
    dms.delete_endpoint(EndpointArn=objects.source)
    with pytest.raises(ClientError, match="InvalidResourceStateFault"):
        dms.modify_endpoint(EndpointArn=objects.source, Port=3307)


def test_moved_task_shows_moving_and_needs_tests_from_its_new_instance(dms, objects):
    task, other = objects.create_task(), create_instance(dms, "other")
    moved = dms.move_replication_task(ReplicationTaskArn=task, TargetReplicationInstanceArn=other)
    assert moved["ReplicationTask"]["Status"] == "moving"
    during = objects.task(task)
    assert (during["Status"], during["TargetReplicationInstanceArn"]) == ("moving", other)
    assert during["ReplicationInstanceArn"] == objects.instance
    after = objects.until(task, "ready")
    assert after["ReplicationInstanceArn"] == other
    assert "TargetReplicationInstanceArn" not in after
    with pytest.raises(ClientError, match="replication instance other and endpoint source"):
        objects.start(task)
    dms.delete_replication_instance(ReplicationInstanceArn=objects.instance)


def test_move_under_way_is_made_when_the_process_was_killed(tmp_path):
    before = create_objects(client(local_aws(tmp_path), "dms"))
    task, other = before.create_task(), create_instance(before.dms, "other")
    before.dms.move_replication_task(ReplicationTaskArn=task, TargetReplicationInstanceArn=other)
    with local_aws(tmp_path) as app:
        after = replace(before, dms=client(app, "dms"))
        assert after.task(task)["ReplicationInstanceArn"] == other


def test_instance_to_which_a_task_moves_is_not_deleted(dms, objects):
    task, other = objects.create_task(), create_instance(dms, "other")
    dms.move_replication_task(ReplicationTaskArn=task, TargetReplicationInstanceArn=other)
    with pytest.raises(ClientError, match="has one or more replication tasks: load .moving."):
        dms.delete_replication_instance(ReplicationInstanceArn=other)


def test_move_that_aws_would_refuse_is_refused(dms, objects, engine):
    engine.script("load", Script(runs_until_stopped=True))
    task, older = objects.create_task(), create_instance(dms, "older", EngineVersion="3.5.3")

    def move(target: str) -> None:
        dms.move_replication_task(ReplicationTaskArn=task, TargetReplicationInstanceArn=target)

    with pytest.raises(ClientError, match="can be moved to the same or a later one"):
        move(older)
    with pytest.raises(ClientError, match="is on ri already"):
        move(objects.instance)
    with pytest.raises(ClientError, match="ResourceNotFoundFault"):
        move("arn:gone")
    other = create_instance(dms, "other")
    dms.reboot_replication_instance(ReplicationInstanceArn=other)
    with pytest.raises(ClientError, match="must be available to move a task to it"):
        move(other)
    objects.start(task)
    objects.until(task, "running")
    with pytest.raises(ClientError, match="cannot be moved, it is running"):
        move(other)


def test_nothing_is_pending_for_maintenance(dms, objects):
    by_arn = {"ReplicationInstanceArn": objects.instance}
    assert dms.describe_pending_maintenance_actions(**by_arn)["PendingMaintenanceActions"] == []
    apply = dms.apply_pending_maintenance_action
    with pytest.raises(ClientError, match="NotFoundFault.*has no pending action os-upgrade"):
        apply(**by_arn, ApplyAction="os-upgrade", OptInType="immediate")
    with pytest.raises(ClientError, match="OptInType must be one of immediate"):
        apply(**by_arn, ApplyAction="os-upgrade", OptInType="later")
    with pytest.raises(ClientError, match="ResourceNotFoundFault"):
        dms.describe_pending_maintenance_actions(ReplicationInstanceArn="arn:gone")


def test_modified_task_shows_modifying_and_then_its_former_state(dms, objects):
    task = objects.create_task()
    objects.start(task)
    objects.until(task, "stopped")
    dms.modify_replication_task(ReplicationTaskArn=task, ReplicationTaskIdentifier="renamed")
    assert list(objects.statuses(task, "stopped")) == ["modifying", "stopped"]
    assert objects.task(task)["ReplicationTaskIdentifier"] == "renamed"
    dms.delete_replication_task(ReplicationTaskArn=task)
    wait(dms, "replication_task_deleted", "replication-task-arn", task)
