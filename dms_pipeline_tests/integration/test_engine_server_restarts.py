"""Servers that are stopped, killed and started again under a running task."""

import contextlib
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dms_pipeline.local_dms.servers import MySQLServer, PostgresServer
from dms_pipeline.local_dms.servers.lifecycle import PrivateServer
from dms_pipeline_tests.e2e.case_runs import drop_on_target, source_end, wait_until_applied
from dms_pipeline_tests.e2e.table_contents import source_content, source_tables, target_content
from dms_pipeline_tests.engine_driver import EngineRun, include
from dms_pipeline_tests.restarting_workload import PersistentWriter

SCHEMA = "e_server_restarts"
LOAD: dict[str, Any] = {
    "migration_type": "full-load-and-cdc",
    "full_load": {"StopTaskCachedChangesApplied": True},
}


@pytest.fixture
def task(installed_mysql, postgres):
    return Task(installed_mysql, postgres)


class Task:
    """One task over both servers, in as many runs as it takes."""

    def __init__(self, source: MySQLServer, target: PostgresServer) -> None:
        self.source = source
        self.target = target
        drop_on_target(target.dsn, SCHEMA)
        self.writer = PersistentWriter(source.dsn, SCHEMA)

    def load(self) -> EngineRun:
        run = self.start(None, **LOAD)
        assert run.wait()["type"] == "stopped", run.log
        return run

    def start(self, position: str | None, *, retries: int = 9, **options) -> EngineRun:
        return EngineRun(
            self.source.dsn,
            self.target.dsn,
            rules=[include(SCHEMA)],
            position=position,
            settings={
                "ErrorBehavior": {
                    "RecoverableErrorCount": retries,
                    "RecoverableErrorInterval": 1,
                    "RecoverableErrorThrottling": False,
                    "ApplyErrorDeletePolicy": "STOP_TASK",
                    "ApplyErrorInsertPolicy": "STOP_TASK",
                    "ApplyErrorUpdatePolicy": "STOP_TASK",
                }
            },
            **options,
        )

    @contextlib.contextmanager
    def workload(self) -> Iterator[None]:
        self.writer.start()
        try:
            yield
        finally:
            self.source.start()
            self.target.start()
            self.writer.finish()

    def write_some(self, run: EngineRun | None = None) -> None:
        """Until there are some transactions more, and ``run`` has applied them."""
        wanted = self.writer.transactions + 30
        deadline = time.monotonic() + 30
        while self.writer.transactions < wanted:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if run is not None:
            wait_until_applied(run, source_end(self.source.dsn))

    def assert_equal(self, run: EngineRun) -> None:
        wait_until_applied(run, source_end(self.source.dsn))
        assert not run.is_over, run.messages[-1]
        run.stop()
        assert run.wait()["reason"] == "NORMAL"
        tables = source_tables(self.source.dsn, SCHEMA)
        assert len(tables) == 2
        for table, columns in tables.items():
            expected = source_content(self.source.dsn, SCHEMA, table, columns)
            assert expected
            assert target_content(self.target.dsn, SCHEMA, table, columns) == expected


def end(server: PrivateServer, number: signal.Signals) -> None:
    server.process.stop(number, timeout_s=60)


@pytest.mark.parametrize(
    ("source_server", "number"),
    [
        ("mariadb", signal.SIGTERM),
        ("mysql", signal.SIGKILL),
        pytest.param("mariadb", signal.SIGKILL, marks=pytest.mark.soak),
        pytest.param("mysql", signal.SIGTERM, marks=pytest.mark.soak),
    ],
    indirect=["source_server"],
)
def test_source_is_restarted_under_a_running_task(source_server, postgres, number):
    assert_task_survives_restart(Task(source_server, postgres), source_server, number)


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, pytest.param(signal.SIGQUIT, marks=pytest.mark.soak)]
)
def test_target_is_restarted_under_a_running_task(task, postgres, number):
    assert_task_survives_restart(task, postgres, number)


def assert_task_survives_restart(task: Task, server: PrivateServer, number: signal.Signals) -> None:
    first = task.load()
    with task.workload():
        run = task.start(first.checkpoint)
        task.write_some(run)
        end(server, number)
        run.wait_for_log("attempt 1 of 9")
        server.start()
        task.write_some(run)
    task.assert_equal(run)


@pytest.mark.parametrize("side", ["target", pytest.param("source", marks=pytest.mark.soak)])
def test_server_that_stays_away_fails_the_task_and_a_later_run_goes_on(task, side):
    first = task.load()
    away = getattr(task, side)
    with task.workload():
        run = task.start(first.checkpoint, retries=2)
        task.write_some(run)
        end(away, signal.SIGKILL)
        message = run.wait()
        assert (message["type"], message["reason"]) == ("failed", "RECOVERABLE_ERROR")
        assert message["message"].startswith(f"cannot connect to {side} ")
        assert message["message"].endswith("Task 'task' was stopped after 2 recovery attempts")
        away.start()
        task.write_some()
    task.assert_equal(task.start(run.checkpoint))
