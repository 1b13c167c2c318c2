"""Servers and engines that die in the middle of a full load: no half tables, and a later load."""

import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from dms_pipeline_tests.e2e.case_runs import drop_on_target
from dms_pipeline_tests.engine_driver import EngineRun, include, source_rows, target_rows
from dms_pipeline_tests.integration.test_engine_full_load_and_cdc import Source
from dms_pipeline_tests.source_kinds import on_mariadb, on_mysql_in_soak

SCHEMA = "e_load_interrupted"
CONTENT = f"SELECT a, v FROM {SCHEMA}.t ORDER BY a"
LOAD: dict[str, Any] = {
    "rules": [include(SCHEMA)],
    "migration_type": "full-load-and-cdc",
    "full_load": {
        "StopTaskCachedChangesApplied": True,
        "TargetTablePrepMode": "TRUNCATE_BEFORE_LOAD",
    },
}
HOLD_IN_THE_MIDDLE = f"""
    CREATE FUNCTION {SCHEMA}.hold() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN PERFORM pg_advisory_xact_lock_shared(4712); RETURN NEW; END';
    CREATE TRIGGER hold BEFORE INSERT ON {SCHEMA}.t
      FOR EACH ROW WHEN (NEW.a >= 1000) EXECUTE FUNCTION {SCHEMA}.hold()
"""
HELD = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 4712 AND NOT granted"


@pytest.fixture
def source(source_server, postgres) -> Iterator[Source]:
    drop_on_target(postgres.dsn, SCHEMA)
    opened = Source(source_server.dsn, SCHEMA)
    opened.run(f"CREATE TABLE {SCHEMA}.t (a int PRIMARY KEY AUTO_INCREMENT, v varchar(4000))")
    opened.run(f"INSERT INTO {SCHEMA}.t (v) VALUES (REPEAT('x', 4000))")
    for _ in range(12):
        # More than fits into the buffers between the source and a reader that waits.
        opened.run(f"INSERT INTO {SCHEMA}.t (v) SELECT v FROM {SCHEMA}.t")
    yield opened
    # Others use the servers after a test that failed half way.
    source_server.start()
    postgres.start()
    opened.reconnect()
    opened.run(f"DROP DATABASE {SCHEMA}")
    opened.close()


def interrupt(source: Source, postgres, how: Callable[[EngineRun], None]) -> EngineRun:
    """A reload over a good load and its checkpoint, struck in the middle."""
    first = EngineRun(source.dsn, postgres.dsn, **LOAD)
    assert first.wait()["type"] == "stopped"
    loaded = target_rows(postgres.dsn, CONTENT)
    source.run(f"UPDATE {SCHEMA}.t SET v = 'changed' WHERE a = 1")
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute(HOLD_IN_THE_MIDDLE)
        connection.execute("SELECT pg_advisory_lock(4712)")
        run = EngineRun(source.dsn, postgres.dsn, **LOAD)
        deadline = time.monotonic() + 30
        while not connection.execute(HELD).fetchall():
            assert time.monotonic() < deadline, run.log
            time.sleep(0.02)
        how(run)
    run.process.join(60)
    assert run.is_over, run.log
    postgres.start()
    assert target_rows(postgres.dsn, CONTENT) == loaded
    assert run.checkpoint is None
    return run


def assert_resumed_task_loads_again(source: Source, postgres) -> None:
    again = EngineRun(source.dsn, postgres.dsn, resume=True, **LOAD)
    assert again.wait()["reason"] == "STOPPED_AFTER_CACHED_EVENTS"
    rows = source_rows(source.dsn, CONTENT)
    assert rows[0][1] == "changed"
    assert target_rows(postgres.dsn, CONTENT) == rows


@on_mysql_in_soak
def test_source_that_dies_in_a_full_load_fails_it(source_server, postgres, source):
    def kill(_: EngineRun) -> None:
        source_server.process.stop(signal.SIGKILL, timeout_s=60)

    run = interrupt(source, postgres, kill)
    end = run.wait()
    source_server.start()
    assert (end["type"], end["reason"]) == ("failed", "RECOVERABLE_ERROR"), end
    assert f"full load of table {SCHEMA}.t: (2013)" in end["message"]
    assert run.counters("t")["TableState"] == "Table error"
    assert_resumed_task_loads_again(source, postgres)


@on_mariadb
def test_target_that_dies_in_a_full_load_fails_it(postgres, source):
    def kill(_: EngineRun) -> None:
        postgres.process.stop(signal.SIGQUIT, timeout_s=60)

    end = interrupt(source, postgres, kill).wait()
    assert (end["type"], end["reason"]) == ("failed", "RECOVERABLE_ERROR"), end
    assert f"full load of table {SCHEMA}.t: " in end["message"]
    assert_resumed_task_loads_again(source, postgres)


@on_mariadb
def test_engine_that_is_killed_in_a_reload_does_not_go_on_from_the_former_checkpoint(
    postgres, source
):
    interrupt(source, postgres, lambda run: run.kill())
    assert_resumed_task_loads_again(source, postgres)
