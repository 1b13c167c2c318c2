"""Instances are modified at once or in their maintenance window, and rebooted."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dms_pipeline.local_dms.control_plane.faults import Fault
from dms_pipeline.local_dms.control_plane.maintenance_window import checked_window, seconds_until
from dms_pipeline_tests.dms_objects import create_instance, create_objects
from dms_pipeline_tests.fake_engine import SteppingClock
from dms_pipeline_tests.wsgi_bridge import client, local_aws

FRIDAY_NOON = datetime(2026, 1, 2, 12, tzinfo=UTC).timestamp()
SUNDAY = "sun:06:00-sun:14:00"
TO_SUNDAY_S = (24 + 12 + 6) * 3600.0


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock(start=FRIDAY_NOON)


@pytest.fixture
def dms(tmp_path: Path, clock: SteppingClock) -> Iterator[Any]:
    with local_aws(tmp_path, clock=clock) as app:
        yield client(app, "dms")


@pytest.fixture
def arn(dms: Any) -> str:
    return create_instance(dms, PreferredMaintenanceWindow=SUNDAY)


def shown(dms: Any) -> dict[str, Any]:
    (instance,) = dms.describe_replication_instances()["ReplicationInstances"]
    found: dict[str, Any] = instance
    return found


def modify(dms: Any, arn: str, **params: Any) -> dict[str, Any]:
    answer = dms.modify_replication_instance(ReplicationInstanceArn=arn, **params)
    instance: dict[str, Any] = answer["ReplicationInstance"]
    return instance


def test_immediate_change_is_pending_while_modifying_and_then_made(dms, arn):
    answer = modify(dms, arn, MultiAZ=True, AllocatedStorage=80, ApplyImmediately=True)
    pending = {"MultiAZ": True, "AllocatedStorage": 80}
    for instance in (answer, shown(dms)):
        assert instance["ReplicationInstanceStatus"] == "modifying"
        assert instance["PendingModifiedValues"] == pending
        assert (instance["MultiAZ"], instance["AllocatedStorage"]) == (False, 50)
    after = shown(dms)
    assert after["ReplicationInstanceStatus"] == "available"
    assert after["PendingModifiedValues"] == {}
    assert (after["MultiAZ"], after["AllocatedStorage"]) == (True, 80)


def test_other_change_waits_for_the_maintenance_window(dms, arn, clock):
    answer = modify(dms, arn, ReplicationInstanceClass="dms.r5.large")
    assert answer["ReplicationInstanceStatus"] == "available"
    assert answer["PendingModifiedValues"] == {"ReplicationInstanceClass": "dms.r5.large"}
    clock.now += TO_SUNDAY_S - 3600
    assert [shown(dms)["ReplicationInstanceStatus"] for _ in range(3)] == ["available"] * 3
    clock.now += 3600
    assert shown(dms)["ReplicationInstanceStatus"] == "modifying"
    after = shown(dms)
    assert (after["ReplicationInstanceStatus"], after["ReplicationInstanceClass"]) == (
        "available",
        "dms.r5.large",
    )


def test_pending_change_survives_a_restart_and_a_reboot(tmp_path, clock):
    dms = client(local_aws(tmp_path, clock=clock), "dms")
    arn = create_instance(dms, PreferredMaintenanceWindow=SUNDAY)
    modify(dms, arn, MultiAZ=True)
    with local_aws(tmp_path, clock=clock) as app:
        dms = client(app, "dms")
        assert shown(dms)["PendingModifiedValues"] == {"MultiAZ": True}
        dms.reboot_replication_instance(ReplicationInstanceArn=arn)
        for _ in range(2):
            shown(dms)
        assert shown(dms)["PendingModifiedValues"] == {"MultiAZ": True}
        clock.now += TO_SUNDAY_S
        for _ in range(2):
            shown(dms)
        assert shown(dms)["MultiAZ"] is True


def test_change_under_way_is_made_when_the_process_was_killed(tmp_path, clock):
    dms = client(local_aws(tmp_path, clock=clock), "dms")
    modify(dms, create_instance(dms), MultiAZ=True, ApplyImmediately=True)
    with local_aws(tmp_path, clock=clock) as app:
        after = shown(client(app, "dms"))
    assert (after["MultiAZ"], after["PendingModifiedValues"]) == (True, {})
    assert after["ReplicationInstanceStatus"] == "available"


def test_what_needs_no_outage_is_taken_on_at_once(dms, arn):
    answer = modify(
        dms,
        arn,
        ReplicationInstanceIdentifier="New-Name",
        VpcSecurityGroupIds=["sg-1"],
        PreferredMaintenanceWindow="MON:00:00-MON:00:30",
        AutoMinorVersionUpgrade=False,
    )
    assert answer["ReplicationInstanceStatus"] == "available"
    assert answer["PendingModifiedValues"] == {}
    assert answer["ReplicationInstanceIdentifier"] == "new-name"
    assert answer["VpcSecurityGroups"][0]["VpcSecurityGroupId"] == "sg-1"
    assert answer["PreferredMaintenanceWindow"] == "mon:00:00-mon:00:30"
    assert answer["AutoMinorVersionUpgrade"] is False


def test_value_that_the_instance_has_is_not_pending_and_takes_back_a_change(dms, arn):
    modify(dms, arn, MultiAZ=True, AllocatedStorage=80)
    assert modify(dms, arn, MultiAZ=False)["PendingModifiedValues"] == {"AllocatedStorage": 80}
    answer = modify(dms, arn, AllocatedStorage=50, ApplyImmediately=True)
    assert answer["PendingModifiedValues"] == {}
    assert answer["ReplicationInstanceStatus"] == "available"


def test_immediate_change_takes_the_waiting_ones_along(dms, arn):
    modify(dms, arn, MultiAZ=True)
    modify(dms, arn, AllocatedStorage=80, ApplyImmediately=True)
    shown(dms)
    after = shown(dms)
    assert (after["MultiAZ"], after["AllocatedStorage"]) == (True, 80)


def test_engine_is_upgraded_but_never_downgraded(dms, arn):
    assert (
        modify(
            dms, arn, EngineVersion="3.6.1", AllowMajorVersionUpgrade=True, ApplyImmediately=True
        )["ReplicationInstanceStatus"]
        == "upgrading"
    )
    for _ in range(2):
        shown(dms)
    assert shown(dms)["EngineVersion"] == "3.6.1"
    with pytest.raises(ClientError, match="cannot be downgraded"):
        modify(dms, arn, EngineVersion="3.5.4", AllowMajorVersionUpgrade=True)


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"EngineVersion": "3.6.1"}, "InvalidParameterCombinationException"),
        ({"EngineVersion": "new"}, "InvalidParameterValueException"),
        ({"EngineVersion": "9" * 5000}, "InvalidParameterValueException"),
        ({"AllocatedStorage": 4}, "InvalidParameterValueException"),
        ({"AllocatedStorage": 6145}, "InvalidParameterValueException"),
        ({"PreferredMaintenanceWindow": "sunday"}, "InvalidParameterValueException"),
        ({"ReplicationInstanceIdentifier": "-"}, "InvalidParameterValueException"),
        ({"ReplicationInstanceIdentifier": "OTHER"}, "ResourceAlreadyExistsFault"),
    ],
)
def test_wrong_change_is_refused_and_nothing_of_it_made(dms, arn, params, code):
    dms.create_replication_instance(
        ReplicationInstanceIdentifier="other", ReplicationInstanceClass="dms.t3.medium"
    )
    by_arn = [{"Name": "replication-instance-arn", "Values": [arn]}]
    before = dms.describe_replication_instances(Filters=by_arn)["ReplicationInstances"]
    with pytest.raises(ClientError, match=code):
        modify(dms, arn, MultiAZ=True, **params)
    assert dms.describe_replication_instances(Filters=by_arn)["ReplicationInstances"] == before


def test_reboot_shows_rebooting_and_is_told(dms, arn):
    rebooted = dms.reboot_replication_instance(ReplicationInstanceArn=arn)["ReplicationInstance"]
    assert rebooted["ReplicationInstanceStatus"] == "rebooting"
    assert [shown(dms)["ReplicationInstanceStatus"] for _ in range(2)] == ["rebooting", "available"]
    told = [event["Message"] for event in dms.describe_events()["Events"]]
    assert told[2:] == ["Replication application shutdown", "Replication application restarted"]


def test_failover_needs_two_zones_and_one_kind(dms, arn):
    reboot = dms.reboot_replication_instance
    with pytest.raises(ClientError, match="ForceFailover needs a Multi-AZ instance"):
        reboot(ReplicationInstanceArn=arn, ForceFailover=True)
    with pytest.raises(ClientError, match="cannot both be true"):
        reboot(ReplicationInstanceArn=arn, ForceFailover=True, ForcePlannedFailover=True)


def test_instance_in_transition_is_not_changed_and_not_deleted(dms, arn):
    dms.reboot_replication_instance(ReplicationInstanceArn=arn)
    calls = (
        dms.modify_replication_instance,
        dms.reboot_replication_instance,
        dms.delete_replication_instance,
    )
    for call in calls:
        with pytest.raises(ClientError, match="InvalidResourceStateFault"):
            call(ReplicationInstanceArn=arn)


def test_changes_are_told_in_aws_words(dms, arn):
    modify(
        dms,
        arn,
        MultiAZ=True,
        AllocatedStorage=80,
        ReplicationInstanceClass="dms.r5.large",
        ApplyImmediately=True,
    )
    for _ in range(2):
        shown(dms)
    told = dms.describe_events(EventCategories=["configuration change"])["Events"]
    assert sorted(event["Message"] for event in told) == [
        "The replication instance class for this replication instance has changed.",
        "The replication instance class for this replication instance is being changed.",
        "The replication instance finished transitioning to a Multi-AZ configuration.",
        "The replication instance is transitioning to a Multi-AZ configuration.",
        "The storage for the replication instance has been increased.",
        "The storage for the replication instance is being increased.",
    ]


def test_task_on_a_modified_instance_waits_to_be_started(dms):
    objects = create_objects(dms)
    task = objects.create_task()
    modify(dms, objects.instance, MultiAZ=True, ApplyImmediately=True)
    with pytest.raises(ClientError, match="must be available for starting a task, it is modifying"):
        objects.start(task)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (SUNDAY, TO_SUNDAY_S),
        ("fri:12:00-fri:12:30", 0.0),
        ("fri:11:00-fri:12:00", (7 * 24 - 1) * 3600.0),
        ("thu:23:00-fri:12:01", 0.0),
        ("sun:23:30-mon:00:30", (2 * 24 + 11.5) * 3600.0),
    ],
)
def test_time_until_the_window(window, expected):
    assert seconds_until(window, FRIDAY_NOON) == expected


@pytest.mark.parametrize(
    "text", ["", "sun:06:00", "sun:24:00-mon:01:00", "sun:06:00-sun:06:29", "sun:06:00-sun:06:00"]
)
def test_windows_that_are_none_are_refused(text):
    with pytest.raises(Fault, match="PreferredMaintenanceWindow"):
        checked_window(text)
