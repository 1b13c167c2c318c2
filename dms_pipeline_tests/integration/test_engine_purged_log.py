"""A binary log that is purged before the task has read it: named, and the checkpoint stays."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dms_pipeline_tests.e2e.case_runs import drop_on_target, source_end, wait_until_applied
from dms_pipeline_tests.engine_driver import EngineRun, include, source_rows, target_rows
from dms_pipeline_tests.integration.test_engine_full_load_and_cdc import Source, load
from dms_pipeline_tests.source_kinds import on_mariadb, on_mysql_in_soak

SCHEMA = "e_purged_log"
KEYS = f"SELECT a FROM {SCHEMA}.t ORDER BY a"


@pytest.fixture
def source(source_server, postgres) -> Iterator[Source]:
    drop_on_target(postgres.dsn, SCHEMA)
    opened = Source(source_server.dsn, SCHEMA)
    opened.run(f"CREATE TABLE {SCHEMA}.t (a int PRIMARY KEY)")
    yield opened
    # Others use the server after a test that failed half way.
    source_server.start()
    opened.close()
    fresh = Source(source_server.dsn, SCHEMA, create=False)
    fresh.run(f"DROP DATABASE {SCHEMA}")
    fresh.close()


def start(source: Source, postgres, position: str | None, **options: Any) -> EngineRun:
    retries = {"ErrorBehavior": {"RecoverableErrorCount": 9, "RecoverableErrorInterval": 1}}
    return EngineRun(
        source.dsn,
        postgres.dsn,
        rules=[include(SCHEMA)],
        position=position,
        settings=retries,
        **options,
    )


def purge_all(source: Source) -> None:
    """Every file but a new one; those that a reader has open are kept by the server."""
    source.run("FLUSH BINARY LOGS")
    source.run(f"PURGE BINARY LOGS TO '{source_end(source.dsn).file}'")


def assert_names_the_file(run: EngineRun, checkpoint: str | None) -> None:
    end = run.wait()
    assert (end["type"], end["reason"]) == ("failed", "FATAL_ERROR"), end
    assert checkpoint is not None
    file = checkpoint.split("#")[2].split(":")[0]
    assert f"binary log file {file} is no longer on the source" in end["message"]
    assert "a full load is needed" in end["message"]
    assert run.checkpoint in (None, checkpoint)


@on_mysql_in_soak
def test_log_that_is_purged_before_and_in_the_middle_of_a_run_is_named(
    source_server, postgres, source
):
    first = load(source_server, postgres, source)
    run = start(source, postgres, first.checkpoint)
    source.run(f"INSERT INTO {SCHEMA}.t VALUES (1)")
    wait_until_applied(run, source_end(source.dsn))
    far_behind = run.checkpoint
    # The reader is gone for a moment in which the files go that it had not read.
    source_server.process.stop(signal.SIGKILL, timeout_s=60)
    run.wait_for_log("attempt 1 of 9")
    run.signal(signal.SIGSTOP)
    source_server.start()
    source.reconnect()
    source.run(f"INSERT INTO {SCHEMA}.t VALUES (2)")
    purge_all(source)
    run.signal(signal.SIGCONT)
    assert_names_the_file(run, far_behind)
    assert_names_the_file(start(source, postgres, far_behind), far_behind)
    assert target_rows(postgres.dsn, KEYS) == [(1,)]
    again = load(source_server, postgres, source)
    assert again.messages[-1]["type"] == "stopped"
    assert target_rows(postgres.dsn, KEYS) == source_rows(source.dsn, KEYS)


@on_mariadb
def test_transaction_that_a_crash_left_unfinished_in_the_log_is_no_change(
    source_server, postgres, source
):
    first = load(source_server, postgres, source)
    source.run(f"INSERT INTO {SCHEMA}.t VALUES (1)")
    source.run(f"INSERT INTO {SCHEMA}.t VALUES (2)")
    log = _log_file(source_server, source_end(source.dsn).file)
    source_server.process.stop(signal.SIGKILL, timeout_s=60)
    with log.open("rb+") as file:
        file.truncate(log.stat().st_size - XID_EVENT_BYTES)
    source_server.start()
    source.reconnect()
    source.run(f"INSERT INTO {SCHEMA}.t VALUES (3)")
    run = start(source, postgres, first.checkpoint)
    wait_until_applied(run, source_end(source.dsn))
    run.stop()
    assert run.wait()["type"] == "stopped", run.messages[-1]
    assert target_rows(postgres.dsn, KEYS) == [(1,), (3,)]


XID_EVENT_BYTES = 19 + 8 + 4


def _log_file(server: Any, name: str) -> Path:
    return Path(server.home) / "data" / name
