"""The steps of a load against the real control plane, with a scripted engine."""

from dataclasses import replace
from pathlib import Path

import pytest

from dms_pipeline.errors import LoadError
from dms_pipeline_tests.a_pipeline import NAME, STUDENTS, World, a_world, checkpoint_at
from dms_pipeline_tests.fake_engine import Script, table_row


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


def test_every_step_may_be_repeated_by_the_same_run(world):
    load = world.load()
    for _ in range(2):
        load.create_instance()
    for _ in range(2):
        load.test_connections()
    for _ in range(2):
        load.create_task("full-load-and-cdc", None)
    for _ in range(2):
        load.run_task(world.source)
    for _ in range(2):
        load.record_load(world.source, world.checkpoints, world.metrics)
    for _ in range(2):
        load.delete_task()
    for _ in range(2):
        load.delete_instance()
    assert len(world.engine.specs) == 1
    assert [record.sequence for record in world.checkpoints.history("studentdb")] == [1]
    assert len(list(world.metrics.history("studentdb"))) == 1


def test_instance_of_another_run_is_refused_naming_run_and_remedy(world):
    world.load("run-1").create_instance()
    with pytest.raises(
        LoadError, match="left over from run run-1 .*dms-pipeline cleanup studentdb"
    ):
        world.load("run-2").create_instance()


def test_another_run_deletes_nothing_of_ours_unless_it_cleans_up(world):
    world.prepare("run-1")
    with pytest.raises(LoadError, match="left over from run run-1"):
        world.load("run-2").delete_task()
    with pytest.raises(LoadError, match="left over from run run-1"):
        world.load("run-2").delete_instance()
    cleanup = world.load("run-2", force=True)
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
            "no recovery checkpoint",
        ),
    ],
    ids=["table error", "table not selected", "errors without a name", "no checkpoint"],
)
def test_checkpoint_does_not_move_over_what_was_not_loaded(world, script, words):
    world.engine.script(NAME, script)
    load = world.prepare()
    load.run_task(world.source)
    with pytest.raises(LoadError, match=words):
        load.record_load(world.source, world.checkpoints, world.metrics)
    assert world.checkpoints.latest("studentdb") is None


def test_load_that_has_not_caught_up_is_extended_until_it_has(world):
    world.run("run-1")
    tables = [table_row("studentdb", "student_details", Inserts=1)]
    world.engine.script(
        NAME,
        Script(tables=tables, checkpoint=checkpoint_at(2000)),
        Script(tables=tables, checkpoint=checkpoint_at(2001)),
        Script(tables=tables, checkpoint=checkpoint_at(2002)),
    )
    load = world.prepare("run-2", cdc=True)
    load.run_task(world.source)
    assert [spec["resume"] for spec in world.engine.specs[1:]] == [False, True, True]


def test_load_that_never_catches_up_ends_and_says_so(world):
    world.run("run-1")
    tables = [table_row("studentdb", "student_details")]
    world.engine.script(NAME, Script(tables=tables, checkpoint=checkpoint_at(2001)))
    world.prepare("run-2", cdc=True)
    world.load("run-2", extensions=2).run_task(world.source)
    assert len(world.engine.specs) == 1 + 3
    assert "the next load carries on from there" in world.said[-1]


def test_checkpoint_moved_by_another_writer_during_the_load_is_not_overwritten(world):
    world.run("run-1")
    load = world.prepare("run-2", cdc=True)
    load.run_task(world.source)
    seen = world.checkpoints.latest("studentdb")
    world.checkpoints.advance(
        replace(seen, run_id="by-hand", checkpoint=checkpoint_at(5000)), seen=seen
    )
    with pytest.raises(LoadError, match="was moved while this load ran"):
        load.record_load(world.source, world.checkpoints, world.metrics)
    assert world.checkpoints.latest("studentdb").run_id == "by-hand"


def test_password_of_an_endpoint_is_in_nothing_that_is_said_or_shown(world):
    world.run()
    assert "secret" not in "\n".join(world.said)
    assert "secret" not in repr(world.source)
