"""The steps of a load against the real control plane, with a scripted engine."""

import time
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.errors import LoadError
from dms_pipeline.load import Load
from dms_pipeline.records import ApplyException
from dms_pipeline_tests.a_pipeline import NAME, STUDENTS, FakeSource, World, a_world, checkpoint_at
from dms_pipeline_tests.fake_engine import Script, table_row
from dms_pipeline_tests.wsgi_bridge import client


@pytest.fixture
def world(tmp_path: Path) -> World:
    return a_world(tmp_path)


def test_whole_load_leaves_checkpoint_and_metrics_and_nothing_else(world):
    world.run()
    latest = world.checkpoints.latest("studentdb")
    assert latest is not None
    assert (latest.sequence, latest.run_id) == (1, "run-1")
    assert latest.stop_reason == "STOPPED_AFTER_CACHED_EVENTS"
    [load] = world.metrics.history("studentdb")
    assert (load.counts.table, load.counts.inserts) == (STUDENTS, 2)
    assert world.dms.find_instance(NAME) is None
    assert world.dms.find_task(NAME) is None


def test_incremental_load_starts_at_the_stored_checkpoint_byte_for_byte(world):
    world.run("run-1")
    stored = world.checkpoints.latest("studentdb").checkpoint
    world.run("run-2", cdc=True)
    spec = world.engine.specs[-1]
    assert spec["migration_type"] == "cdc"
    assert spec["start"]["position"] == stored
    assert world.checkpoints.latest("studentdb").sequence == 2


def test_instance_is_made_as_configured_and_never_public(world):
    configured = {
        "allocated_storage_gb": 75,
        "engine_version": "3.6.1",
        "multi_az": True,
        "kms_key_id": "alias/dms",
        "security_groups": ("sg-1", "sg-2"),
    }
    instance = world.pipeline.instance.model_copy(update=configured)
    world.pipeline = replace(world.pipeline, instance=instance)
    world.load().create_instance()
    (made,) = client(world.app, "dms").describe_replication_instances()["ReplicationInstances"]
    assert made["AllocatedStorage"] == 75
    assert made["EngineVersion"] == "3.6.1"
    assert made["MultiAZ"]
    assert made["KmsKeyId"] == "alias/dms"
    assert [group["VpcSecurityGroupId"] for group in made["VpcSecurityGroups"]] == ["sg-1", "sg-2"]
    assert not made["PubliclyAccessible"]


def test_every_step_may_be_repeated_by_the_same_run(world):
    load = world.load()
    for _ in range(2):
        load.create_instance()
    for _ in range(2):
        load.test_connections()
    for _ in range(2):
        load.create_task("full-load-and-cdc")
    for _ in range(2):
        load.run_task(world.source)
    for _ in range(2):
        load.record_load(world.source, world.target)
    for _ in range(2):
        load.delete_task()
    for _ in range(2):
        load.delete_instance()
    assert len(world.engine.specs) == 1
    assert [record.sequence for record in world.checkpoints.history("studentdb")] == [1]
    assert len(list(world.metrics.history("studentdb"))) == 1


def test_instance_of_another_run_is_refused_naming_run_and_remedy(world):
    world.load("run-1").create_instance()
    world.lease("run-1").release()
    with pytest.raises(
        LoadError, match="left over from run run-1 .*dms-pipeline cleanup studentdb"
    ):
        world.load("run-2").create_instance()


def test_another_run_deletes_nothing_of_ours_unless_it_cleans_up(world):
    world.prepare("run-1")
    with pytest.raises(LoadError, match="left over from run run-1"):
        world.objects("run-2").delete_task()
    with pytest.raises(LoadError, match="left over from run run-1"):
        world.objects("run-2").delete_instance()
    cleanup = world.objects("run-2", force=True)
    cleanup.delete_task()
    cleanup.delete_instance()
    assert world.dms.find_instance(NAME) is None


def test_cleanup_stops_a_running_task_first(world):
    world.engine.script(NAME, Script(runs_until_stopped=True))
    load = world.prepare()
    task = world.dms.find_task(NAME)
    world.dms.start_task(task, "start-replication", cdc_stop_position=None)
    load.delete_task()
    assert world.dms.find_task(NAME) is None


def test_failed_connection_names_endpoint_and_reason_and_deletes_the_instance(tmp_path):
    def refuse_target(kind, _settings):
        return "password authentication failed" if kind == "target" else None

    world = a_world(tmp_path, connection_check=refuse_target)
    load = world.load()
    load.create_instance()
    with pytest.raises(
        LoadError, match="target endpoint studentdb-target: .*authentication failed"
    ):
        load.test_connections()
    assert world.dms.find_instance(NAME) is None


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (Script(fail_with="the disk is full"), "met a fatal error. DMS says: .*the disk is full"),
        (Script(stop_reason="NORMAL"), "somebody stopped it"),
        (Script(stop_reason="STOPPED_AFTER_FULL_LOAD"), "before the cached changes were applied"),
    ],
    ids=["failed", "stopped by hand", "too early"],
)
def test_any_other_end_than_the_wanted_one_fails_the_load_in_words(world, script, words):
    world.engine.script(NAME, script)
    load = world.prepare()
    with pytest.raises(LoadError, match=words):
        load.run_task(world.source)
    assert world.checkpoints.latest("studentdb") is None


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            Script(tables=[table_row("studentdb", "student_details", TableState="Table error")]),
            "studentdb.student_details: Table error",
        ),
        (Script(tables=[table_row("studentdb", "other")]), "not selected by the mapping"),
        (
            Script(
                tables=[table_row("studentdb", "student_details")], progress={"tables_errored": 1}
            ),
            "did not load every table",
        ),
        (
            Script(tables=[table_row("studentdb", "student_details")], checkpoint=None),
            "no recovery checkpoint .* is kept. Clean up with `dms-pipeline cleanup studentdb`",
        ),
    ],
    ids=["table error", "table not selected", "errors without a name", "no checkpoint"],
)
def test_checkpoint_does_not_move_over_what_was_not_loaded(world, script, words):
    world.engine.script(NAME, script)
    load = world.prepare()
    load.run_task(world.source)
    with pytest.raises(LoadError, match=words):
        load.record_load(world.source, world.target)
    assert world.checkpoints.latest("studentdb") is None


def source_that_ends_at(world: World, offset: int) -> FakeSource:
    end = BinlogPosition("mysql-bin-changelog.000002", offset)
    return replace(world.source, state=replace(world.source.state, end=end))


def test_load_that_has_not_caught_up_is_extended_until_it_has(world):
    world.run("run-1")
    world.source = source_that_ends_at(world, 3000)
    tables = [table_row("studentdb", "student_details", Inserts=1)]
    world.engine.script(
        NAME,
        Script(tables=tables, checkpoint=checkpoint_at(2002)),
        Script(tables=tables, checkpoint=checkpoint_at(2500)),
        Script(tables=tables, checkpoint=checkpoint_at(3000)),
    )
    load = world.prepare("run-2", cdc=True)
    load.run_task(world.source)
    assert [spec["resume"] for spec in world.engine.specs[1:]] == [False, True, True]


def test_load_that_never_catches_up_ends_and_says_so(world):
    world.run("run-1")
    tables = [table_row("studentdb", "student_details")]
    world.engine.script(NAME, Script(tables=tables, checkpoint=checkpoint_at(2500)))
    world.source = source_that_ends_at(world, 3000)
    world.prepare("run-2", cdc=True)
    world.load("run-2").run_task(world.source)
    assert len(world.engine.specs) == 1 + 1 + world.pipeline.stop.max_extensions
    assert "the next load carries on from there" in world.said[-1]
    world.load("run-2").record_load(world.source, world.target)
    record = world.checkpoints.latest("studentdb")
    assert (record.behind, record.behind_bytes) == (str(world.source.end()), 500)


@pytest.mark.parametrize("policy", ["extend", "carry_over"])
def test_load_that_moves_nowhere_fails(world, policy):
    world.run("run-1")
    stop = world.pipeline.stop.model_copy(update={"when_behind": policy})
    world.pipeline = replace(world.pipeline, stop=stop)
    world.source = source_that_ends_at(world, 3000)
    load = world.prepare("run-2", cdc=True)
    with pytest.raises(LoadError, match=r"moved nowhere: it began at \S+:2002 .* at \S+:3000"):
        load.run_task(world.source)


def test_checkpoint_before_the_start_is_refused_at_once(world):
    world.run("run-1")
    tables = [table_row("studentdb", "student_details")]
    world.engine.script(NAME, Script(tables=tables, checkpoint=checkpoint_at(1990)))
    load = world.prepare("run-2", cdc=True)
    with pytest.raises(LoadError, match=r"began at \S+:2002 and reports \S+:1990"):
        load.run_task(world.source)
    assert len(world.engine.specs) == 2


def test_windows_grow_for_a_load_that_needs_one_only_to_get_ready(world):
    world.run("run-1")
    world.source = source_that_ends_at(world, 3000)
    tables = [table_row("studentdb", "student_details")]
    world.engine.script(NAME, Script(tables=tables, checkpoint=checkpoint_at(2500)))
    load = world.prepare("run-2", cdc=True)
    pacing = replace(load.objects.pacing, clock=lambda: 0.0, drain_window_s=7)
    replace(load, objects=replace(load.objects, pacing=pacing)).run_task(world.source)
    assert [spec["stop_position"] for spec in world.engine.specs[1:]] == [
        "server_time:1970-01-01T00:00:07",
        "server_time:1970-01-01T00:00:14",
        "server_time:1970-01-01T00:00:28",
        "server_time:1970-01-01T00:00:56",
    ]


def test_task_is_looked_at_around_the_moment_at_which_it_stops(world):
    world.run("run-1")
    tables = [table_row("studentdb", "student_details")]
    world.engine.script(
        NAME, Script(tables=tables, checkpoint=checkpoint_at(2002), runs_until_stopped=True)
    )
    load = world.prepare("run-2", cdc=True)
    now, slept_to = 0.1, []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        slept_to.append(now)
        if now >= 2:
            world.engine.handles[NAME].finish("STOPPED_AT_SERVER_TIME")

    pacing = replace(
        load.objects.pacing,
        poll_interval_s=0.02,
        drain_window_s=1,
        clock=lambda: now,
        sleep=sleep,
        chance=lambda: 0.5,
    )
    replace(load, objects=replace(load.objects, pacing=pacing)).run_task(world.source)
    assert world.engine.specs[-1]["stop_position"] == "server_time:1970-01-01T00:00:02"
    assert [round(moment, 2) for moment in slept_to] == [1.52, 1.88, 1.98, 2.07]


def test_checkpoint_moved_by_another_writer_during_the_load_is_not_overwritten(world):
    world.run("run-1")
    load = world.prepare("run-2", cdc=True)
    load.run_task(world.source)
    seen = world.checkpoints.latest("studentdb")
    world.checkpoints.advance(
        replace(seen, run_id="by-hand", checkpoint=checkpoint_at(5000)), seen=seen
    )
    with pytest.raises(LoadError, match="was moved while this load ran"):
        load.record_load(world.source, world.target)
    assert world.checkpoints.latest("studentdb").run_id == "by-hand"


def test_password_of_an_endpoint_is_in_nothing_that_is_said_or_shown(world):
    world.run()
    assert "secret" not in "\n".join(world.said)
    assert "secret" not in repr(world.source)


def test_source_end_is_that_of_the_first_try_also_after_a_crash(world):
    world.run("run-1")
    tables = [table_row("studentdb", "student_details")]
    world.engine.script(NAME, Script(tables=tables, checkpoint=checkpoint_at(2500)))
    world.prepare("run-2", cdc=True)
    world.lease("run-2").take()
    first = world.load("run-2")
    first.lease.take()
    first.lease.note_source_end("mysql-bin-changelog.000002:2400")
    world.source = replace(
        world.source,
        state=replace(world.source.state, end=BinlogPosition("mysql-bin-changelog.000009", 4)),
    )
    world.load("run-2").run_task(world.source)
    assert len(world.engine.specs) == 2


def test_failed_task_of_an_earlier_try_is_resumed(world):
    world.run("run-1")
    tables = [table_row("studentdb", "student_details")]
    world.engine.script(
        NAME,
        Script(fail_with="the source went away"),
        Script(tables=tables, checkpoint=checkpoint_at(3000)),
    )
    load = world.prepare("run-2", cdc=True)
    with pytest.raises(LoadError, match="the source went away"):
        load.run_task(world.source)
    world.load("run-2").run_task(world.source)
    assert world.engine.specs[-1]["resume"]
    world.load("run-2").record_load(world.source, world.target)
    assert world.checkpoints.latest("studentdb").sequence == 2


def test_full_load_that_broke_off_begins_again(world):
    world.engine.script(
        NAME,
        Script(fail_with="the source went away"),
        Script(tables=[table_row("studentdb", "student_details")]),
    )
    load = world.prepare()
    with pytest.raises(LoadError):
        load.run_task(world.source)
    world.load().run_task(world.source)
    assert not world.engine.specs[-1]["resume"]


def test_run_that_has_recorded_creates_nothing_billed_again(world):
    world.run("run-1")
    load = world.load("run-1")
    load.create_instance()
    load.test_connections()
    load.create_task("full-load-and-cdc")
    load.run_task(world.source)
    load.record_load(world.source, world.target)
    load.delete_task()
    load.delete_instance()
    assert len(world.engine.specs) == 1
    assert len(list(world.metrics.runs("studentdb"))) == 1


def load_that_is_behind(world: World, policy: str) -> Load:
    """A prepared load that stops half-way the first time, and reaches the end the second time."""
    world.run("run-1")
    world.source = source_that_ends_at(world, 3000)
    stop = world.pipeline.stop.model_copy(update={"when_behind": policy})
    world.pipeline = replace(world.pipeline, stop=stop)
    tables = [table_row("studentdb", "student_details")]
    halves = (Script(tables=tables, checkpoint=checkpoint_at(at)) for at in (2500, 3000))
    world.engine.script(NAME, *halves)
    return world.prepare("run-2", cdc=True)


def test_load_that_is_behind_may_leave_the_rest_to_the_next(world):
    load_that_is_behind(world, "carry_over").run_task(world.source)
    assert len(world.engine.specs) == 2


def test_load_that_is_behind_may_fail_and_goes_on_when_it_is_repeated(world):
    load = load_that_is_behind(world, "fail")
    with pytest.raises(LoadError, match="stopped before .* give it a longer stop.window_s"):
        load.run_task(world.source)
    assert len(world.engine.specs) == 2
    world.load("run-2").run_task(world.source)
    assert len(world.engine.specs) == 3
    record = world.load("run-2").record_load(world.source, world.target)
    assert (record.checkpoint, record.behind) == (checkpoint_at(3000), "")


def test_commit_time_stop_on_an_idle_source_is_ended_after_the_window(world):
    world.run("run-1")
    stop = world.pipeline.stop.model_copy(update={"at": "commit_time", "window_s": 1})
    world.pipeline = replace(world.pipeline, stop=stop)
    tables = [table_row("studentdb", "student_details")]
    world.engine.script(
        NAME, Script(tables=tables, checkpoint=checkpoint_at(2002), runs_until_stopped=True)
    )
    load = world.prepare("run-2", cdc=True)
    ticks = iter(range(10_000))
    start = time.time()
    pacing = replace(load.objects.pacing, clock=lambda: start + next(ticks))
    replace(load, objects=replace(load.objects, pacing=pacing)).run_task(world.source)
    assert world.engine.specs[-1]["stop_position"].startswith("commit_time:")
    assert load.record_load(world.source, world.target).stop_reason == "NORMAL"


def test_window_of_a_commit_time_stop_begins_when_the_task_runs(world):
    world.run("run-1")
    stop = world.pipeline.stop.model_copy(update={"at": "commit_time", "window_s": 30})
    world.pipeline = replace(world.pipeline, stop=stop)
    tables = [table_row("studentdb", "student_details")]
    world.engine.script(
        NAME, Script(tables=tables, checkpoint=checkpoint_at(2002), runs_until_stopped=True)
    )
    load = world.prepare("run-2", cdc=True)
    world.said.clear()
    start, running_s = time.time(), count()

    def clock():
        is_running = any("is running" in line for line in world.said)
        return start + (1000 + next(running_s) if is_running else 0)

    objects = replace(load.objects, pacing=replace(load.objects.pacing, clock=clock))
    replace(load, objects=objects).run_task(world.source)
    assert next(running_s) > 30


def test_rows_that_dms_could_not_apply_keep_the_checkpoint(world):
    load = world.prepare()
    load.run_task(world.source)
    exception = ApplyException(STUDENTS, "value too long", "UPDATE ...")
    target = replace(world.target, exceptions=(exception,))
    with pytest.raises(LoadError, match="first is of studentdb.student_details: value too long"):
        load.record_load(world.source, target)
    assert world.checkpoints.latest("studentdb") is None


def test_warm_instance_is_kept_and_taken_over_by_the_next_run(world):
    warm = world.pipeline.instance.model_copy(update={"mode": "warm"})
    world.pipeline = replace(world.pipeline, instance=warm)
    world.run("run-1")
    kept = world.dms.find_instance(NAME)
    assert kept is not None
    assert world.objects("run-2").leftovers() == []
    world.run("run-2", cdc=True)
    assert world.dms.find_instance(NAME).arn == kept.arn
    # Whoever adds up the loads gets what the instance has cost.
    until = world.checkpoints.latest("studentdb").stopped_at
    billed = sum(run.billed_s for run in world.metrics.runs("studentdb"))
    assert billed == (until - kept.created_at).total_seconds()
    world.objects("cleanup", force=True).delete_instance()
    assert world.dms.find_instance(NAME) is None
