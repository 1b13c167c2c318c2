"""The sensors of a deployment, ticked on a real Dagster instance; the world behind them behaves."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dms_pipeline.deployments import deployment
from dms_pipeline.factory import build_pipeline
from dms_pipeline.pipeline_config import load_pipeline
from dms_pipeline.sensors import MAIL_TAG, build_sensors
from dms_pipeline_tests.a_pipeline import NAME, PIPELINES, Mailbox, Resources, World, a_world

TABLE = dg.AssetKey(["postgres", "studentdb", "student_details"])


@dataclass
class Daemon:
    """Ticks sensors as Dagster's daemon does, with their cursors."""

    instance: dg.DagsterInstance
    world: World
    broken: dict[str, str] = field(default_factory=dict)
    mailbox: Mailbox = field(default_factory=Mailbox)
    cursors: dict[str, str | None] = field(default_factory=dict)

    def tick(self, name: str) -> list[dg.RunRequest]:
        config = load_pipeline(PIPELINES, "studentdb")
        here = deployment({"DMS_LOCAL_HOME": "/nowhere"})
        shared = dg.Definitions(resources=here.resources([config]))
        pipeline = build_pipeline(config).resolved(shared)
        sensors = {sensor.name: sensor for sensor in build_sensors([pipeline], self.broken)}
        resources = Resources(self.world)
        with dg.build_sensor_context(
            self.instance,
            cursor=self.cursors.get(name),
            repository_def=dg.Definitions.merge(pipeline.definitions, shared).get_repository_def(),
            resources={"dms": resources, "checkpoints": resources, "notifier": self.mailbox},
        ) as context:
            data = sensors[name].evaluate_tick(context)
        self.cursors[name] = data.cursor
        return list(data.run_requests or [])

    def failed_run(self, job: str = "load", **more: Any) -> dg.DagsterRun:
        more.setdefault("tags", {"dms/pipeline": "studentdb"})
        run = self.instance.add_run(
            dg.DagsterRun(job_name=job, status=dg.DagsterRunStatus.STARTED, **more)
        )
        self.instance.report_run_failed(run, "no disk")
        return run


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with dg.instance_for_test() as instance:
        daemon = Daemon(instance, a_world(tmp_path))
        daemon.tick("failure_mail")
        yield daemon


def mailed_runs(daemon: Daemon) -> list[str]:
    return [text.partition("Run  ")[2].partition("\n")[0] for _, text in daemon.mailbox.mails]


def test_failures_of_several_runs_at_once_are_each_mailed_once(daemon):
    owners = ("another", "studentdb", "another", "studentdb")
    runs = [daemon.failed_run(tags={"dms/pipeline": owner}) for owner in owners]
    for _ in range(2):
        daemon.tick("failure_mail")
    assert mailed_runs(daemon) == [runs[1].run_id, runs[3].run_id]
    assert "no disk" in daemon.mailbox.mails[0][1]


def test_run_without_a_tag_belongs_to_the_pipeline_of_its_tables(daemon):
    run = daemon.failed_run("__ASSET_JOB", tags={}, asset_selection=frozenset({TABLE}))
    daemon.failed_run("somebody_else_s", tags={})
    daemon.tick("failure_mail")
    assert mailed_runs(daemon) == [run.run_id]


def test_failed_clean_up_is_mailed_with_what_it_was_to_remove(daemon):
    daemon.world.prepare("run-1")
    daemon.failed_run("studentdb_cleanup")
    daemon.tick("failure_mail")
    [(subject, text)] = daemon.mailbox.mails
    assert subject == "studentdb: studentdb_cleanup failed"
    assert f"replication instance {NAME}" in text


def test_mail_that_sns_refuses_is_sent_once_it_answers(daemon):
    daemon.mailbox.refuses = True
    run = daemon.failed_run()
    daemon.tick("failure_mail")
    daemon.tick("late_failure_mail")
    assert daemon.instance.get_run_by_id(run.run_id).tags[MAIL_TAG] == "undelivered"
    daemon.mailbox.refuses = False
    for _ in range(2):
        daemon.tick("failure_mail")
        daemon.tick("late_failure_mail")
    assert mailed_runs(daemon) == [run.run_id]


def test_late_mail_of_a_pipeline_that_is_gone_is_given_up_and_does_not_count_as_sent(daemon):
    run = daemon.failed_run(tags={"dms/pipeline": "gone", MAIL_TAG: "undelivered"})
    daemon.tick("late_failure_mail")
    tags = daemon.instance.get_run_by_id(run.run_id).tags
    assert tags[MAIL_TAG] == "of no pipeline that is left"
    assert daemon.mailbox.mails == []


def test_janitor_asks_once_a_day_for_the_clean_up_of_what_has_expired(daemon):
    load = daemon.world.prepare("run-1")
    instance = daemon.world.dms.find_instance(NAME)
    assert daemon.tick("janitor") == []
    daemon.world.dms.add_tags(instance.arn, {"expires_at": "2020-01-01T00:00:00+00:00"})
    # A run is under way, which may have taken it over.
    assert daemon.tick("janitor") == []
    load.lease.release()
    first, again = (daemon.tick("janitor") for _ in range(2))
    assert [request.job_name for request in first] == ["studentdb_cleanup"]
    assert first[0].run_config == {"ops": {"cleanup": {"config": {"only_expired": True}}}}
    assert first[0].run_key == again[0].run_key


def test_pipeline_that_cannot_be_loaded_is_mailed_once_and_again_when_it_breaks_anew(daemon):
    daemon.tick("broken_pipelines")
    assert daemon.mailbox.mails == []
    for broken in ({"shop": "line 3"}, {"shop": "line 3"}, {"shop": "line 4"}, {}, {"shop": "x"}):
        daemon.broken = broken
        daemon.tick("broken_pipelines")
    assert [text.splitlines()[2] for _, text in daemon.mailbox.mails] == ["line 3", "line 4", "x"]
