import pytest

from dms_pipeline.local_dms.control_plane.lifecycle import (
    FORGOTTEN_S,
    GONE,
    REALISTIC_S,
    Life,
    Phase,
)
from dms_pipeline_tests.fake_engine import SteppingClock
from dms_pipeline_tests.wsgi_bridge import client, local_aws

CREATING = Life((Phase("creating", 10.0), Phase("ready")), entered_at=100.0)


@pytest.mark.parametrize(
    ("life", "now", "status"),
    [
        (CREATING, 109.9, "creating"),
        (CREATING, 110.0, "creating"),
        (CREATING.seen(), 109.9, "creating"),
        (CREATING.seen(), 110.0, "ready"),
        (CREATING, 110.0 + FORGOTTEN_S, "ready"),
        (Life((Phase("running"),), entered_at=0.0).seen(), 1e9, "running"),
    ],
    ids=["new", "unseen", "young", "seen and old", "forgotten", "without follower"],
)
def test_phase_lasts_until_its_time_is_up_and_it_was_shown(life, now, status):
    assert life.advanced(now).status == status


def test_each_phase_must_be_shown_by_itself():
    life = Life((Phase("starting"), Phase("running"), Phase("stopped")), entered_at=0.0)
    life = life.seen().advanced(1.0)
    assert life.status == "running"
    assert life.advanced(2.0).status == "running"
    assert life.seen().advanced(2.0).status == "stopped"


def test_known_future_does_not_show():
    life = Life((Phase("running"),), entered_at=0.0).then(Phase("stopped"), Phase(GONE))
    assert (life.status, life.final_status) == ("running", GONE)


def test_realistic_instance_takes_minutes(tmp_path):
    clock = SteppingClock(step_s=0.0)
    with local_aws(tmp_path, speed="realistic", clock=clock) as app:
        dms = client(app, "dms")
        dms.create_replication_instance(
            ReplicationInstanceIdentifier="ri", ReplicationInstanceClass="dms.t3.medium"
        )

        def status() -> str:
            (shown,) = dms.describe_replication_instances()["ReplicationInstances"]
            return str(shown["ReplicationInstanceStatus"])

        clock.now += 240
        assert status() == "creating"
        clock.now += REALISTIC_S["instance", "creating"]
        assert status() == "available"
