import stat

from dms_pipeline_tests.dms_objects import Objects, create_objects
from dms_pipeline_tests.fake_engine import CHECKPOINT, FakeEngine, Script
from dms_pipeline_tests.wsgi_bridge import client, local_aws


def test_restart_keeps_objects_and_finishes_transitions(tmp_path):
    with local_aws(tmp_path) as app:
        objects = create_objects(client(app, "dms"))
        task = objects.create_task(Tags=[{"Key": "run_id", "Value": "7"}])
        objects.dms.create_replication_instance(
            ReplicationInstanceIdentifier="late", ReplicationInstanceClass="dms.t3.medium"
        )
    with local_aws(tmp_path) as app:
        dms = client(app, "dms")
        again = Objects(dms, objects.instance, objects.source, objects.target)
        instances = dms.describe_replication_instances()["ReplicationInstances"]
        assert [i["ReplicationInstanceStatus"] for i in instances] == ["available", "available"]
        assert dms.list_tags_for_resource(ResourceArn=task)["TagList"][0]["Value"] == "7"
        again.start(task)
        assert again.until(task, "stopped")["RecoveryCheckpoint"] == CHECKPOINT


def test_task_that_ran_when_the_process_died_is_failed_with_its_checkpoint(tmp_path):
    # no close: a killed process does not end its tasks either
    app = local_aws(tmp_path, FakeEngine(Script(runs_until_stopped=True)))
    objects = create_objects(client(app, "dms"))
    task = objects.create_task()
    objects.start(task)
    with local_aws(tmp_path) as after:
        again = Objects(client(after, "dms"), objects.instance, objects.source, objects.target)
        shown = again.task(task)
        assert shown["Status"] == "failed"
        assert "The local DMS ended while the task was running" in shown["LastFailureMessage"]
        assert shown["RecoveryCheckpoint"] == CHECKPOINT
        assert again.start(task, "resume-processing")["Status"] == "starting"
    app.close()


def test_task_that_ran_when_the_process_died_shows_the_checkpoint_that_its_target_has(tmp_path):
    app = local_aws(tmp_path, FakeEngine(Script(runs_until_stopped=True)))
    objects = create_objects(client(app, "dms"))
    task = objects.create_task()
    objects.start(task)
    later = CHECKPOINT.replace("#93", "#94")
    with local_aws(tmp_path, stored_checkpoint=lambda specification: later) as after:
        again = Objects(client(after, "dms"), objects.instance, objects.source, objects.target)
        shown = again.task(task)
        assert (shown["Status"], shown["RecoveryCheckpoint"]) == ("failed", later)
    app.close()


def test_close_stops_the_engines_and_keeps_how_they_ended(tmp_path):
    with local_aws(tmp_path, FakeEngine(Script(runs_until_stopped=True))) as app:
        objects = create_objects(client(app, "dms"))
        task = objects.create_task()
        objects.start(task)
        objects.until(task, "running")
    with local_aws(tmp_path) as app:
        again = Objects(client(app, "dms"), objects.instance, objects.source, objects.target)
        shown = again.task(task)
        assert (shown["Status"], shown["StopReason"]) == ("stopped", "Stop Reason NORMAL")


def test_deleted_objects_stay_deleted(tmp_path):
    with local_aws(tmp_path) as app:
        objects = create_objects(client(app, "dms"))
        objects.dms.delete_replication_instance(ReplicationInstanceArn=objects.instance)
    with local_aws(tmp_path) as app:
        dms = client(app, "dms")
        assert dms.describe_replication_instances()["ReplicationInstances"] == []
        assert dms.describe_connections()["Connections"] == []


def test_state_files_are_private(tmp_path):
    with local_aws(tmp_path / "home") as app:
        create_objects(client(app, "dms"))
        for path in (tmp_path / "home").glob("*.sqlite*"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
