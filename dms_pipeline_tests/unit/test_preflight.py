"""Preflight: every missing thing in one message, before anything is created."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dms_pipeline.binlog.events import QueryEvent
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import AwsError, PreflightError, SourceError
from dms_pipeline.log_retention import missable_loads
from dms_pipeline.pipeline_config import ScheduleSection
from dms_pipeline.preflight import Preflight
from dms_pipeline.schema_drift import ColumnSize
from dms_pipeline_tests.a_pipeline import (
    LOGIN,
    READY,
    STUDENTS,
    FakeSource,
    FakeTarget,
    World,
    a_world,
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return a_world(tmp_path)


def preflight(world: World, **replaced: Any) -> Preflight:
    source, target = replaced.pop("source", world.source), replaced.pop("target", world.target)
    run_id = replaced.pop("run_id", "run-9")
    given: dict[str, Any] = {
        "pipeline": world.pipeline,
        "migration_type": "cdc",
        "reload": False,
        "checkpoint": world.checkpoints.latest("studentdb"),
        "lease": world.lease(run_id),
        "objects": world.objects(run_id),
        "source": lambda: source,
        "target": lambda: target,
        "topic": world.topic(),
        **replaced,
    }
    return Preflight(**given)


def test_world_that_is_ready_passes(world):
    preflight(world, migration_type="full-load-and-cdc").run()
    world.run()
    preflight(world).run()


def test_incremental_load_without_a_full_load_says_what_to_run(world):
    with pytest.raises(
        PreflightError, match="no full load was done yet.*dms-pipeline run studentdb full-load"
    ):
        preflight(world).run()


def test_full_load_over_a_checkpoint_needs_reload(world):
    world.run()
    full = preflight(world, migration_type="full-load-and-cdc")
    with pytest.raises(PreflightError, match="recreates its target tables.*--reload"):
        full.run()
    replace(full, reload=True).run()
    replace(full, objects=world.objects("run-1")).run()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (FakeSource(LOGIN).with_variables(log_bin="OFF"), "log_bin=OFF, needed is ON"),
        (FakeSource(LOGIN).with_variables(binlog_format="MIXED"), "binlog_format=MIXED"),
        (FakeSource(LOGIN).with_variables(binlog_row_image="MINIMAL"), "binlog_row_image=MINIMAL"),
        (FakeSource(LOGIN, keyed={}), "no table studentdb.student_details"),
        (FakeSource(LOGIN, keyed={STUDENTS: False}), "has no primary key"),
    ],
)
def test_source_that_cannot_be_replicated_is_refused(world, source, words):
    with pytest.raises(PreflightError, match=words):
        preflight(world, migration_type="full-load-and-cdc", source=source).run()


@pytest.mark.parametrize(
    ("cron", "kept_hours", "words"),
    [
        ("0 * * * *", 4, ""),
        ("0 * * * *", 3, "keeps binary logs for 3:00:00, and up to 1:00:00 pass"),
        ("0 6 * * 1-5", 100, "up to 3 days, 0:00:00 pass between two loads: keep them for 12 days"),
        ("0 6 * * 1-5", None, ""),
        ("0 * * * *", 0, "keeps binary logs for 0:00:00"),
    ],
)
def test_binary_logs_that_are_not_kept_for_four_loads_are_warned_of(world, cron, kept_hours, words):
    kept_s = None if kept_hours is None else kept_hours * 3600
    source = FakeSource(LOGIN, state=replace(world.source.state, retention_s=kept_s))
    schedule = world.pipeline.schedule.model_copy(update={"cron": cron})
    pipeline = replace(world.pipeline, schedule=schedule)
    preflight(world, pipeline=pipeline, migration_type="full-load-and-cdc", source=source).run()
    assert [line for line in world.said if "binary logs" in line and words in line] == [
        line for line in world.said if words
    ]


def test_checkpoint_after_the_end_of_the_log_is_refused(world):
    world.run()
    end = BinlogPosition("mysql-bin-changelog.000001", 500)
    with pytest.raises(PreflightError, match="lies after mysql-bin-changelog.000001:500"):
        preflight(world, source=FakeSource(LOGIN, state=replace(world.source.state, end=end))).run()


def test_topic_without_subscribers_is_warned_of(world):
    preflight(world, migration_type="full-load-and-cdc").run()
    assert not any("SNS topic" in line for line in world.said)
    preflight(world, migration_type="full-load-and-cdc", topic=world.topic("empty")).run()
    words = "nobody has confirmed a subscription to the SNS topic empty: the mails of studentdb"
    assert any(words in line for line in world.said)


def test_topic_that_is_not_there_is_refused(world):
    missing = world.topic("arn:aws:sns:us-east-1:123456789012:nowhere")
    with pytest.raises(PreflightError, match="Create the topic.*notification_topic"):
        preflight(world, migration_type="full-load-and-cdc", topic=missing).run()


def test_run_that_loads_meanwhile_is_a_finding(world):
    world.lease("run-1").take()
    with pytest.raises(PreflightError, match="being loaded by run run-1 since"):
        preflight(world, migration_type="full-load-and-cdc").run()
    preflight(world, migration_type="full-load-and-cdc", run_id="run-1").run()


def test_missing_secret_is_one_finding_among_others(world):
    def missing():
        raise AwsError("no such secret")

    wanted = replace(preflight(world, migration_type="full-load-and-cdc"), source=missing)
    with pytest.raises(PreflightError, match="nothing was created: no such secret"):
        wanted.run()
    assert "target schemas" in [finding.checked for finding in wanted.findings()]


def test_purged_binary_log_is_named_with_the_oldest_left(world):
    world.run()
    state = replace(world.source.state, binary_logs=("mysql-bin-changelog.000007",))
    with pytest.raises(PreflightError, match="changelog.000002.* gone .*oldest left is .*000007"):
        preflight(world, source=FakeSource(LOGIN, state=state)).run()


def test_checkpoint_of_another_server_is_refused(world):
    world.run()
    state = replace(world.source.state, identity="server_id 2")
    with pytest.raises(PreflightError, match="belongs to another source server"):
        preflight(world, source=FakeSource(LOGIN, state=state)).run()


def test_target_that_may_not_be_written_is_refused(world):
    target = FakeTarget(LOGIN, may_create=False)
    with pytest.raises(PreflightError, match="target has no schema studentdb"):
        preflight(world, migration_type="full-load-and-cdc", target=target).run()


def test_target_tables_that_may_not_be_written_are_named(world):
    target = FakeTarget(LOGIN, may_not=("write a.b: GRANT INSERT",))
    with pytest.raises(PreflightError, match="user may not write a.b: GRANT INSERT"):
        preflight(world, migration_type="full-load-and-cdc", target=target).run()


def test_leftover_of_another_run_is_named_with_the_remedy(world):
    world.prepare("run-1")
    with pytest.raises(PreflightError, match="left over from run run-1.*cleanup"):
        preflight(world, migration_type="full-load-and-cdc").run()
    preflight(world, migration_type="full-load-and-cdc", run_id="run-1").run()


def test_every_problem_is_in_one_message(world):
    class Down(FakeSource):
        def server(self):
            raise SourceError("cannot connect to the source")

    with pytest.raises(PreflightError, match="3 problems") as raised:
        preflight(world, source=Down(LOGIN), target=FakeTarget(LOGIN, may_create=False)).run()
    for words in ("no full load", "cannot connect to the source", "no schema studentdb"):
        assert words in str(raised.value)


def test_table_that_the_server_changes_by_itself_is_warned_of(world):
    source = FakeSource(LOGIN, unlogged={STUDENTS: ["ON DELETE CASCADE"]})
    preflight(world, migration_type="full-load-and-cdc", source=source).run()
    assert any("foreign key ON DELETE CASCADE" in line for line in world.said)


def test_table_without_a_primary_key_may_be_accepted(world):
    [table] = world.pipeline.tables
    accepted = replace(world.pipeline, tables=(replace(table, accept_no_primary_key=True),))
    source = FakeSource(LOGIN, keyed={STUDENTS: False})
    preflight(world, pipeline=accepted, migration_type="full-load-and-cdc", source=source).run()
    assert any("has no primary key" in line for line in world.said)


def test_tables_that_the_mapping_selects_and_nobody_listed_are_warned_of(world):
    mapping = world.pipeline.table_mappings.replace('"student_details"}', '"%"}')
    pipeline = replace(world.pipeline, table_mappings=mapping)
    source = replace(
        world.source,
        keyed={STUDENTS: True, TableId("studentdb", "a"): True, TableId("x", "y"): True},
    )
    found = preflight(world, pipeline=pipeline, source=source).findings()
    [warning] = [one.warning for one in found if one.checked == "selected tables"]
    assert "selects 1 tables that are not in pipeline.yaml (studentdb.a)" in warning


@pytest.mark.parametrize(
    ("cron", "kept_hours", "loads"),
    [("0 * * * *", 168, 167), ("0 6 * * 1-5", 168, 1), ("0 * * * *", 0, 0), ("@daily", 30, 0)],
)
def test_how_many_loads_may_be_missed_is_told_by_the_longest_pause(cron, kept_hours, loads):
    server = replace(READY, retention_s=kept_hours * 3600.0)
    schedule = ScheduleSection.model_validate({"cron": cron})
    assert missable_loads(server.retention_s, schedule, datetime(2026, 1, 1, tzinfo=UTC)) == loads
    assert missable_loads(READY.retention_s, schedule, datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_columns_that_drifted_apart_are_warned_of_unless_this_load_brings_them(world):
    world.run()
    source = replace(world.source, column_sizes=(ColumnSize("a", "bigint"),))
    target = replace(world.target, column_sizes=(ColumnSize("a", "int4"),))
    found = preflight(world, source=source, target=target).findings()
    [warning] = [one.warning for one in found if one.checked.startswith("columns of")]
    assert "student_details and its target have drifted apart (a: bigint does not fit" in warning
    position = BinlogPosition("mysql-bin-changelog.000002", 2000)
    altered = QueryEvent("", "ALTER TABLE student_details MODIFY a bigint", position, 0, False)
    found = preflight(world, source=replace(source, statements=[altered]), target=target).findings()
    assert [one.warning for one in found if one.checked.startswith("columns")] == [""]
