"""Killed anywhere under a random workload and resumed: both sides whole and equal, keys or not."""

import random
import time
from typing import Any

import pytest

from dms_pipeline_tests.e2e.case_runs import drop_on_target, source_end, wait_until_applied
from dms_pipeline_tests.e2e.random_workload import TABLES, RandomWriter
from dms_pipeline_tests.e2e.table_contents import source_content, source_tables, target_content
from dms_pipeline_tests.engine_driver import EngineRun, include, run_on_target


@pytest.mark.parametrize("seed", [1])
def test_20_kills_leave_both_sides_equal(source_server, postgres, seed):
    _run(source_server.dsn, postgres.dsn, kills=20, seed=seed)


@pytest.mark.soak
def test_200_kills_leave_both_sides_equal(source_server, postgres):
    # Seeded by pytest-randomly, whose option repeats it.
    _run(source_server.dsn, postgres.dsn, kills=200, seed=random.randrange(1_000_000))


def _run(source_dsn: str, target_dsn: str, *, kills: int, seed: int) -> None:
    print(f"seed {seed}")
    schema = f"kills_{kills}"
    drop_on_target(target_dsn, schema)
    chance = random.Random(seed)
    writer = RandomWriter(source_dsn, schema, seed)
    task: dict[str, Any] = {"rules": [include(schema)], "task_id": f"KILLS{seed}", "settings": {
        # So little memory that ordinary transactions spill.
        "ChangeProcessingTuning": {"MemoryLimitTotal": 1},
        "ErrorBehavior": {"ApplyErrorDeletePolicy": "STOP_TASK", "DataErrorPolicy": "STOP_TASK",
                          "ApplyErrorInsertPolicy": "STOP_TASK",
                          "ApplyErrorUpdatePolicy": "STOP_TASK", "TableErrorPolicy": "STOP_TASK"},
    }}  # fmt: skip
    first = EngineRun(
        source_dsn,
        target_dsn,
        migration_type="full-load-and-cdc",
        full_load={"StopTaskCachedChangesApplied": True},
        **task,
    )
    writer.start()
    assert first.wait()["type"] == "stopped", first.log
    writer.defines.set()
    # A unique key that only the user of the target knows of.
    run_on_target(target_dsn, f'ALTER TABLE "{schema}".doubled ADD UNIQUE (u)')
    checkpoint = first.checkpoint
    try:
        for _ in range(kills):
            run = EngineRun(source_dsn, target_dsn, position=checkpoint, resume=True, **task)
            run.wait_for("running")
            time.sleep(chance.uniform(0.0, 0.6))
            assert not run.is_over, (run.messages[-1], run.log)
            run.kill()
            checkpoint = run.checkpoint or checkpoint
    finally:
        writer.finish()
    last = EngineRun(source_dsn, target_dsn, position=checkpoint, resume=True, **task)
    wait_until_applied(last, source_end(source_dsn))
    if not last.is_over:
        last.stop()
    assert last.wait()["type"] == "stopped", (last.messages[-1], last.log)
    tables = source_tables(source_dsn, schema)
    assert tables.keys() == TABLES.keys()
    for table, columns in tables.items():
        expected = source_content(source_dsn, schema, table, columns)
        assert target_content(target_dsn, schema, table, columns) == expected, table
