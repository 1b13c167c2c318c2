"""A target whose disk is full: the task fails with the reason and goes on when there is space."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dms_pipeline_tests.e2e.case_runs import source_end, wait_until_applied
from dms_pipeline_tests.engine_driver import EngineRun, include, source_rows, target_rows
from dms_pipeline_tests.integration.test_engine_full_load_and_cdc import Source
from dms_pipeline_tests.small_disk import NO_SMALL_DISK, SmallDiskServer, can_have_small_disk

SCHEMA = "e_disk_full"
KEYS = f"SELECT a FROM {SCHEMA}.t ORDER BY a"


@pytest.fixture
def target() -> Iterator[SmallDiskServer]:
    if not can_have_small_disk():
        pytest.skip(NO_SMALL_DISK)
    with tempfile.TemporaryDirectory(prefix="dms-tests-") as folder:
        server = SmallDiskServer(Path(folder) / "target")
        server.start()
        yield server
        server.stop()


@pytest.fixture
def source(mysql) -> Iterator[Source]:
    opened = Source(mysql.dsn, SCHEMA)
    opened.run(f"CREATE TABLE {SCHEMA}.t (a int PRIMARY KEY, v varchar(8000))")
    yield opened
    opened.run(f"DROP DATABASE {SCHEMA}")
    opened.close()


def insert(source: Source, first: int, count: int) -> None:
    """Rows of 8 kB that do not get smaller when they are compressed."""
    noise = ", ".join(["SHA2(RAND(), 512)"] * 60)
    source.run("BEGIN")
    for key in range(first, first + count):
        source.run(f"INSERT INTO {SCHEMA}.t VALUES ({key}, CONCAT({noise}))")
    source.run("COMMIT")


def start(mysql, target: SmallDiskServer, **options: Any) -> EngineRun:
    return EngineRun(mysql.dsn, target.dsn, rules=[include(SCHEMA)], **options)


def load(mysql, target: SmallDiskServer) -> EngineRun:
    return start(
        mysql,
        target,
        migration_type="full-load-and-cdc",
        full_load={"StopTaskCachedChangesApplied": True},
    )


def assert_names_the_full_disk(run: EngineRun) -> None:
    end = run.wait()
    assert (end["type"], end["reason"]) == ("failed", "FATAL_ERROR"), end
    assert "No space left on device (53100); make space on the target's disk" in end["message"]


def test_disk_that_is_full_fails_load_and_capture_which_go_on_when_there_is_space(
    mysql, target, source
):
    insert(source, 0, 100)
    target.fill()
    load_without_space = load(mysql, target)
    assert_names_the_full_disk(load_without_space)
    assert load_without_space.checkpoint is None
    assert target_rows(target.dsn, "SELECT 1 FROM pg_tables WHERE tablename = 't'") == []
    target.make_space()
    first = load(mysql, target)
    assert first.wait()["type"] == "stopped", first.messages[-1]
    loaded = source_rows(mysql.dsn, KEYS)
    assert target_rows(target.dsn, KEYS) == loaded

    insert(source, 1000, 100)
    target.fill()
    without_space = start(mysql, target, position=first.checkpoint)
    assert_names_the_full_disk(without_space)
    assert target_rows(target.dsn, KEYS) == loaded
    assert without_space.checkpoint == first.checkpoint
    target.make_space()
    again = start(mysql, target, position=without_space.checkpoint)
    wait_until_applied(again, source_end(mysql.dsn))
    again.stop()
    assert again.wait()["type"] == "stopped"
    assert target_rows(target.dsn, KEYS) == source_rows(mysql.dsn, KEYS)
