"""The checkpoint of an engine that was killed, as the endpoint shows it: never behind the data."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dms_pipeline.binlog.position import parse_checkpoint
from dms_pipeline_tests.dms_objects import Objects
from dms_pipeline_tests.e2e.case_runs import drop_on_target, source_end
from dms_pipeline_tests.e2e.table_contents import source_content, source_tables, target_content
from dms_pipeline_tests.integration.test_local_aws_load import (
    POLL_S,
    objects_between,
    until,
)
from dms_pipeline_tests.local_endpoint import endpoint
from dms_pipeline_tests.restarting_workload import PersistentWriter

SCHEMA = "killed_engine"
HELD_COMMIT = 4711
HOLD_COMMITS = f"""
    CREATE FUNCTION "{SCHEMA}".hold() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN PERFORM pg_advisory_xact_lock_shared({HELD_COMMIT}); RETURN NULL; END';
    CREATE CONSTRAINT TRIGGER held AFTER INSERT ON "{SCHEMA}".keyless
      DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION "{SCHEMA}".hold()
"""
"""Commits wait while somebody has the lock, at a place from which they cannot be called back."""
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def writer(mysql, postgres) -> PersistentWriter:
    drop_on_target(postgres.dsn, SCHEMA)
    return PersistentWriter(mysql.dsn, SCHEMA)


@pytest.fixture
def served(tmp_path, mysql, postgres) -> Iterator[tuple[Any, Objects]]:
    with endpoint(tmp_path) as (process, client):
        yield process, objects_between(client("dms"), mysql, postgres)


def create(objects: Objects, name: str, kind: str, **params: Any) -> str:
    rule = {
        "rule-type": "selection", "rule-id": "1", "rule-name": "1", "rule-action": "include",
        "object-locator": {"schema-name": SCHEMA, "table-name": "%"},
    }  # fmt: skip
    settings = {
        "FullLoadSettings": {"StopTaskCachedChangesApplied": True},
        "ErrorBehavior": {"ApplyErrorDeletePolicy": "STOP_TASK"},
    }
    mappings = json.dumps({"rules": [rule]})
    arn: str = objects.create_task(
        name,
        kind,
        TableMappings=mappings,
        ReplicationTaskSettings=json.dumps(settings),
        **params,
    )
    return arn


def load(objects: Objects) -> str:
    arn = create(objects, "load", "full-load-and-cdc")
    objects.start(arn)
    checkpoint: str = until(objects, arn, "stopped")["RecoveryCheckpoint"]
    return checkpoint


def start_new(objects: Objects, checkpoint: str, number: int, **params: Any) -> str:
    arn = create(objects, f"task-{number}", "cdc", CdcStartPosition=checkpoint)
    objects.start(arn, **params)
    return arn


def engine_of(process: Any) -> int:
    """The id of the one engine that the endpoint runs."""
    children = Path(f"/proc/{process.pid}/task").glob("*/children")
    (engine,) = [pid for file in children for pid in file.read_text().split()]
    return int(engine)


def assert_new_task_ends_equal(
    objects: Objects, mysql: Any, postgres: Any, checkpoint: str, number: int
) -> None:
    end = source_end(mysql.dsn)
    arn = start_new(objects, checkpoint, number)
    deadline = time.monotonic() + 60
    while parse_checkpoint(checkpoint) < end:
        assert time.monotonic() < deadline, f"{checkpoint} is still before {end}"
        checkpoint = until(objects, arn, "running")["RecoveryCheckpoint"] or checkpoint
        time.sleep(POLL_S)
    objects.dms.stop_replication_task(ReplicationTaskArn=arn)
    assert until(objects, arn, "stopped", "failed")["Status"] == "stopped"
    for table, columns in source_tables(mysql.dsn, SCHEMA).items():
        expected = source_content(mysql.dsn, SCHEMA, table, columns)
        assert expected
        assert target_content(postgres.dsn, SCHEMA, table, columns) == expected, table


def wait_for_sessions(connection: Any, count: int) -> None:
    """Until so many wait for a lock."""
    deadline = time.monotonic() + 20
    while connection.execute(WAITING).fetchone() != (count,):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_commit_that_outlives_its_engine_is_in_the_checkpoint(served, mysql, postgres, writer):
    process, objects = served
    checkpoint = load(objects)
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute(HOLD_COMMITS)
        connection.execute("SELECT pg_advisory_lock(%s)", (HELD_COMMIT,))
        arn = start_new(objects, checkpoint, 1)
        until(objects, arn, "running")
        writer.start()
        wait_for_sessions(connection, 1)
        os.kill(engine_of(process), signal.SIGKILL)
        writer.finish()
        # The endpoint, for what the engine has sent.
        wait_for_sessions(connection, 2)
        assert objects.task(arn)["Status"] == "running"
        connection.execute("SELECT pg_advisory_unlock(%s)", (HELD_COMMIT,))
    task = until(objects, arn, "failed")
    assert "status -9" in task["LastFailureMessage"]
    assert task["RecoveryCheckpoint"] > checkpoint
    assert_new_task_ends_equal(objects, mysql, postgres, task["RecoveryCheckpoint"], 2)


@pytest.mark.soak
def test_new_tasks_after_random_kills_end_equal(served, mysql, postgres, writer):
    process, objects = served
    seed = time.time_ns() % 1_000_000
    print(f"seed {seed}")
    chance = random.Random(seed)
    checkpoint = load(objects)
    writer.start()
    for number in range(60):
        arn = start_new(objects, checkpoint, number)
        until(objects, arn, "running")
        threading.Event().wait(chance.uniform(0.0, 2.0))
        os.kill(engine_of(process), signal.SIGKILL)
        checkpoint = until(objects, arn, "failed")["RecoveryCheckpoint"] or checkpoint
    writer.finish()
    assert_new_task_ends_equal(objects, mysql, postgres, checkpoint, 1000)
