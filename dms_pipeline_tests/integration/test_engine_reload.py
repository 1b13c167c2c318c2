"""Tables that are loaded again while their task runs; whatever ends the reload, no row is wrong."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dms_pipeline_tests.e2e.case_runs import source_end, wait_until_applied
from dms_pipeline_tests.engine_driver import (
    STOP_ON_ERRORS,
    EngineRun,
    include,
    run_on_target,
    server_time,
    source_rows,
    target_rows,
)
from dms_pipeline_tests.integration.test_engine_full_load_and_cdc import Source, mysql, source
from dms_pipeline_tests.integration.test_engine_restarts import write_randomly

__all__ = ["mysql", "source"]

DONE = ("Table completed", "Table error")
CONTENT = "SELECT a, g, v FROM {}.{} ORDER BY a"


@pytest.fixture
def schema(source: Source) -> str:
    """Two tables: random writers change `t`, `u` has a thousand rows."""
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY, g double, v varchar(20))")
    source.run(f"CREATE TABLE {source.schema}.u (a int PRIMARY KEY, g double, v varchar(20))")
    values = ", ".join(f"({n}, {n}, 'u')" for n in range(1000))
    source.run(f"INSERT INTO {source.schema}.u VALUES {values}")
    return source.schema


def start(mysql: Any, postgres: Any, schema: str, **spec: Any) -> EngineRun:
    migration_type = spec.pop("migration_type", "full-load-and-cdc")
    return EngineRun(
        mysql.dsn, postgres.dsn, rules=[include(schema)], migration_type=migration_type, **spec
    )


def wait_until_reloaded(run: EngineRun, table: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any(message["type"] == "reloading" for message in run.messages):
            row = run.counters(table)
            if row["TableState"] in DONE and row["FullLoadReloaded"]:
                return row
        assert not run.is_over, "".join(run.log)
        time.sleep(0.02)
    raise AssertionError(f"{table} was not reloaded\n{''.join(run.log)}")


@contextmanager
def written(mysql: Any, schema: str, seed: int) -> Iterator[None]:
    stop = threading.Event()
    writer = threading.Thread(target=write_randomly, args=(mysql.dsn, schema, stop, seed))
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def compare(mysql: Any, postgres: Any, schema: str) -> None:
    for table in ("t", "u"):
        query = CONTENT.format(schema, table)
        assert target_rows(postgres.dsn, query) == source_rows(mysql.dsn, query)


def finish(mysql: Any, run: EngineRun) -> None:
    wait_until_applied(run, source_end(mysql.dsn))
    run.stop()
    assert run.wait()["reason"] == "NORMAL"


def test_a_table_is_reloaded_while_it_is_written(mysql, postgres, schema):
    run = start(mysql, postgres, schema, settings=STOP_ON_ERRORS)
    run.wait_for("checkpoint")
    with written(mysql, schema, seed=1):
        for _ in range(3):
            run_on_target(postgres.dsn, f"DELETE FROM {schema}.u WHERE a % 7 = 0")
            before = len(run.messages)
            run.reload((schema, "t"), (schema, "u"))
            while all(message["type"] != "reloading" for message in run.messages[before:]):
                time.sleep(0.02)
            assert wait_until_reloaded(run, "t")["TableState"] == "Table completed"
            assert wait_until_reloaded(run, "u")["FullLoadRows"] == 1000
    finish(mysql, run)
    compare(mysql, postgres, schema)


def test_a_suspended_table_lives_again(mysql, postgres, source, schema):
    run = start(mysql, postgres, schema)
    run.wait_for("checkpoint")
    source.run(f"RENAME TABLE {schema}.t TO {schema}.away, {schema}.u TO {schema}.t")
    source.run(f"RENAME TABLE {schema}.away TO {schema}.u")
    source.run(f"INSERT INTO {schema}.u VALUES (1, 1, 'lost')")
    wait_until_applied(run, source_end(mysql.dsn))
    run.wait_for_log("is suspended")
    assert run.counters("u")["TableState"] == "Table error"
    run.reload((schema, "t"), (schema, "u"))
    assert wait_until_reloaded(run, "t")["FullLoadRows"] == 1000
    assert wait_until_reloaded(run, "u")["FullLoadRows"] == 1
    source.run(f"INSERT INTO {schema}.u VALUES (2, 2, 'found')")
    source.run(f"UPDATE {schema}.t SET g = g + 1 WHERE a < 5")
    finish(mysql, run)
    compare(mysql, postgres, schema)


def test_columns_that_a_table_got_meanwhile_are_there_after_its_reload(
    mysql, postgres, source, schema
):
    run = start(mysql, postgres, schema)
    run.wait_for("checkpoint")
    source.run(f"ALTER TABLE {schema}.u ADD w int DEFAULT (a + 1)")
    run.wait_for_log("is suspended")
    run.reload((schema, "u"))
    assert wait_until_reloaded(run, "u")["TableState"] == "Table completed"
    source.run(f"INSERT INTO {schema}.u (a) VALUES (1000)")
    finish(mysql, run)
    query = f"SELECT a, w FROM {schema}.u ORDER BY a"
    assert target_rows(postgres.dsn, query) == source_rows(mysql.dsn, query)


def test_a_full_load_reloads_before_it_ends(mysql, postgres, schema):
    run = start(mysql, postgres, schema, migration_type="full-load")
    run.reload((schema, "u"))
    assert run.wait()["reason"] == "FULL_LOAD_ONLY_FINISHED"
    assert run.counters("u")["FullLoadReloaded"] is True
    assert run.counters("t")["FullLoadReloaded"] is False
    compare(mysql, postgres, schema)


def test_what_the_prep_mode_keeps_makes_the_reload_a_table_error(mysql, postgres, source, schema):
    run = start(mysql, postgres, schema, full_load={"TargetTablePrepMode": "DO_NOTHING"})
    run.wait_for("checkpoint")
    run.reload((schema, "u"))
    assert wait_until_reloaded(run, "u")["TableState"] == "Table error"
    run_on_target(postgres.dsn, f"TRUNCATE {schema}.u")
    run.reload((schema, "u"))
    while run.counters("u")["TableState"] != "Table completed":
        time.sleep(0.02)
    source.run(f"INSERT INTO {schema}.u (a) VALUES (1000)")
    finish(mysql, run)
    compare(mysql, postgres, schema)


def test_a_table_that_is_gone_from_the_source_is_a_table_error(mysql, postgres, source, schema):
    run = start(mysql, postgres, schema)
    run.wait_for("checkpoint")
    source.run(f"DROP TABLE {schema}.u")
    run.reload((schema, "u"))
    assert wait_until_reloaded(run, "u")["TableState"] == "Table error"
    run.wait_for_log("the source has no such table")
    source.run(f"INSERT INTO {schema}.t VALUES (1, 1, 'goes on')")
    finish(mysql, run)
    query = CONTENT.format(schema, "t")
    assert target_rows(postgres.dsn, query) == [(1, 1.0, "goes on")]


def test_a_stop_before_the_reload_keeps_the_request_for_the_resume(mysql, postgres, schema):
    run = start(mysql, postgres, schema)
    run.wait_for("checkpoint")
    run_on_target(postgres.dsn, f"DELETE FROM {schema}.u WHERE a < 100")
    run.reload((schema, "u"))
    run.stop()
    run.wait()
    tables = [message for message in run.messages if message["type"] == "tables"][-1]["tables"]
    asked = [
        {**row, "TableState": "Table is being reloaded"} if row["TableName"] == "u" else row
        for row in tables
    ]
    again = start(
        mysql, postgres, schema, position=run.checkpoint, resume=True, counters=asked,
        stop_position=server_time(120),
    )  # fmt: skip
    wait_until_reloaded(again, "u")
    finish(mysql, again)
    compare(mysql, postgres, schema)


@pytest.mark.parametrize("seed", [1, 2])
def test_kills_during_reloads_lose_and_double_nothing(mysql, postgres, schema, seed):
    kills(mysql, postgres, schema, seed, times=4)


@pytest.mark.soak
def test_many_kills_during_reloads_lose_and_double_nothing(mysql, postgres, schema):
    kills(mysql, postgres, schema, seed=3, times=60)


def kills(mysql: Any, postgres: Any, schema: str, seed: int, *, times: int) -> None:
    chance = random.Random(seed)
    print(f"seed {seed}")
    counters: list[dict[str, Any]] = []
    run = start(mysql, postgres, schema, settings=STOP_ON_ERRORS)
    run.wait_for("checkpoint")
    checkpoint = run.checkpoint
    with written(mysql, schema, seed):
        for _ in range(times):
            run.reload(
                *chance.choice([[(schema, "t")], [(schema, "u")], [(schema, "u"), (schema, "t")]])
            )
            time.sleep(chance.uniform(0, 0.6))
            run.kill()
            checkpoint = run.checkpoint or checkpoint
            tables = [message for message in run.messages if message["type"] == "tables"]
            counters = tables[-1]["tables"] if tables else counters
            run = start(
                mysql, postgres, schema, position=checkpoint, resume=True, counters=counters,
                settings=STOP_ON_ERRORS,
            )  # fmt: skip
            run.wait_for("running")
    run.reload((schema, "t"), (schema, "u"))
    wait_until_reloaded(run, "u")
    finish(mysql, run)
    compare(mysql, postgres, schema)
