"""Injected faults over a real socket: the engine that they kill is a real process."""

import json
import urllib.request
from typing import Any

import pytest

from dms_pipeline_tests.dms_objects import Objects
from dms_pipeline_tests.engine_driver import source_rows
from dms_pipeline_tests.engine_driver import target_rows as selected_rows
from dms_pipeline_tests.integration.test_local_aws_load import (
    bootstrap,
    goods,
    mappings,
    objects_between,
    run_on_source,
    stop_in,
    target_rows,
    until,
)
from dms_pipeline_tests.local_endpoint import endpoint

__all__ = ["goods"]

ROWS = "SELECT id, name FROM shop.goods ORDER BY id"


def inject(dms: Any, *faults: dict[str, Any]) -> list[dict[str, Any]]:
    url = f"{dms.meta.endpoint_url}/_faults"
    request = urllib.request.Request(url, json.dumps(faults).encode(), method="PUT")
    with urllib.request.urlopen(request) as reply:
        document: list[dict[str, Any]] = json.load(reply)
    return document


def struck(dms: Any) -> list[int]:
    with urllib.request.urlopen(f"{dms.meta.endpoint_url}/_faults") as reply:
        return [fault["struck"] for fault in json.load(reply)]


def insert(dsn: str, first: int, count: int) -> None:
    """Rows in transactions of their own."""
    run_on_source(
        dsn,
        ";".join(
            f"INSERT INTO shop.goods VALUES ({number}, 'item {number}')"
            for number in range(first, first + count)
        ),
    )


def started(objects: Objects, checkpoint: str) -> str:
    arn = objects.create_task("cdc", TableMappings=mappings(), CdcStartPosition=checkpoint)
    objects.start(arn, CdcStopPosition=stop_in(3600))
    return arn


@pytest.mark.usefixtures("goods")
def test_task_killed_at_a_row_is_resumed_and_both_sides_end_equal(tmp_path, mysql, postgres):
    with endpoint(tmp_path) as (_, client):
        dms = client("dms")
        objects = objects_between(dms, mysql, postgres)
        checkpoint = bootstrap(objects)
        inject(dms, {"kind": "task-killed", "identifier": "cdc", "applied_rows": 30, "times": 1})
        insert(mysql.dsn, 100, 20)
        arn = started(objects, checkpoint)
        assert until(objects, arn, "running")
        insert(mysql.dsn, 200, 20)
        run_on_source(mysql.dsn, "UPDATE shop.goods SET name = 'plum' WHERE id = 2")
        task = until(objects, arn, "failed")
        assert "the engine process ended with status -9" in task["LastFailureMessage"]
        assert struck(dms) == [1]
        (counters,) = dms.describe_table_statistics(ReplicationTaskArn=arn)["TableStatistics"]
        applied = counters["AppliedInserts"] + counters["AppliedUpdates"]
        assert applied >= 30
        # What was reported was committed, and nothing that the log does not hold.
        content = target_rows(postgres.dsn)
        assert len(content) >= 2 + counters["AppliedInserts"]
        run_on_source(mysql.dsn, "DELETE FROM shop.goods WHERE id BETWEEN 205 AND 209")
        insert(mysql.dsn, 300, 5)
        objects.start(arn, "resume-processing", CdcStopPosition=stop_in(3))
        until(objects, arn, "stopped", "failed")
    rows = source_rows(mysql.dsn, ROWS)
    assert len(rows) == 2 + 20 + 15 + 5
    assert selected_rows(postgres.dsn, ROWS) == rows


@pytest.mark.usefixtures("goods")
def test_suspended_table_stays_behind_while_the_checkpoint_moves(tmp_path, mysql, postgres):
    with endpoint(tmp_path) as (_, client):
        dms = client("dms")
        objects = objects_between(dms, mysql, postgres)
        checkpoint = bootstrap(objects)
        inject(dms, {"kind": "table-suspended", "schema-name": "shop", "table-name": "goods"})
        insert(mysql.dsn, 100, 3)
        arn = objects.create_task("cdc", TableMappings=mappings(), CdcStartPosition=checkpoint)
        objects.start(arn, CdcStopPosition=stop_in(3))
        task = until(objects, arn, "stopped", "failed")
        (row,) = dms.describe_table_statistics(ReplicationTaskArn=arn)["TableStatistics"]
    assert task["StopReason"] == "Stop Reason STOPPED_AT_SERVER_TIME"
    assert (row["TableState"], task["ReplicationTaskStats"]["TablesErrored"]) == ("Table error", 1)
    assert task["RecoveryCheckpoint"] > checkpoint
    assert target_rows(postgres.dsn) == [(1, "apple"), (2, "pear")]
