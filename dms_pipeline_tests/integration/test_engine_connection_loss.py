"""Connections that are lost while changes are captured: tried again, or the task fails for them."""

import pytest

from dms_pipeline_tests.e2e.case_runs import source_end, wait_until_applied
from dms_pipeline_tests.engine_driver import EngineRun, include, run_on_target, target_rows
from dms_pipeline_tests.integration.test_engine_full_load_and_cdc import Source, load

END_TARGET_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'local_dms'"
)


@pytest.fixture
def source(source_server):
    opened = Source(source_server.dsn, "e_connection_loss")
    opened.run("CREATE TABLE e_connection_loss.t (a int PRIMARY KEY)")
    yield opened
    opened.run("DROP DATABASE e_connection_loss")
    opened.close()


def start(source_server, postgres, source: Source, retries: int) -> EngineRun:
    first = load(source_server, postgres, source)
    run = EngineRun(
        source_server.dsn,
        postgres.dsn,
        rules=[include(source.schema)],
        position=first.checkpoint,
        settings={
            "ErrorBehavior": {"RecoverableErrorCount": retries, "RecoverableErrorInterval": 1}
        },
    )
    run.wait_for("running")
    wait_until_applied(run, source_end(source_server.dsn))
    source.run("INSERT INTO e_connection_loss.t VALUES (1)")
    wait_until_applied(run, source_end(source_server.dsn))
    return run


def end_source_connections(source: Source) -> None:
    with source._connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%'"
        )
        for (number,) in cursor.fetchall():
            cursor.execute(f"KILL {number}")


def rows(postgres) -> list[tuple[int]]:
    return target_rows(postgres.dsn, "SELECT a FROM e_connection_loss.t ORDER BY a")


@pytest.mark.parametrize("side", ["source", "target"])
def test_lost_connection_is_made_again_and_nothing_is_missing(
    source_server, postgres, source, side
):
    run = start(source_server, postgres, source, retries=5)
    if side == "source":
        end_source_connections(source)
    else:
        run_on_target(postgres.dsn, END_TARGET_CONNECTIONS)
    source.run("INSERT INTO e_connection_loss.t VALUES (2)")
    wait_until_applied(run, source_end(source_server.dsn))
    run.stop()
    assert run.wait()["reason"] == "NORMAL"
    assert any("attempt 1 of 5" in line for line in run.log)
    assert rows(postgres) == [(1,), (2,)]


def test_without_retries_the_task_fails_as_recoverable_and_a_later_run_goes_on(
    source_server, postgres, source
):
    run = start(source_server, postgres, source, retries=0)
    run_on_target(postgres.dsn, END_TARGET_CONNECTIONS)
    source.run("INSERT INTO e_connection_loss.t VALUES (2)")
    end = run.wait()
    assert (end["type"], end["reason"]) == ("failed", "RECOVERABLE_ERROR")
    again = EngineRun(
        source_server.dsn,
        postgres.dsn,
        rules=[include(source.schema)],
        position=run.checkpoint,
        resume=True,
    )
    wait_until_applied(again, source_end(source_server.dsn))
    again.stop()
    again.wait()
    assert rows(postgres) == [(1,), (2,)]
