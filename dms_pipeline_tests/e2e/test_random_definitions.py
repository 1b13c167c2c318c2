"""Definitions that change before, beside and between runs: equal tables, or an error that says why.

A difference that nothing tells of is what these tests look for.
"""

import random
import re
from typing import Any

import pytest

from dms_pipeline_tests.e2e.case_runs import drop_on_target, source_end, wait_until_applied
from dms_pipeline_tests.e2e.random_definitions import Scripts
from dms_pipeline_tests.e2e.table_contents import source_content, source_tables, target_content
from dms_pipeline_tests.engine_driver import EngineRun, include, run_on_target, target_rows

MODES = ("beside", "afterwards", "unnoted", "between")
_STRICT = {
    "DataErrorPolicy": "SUSPEND_TABLE", "DataTruncationErrorPolicy": "SUSPEND_TABLE",
    "ApplyErrorDeletePolicy": "SUSPEND_TABLE", "ApplyErrorInsertPolicy": "SUSPEND_TABLE",
    "ApplyErrorUpdatePolicy": "SUSPEND_TABLE",
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", [1])
def test_changing_definitions_are_followed_or_refused(source_server, postgres, seed, mode):
    _run(source_server, postgres.dsn, seed=seed, mode=mode, tables=15)


@pytest.mark.soak
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", range(5))
def test_many_changing_definitions_are_followed_or_refused(source_server, postgres, number, mode):
    # Seeded by pytest-randomly, whose option repeats it.
    seed = random.randrange(1_000_000) + number
    _run(source_server, postgres.dsn, seed=seed, mode=mode, tables=150)


def _run(source_server: Any, target_dsn: str, *, seed: int, mode: str, tables: int) -> None:
    print(f"seed {seed}")
    dsn, schema = source_server.dsn, "definitions"
    drop_on_target(target_dsn, schema)
    scripts = Scripts(dsn, schema, seed, tables=tables, is_mariadb=source_server.program.is_mariadb)
    task: dict[str, Any] = {"rules": [include(schema)], "settings": {"ErrorBehavior": _STRICT}}
    load = EngineRun(
        dsn, target_dsn, migration_type="full-load-and-cdc",
        full_load={"StopTaskCachedChangesApplied": True}, **task,
    )  # fmt: skip
    assert load.wait(120)["type"] == "stopped", load.log
    suspended = _suspended(load)
    checkpoint, log = load.checkpoint, load.log
    runs = 2 if mode == "between" else 1
    for number in range(runs):
        if mode != "beside":
            scripts.go_on(6)
        if mode == "unnoted":
            # As for a task that begins where no task of ours has been.
            run_on_target(target_dsn, "DROP TABLE public.local_dms_definitions")
        run = EngineRun(dsn, target_dsn, position=checkpoint, task_id=f"TASK{number}", **task)
        if mode == "beside":
            run.wait_for("running")
            scripts.go_on(8)
        elif mode == "between":
            run.wait_for("running")
            scripts.go_on(3)
        wait_until_applied(run, source_end(dsn))
        if not run.is_over:
            run.stop()
        end = run.wait()
        assert end["type"] == "stopped", (end, run.log)
        assert "Traceback" not in "".join(run.log)
        suspended |= _suspended(run)
        checkpoint = run.checkpoint
        log += run.log
    scripts.close()
    wrong = _differences(dsn, target_dsn, schema, suspended)
    for table, difference in wrong.items():
        told = [line for line in log if re.search(rf"\b{table}\b", line)]
        print(table, *difference, *scripts.executed.get(table, ()), *told, sep="\n    ")
    assert not wrong


def _suspended(run: EngineRun) -> set[str]:
    """Tables in error; each must be named with the reason in the log."""
    last = [message for message in run.messages if message["type"] == "tables"][-1]["tables"]
    names = {row["TableName"] for row in last if row["TableState"] == "Table error"}
    for name in names:
        reason = re.compile(rf" ERROR .*\bdefinitions\.{name}\b")
        assert any(reason.search(line) for line in run.log), (name, "".join(run.log))
    return names


def _differences(
    dsn: str, target_dsn: str, schema: str, suspended: set[str]
) -> dict[str, tuple[Any, ...]]:
    tables = source_tables(dsn, schema)
    wrong: dict[str, tuple[Any, ...]] = {}
    for table in tables.keys() - suspended:
        columns = tables[table]
        known = target_rows(
            target_dsn,
            "SELECT column_name FROM information_schema.columns"
            f" WHERE table_schema = '{schema}' AND table_name = '{table}'",
        )
        if {name for (name,) in known} != {name for name, _ in columns}:
            wrong[table] = (known, columns)
            continue
        expected = source_content(dsn, schema, table, columns)
        found = target_content(target_dsn, schema, table, columns)
        if found != expected:
            wrong[table] = (expected - found, found - expected, columns)
    print(f"{len(tables)} tables, {len(suspended)} suspended")
    return wrong
