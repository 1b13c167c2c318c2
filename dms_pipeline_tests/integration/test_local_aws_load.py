"""Real loads through the endpoint: boto3, the engine, MariaDB or MySQL, and PostgreSQL."""

import json
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pymysql
import pytest
from psycopg.conninfo import conninfo_to_dict
from pymysql.constants import CLIENT

from dms_pipeline.local_dms.servers import MySQLServer, PostgresServer
from dms_pipeline_tests.dms_objects import Objects, create_endpoint, create_instance, wait
from dms_pipeline_tests.local_endpoint import endpoint

POLL_S = 0.1


def database_settings(dsn: str) -> dict[str, Any]:
    """The members of CreateEndpoint for a DSN of either kind of server."""
    parts: dict[str, Any] = conninfo_to_dict(dsn.replace("mysql://", "postgresql://"))
    members = {
        "ServerName": parts["host"],
        "Port": int(parts["port"]),
        "Username": parts["user"],
        "Password": parts["password"],
    }
    return {**members, "DatabaseName": parts["dbname"]} if parts.get("dbname") else members


def run_on_source(dsn: str, statements: str) -> None:
    server = database_settings(dsn)
    connection = pymysql.connect(
        host=server["ServerName"],
        port=server["Port"],
        user=server["Username"],
        password=server["Password"],
        client_flag=CLIENT.MULTI_STATEMENTS,
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(statements)
        while cursor.nextset():
            pass


def target_rows(dsn: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT id, name FROM shop.goods ORDER BY id").fetchall()


@pytest.fixture
def goods(mysql: MySQLServer, postgres: PostgresServer) -> Iterator[None]:
    run_on_source(
        mysql.dsn,
        "DROP DATABASE IF EXISTS shop; CREATE DATABASE shop;"
        "CREATE TABLE shop.goods (id INT PRIMARY KEY, name VARCHAR(40));"
        "INSERT INTO shop.goods VALUES (1, 'apple'), (2, 'pear')",
    )
    yield
    run_on_source(mysql.dsn, "DROP DATABASE shop")
    with psycopg.connect(postgres.dsn) as connection:
        connection.execute("DROP SCHEMA IF EXISTS shop CASCADE")


def objects_between(dms: Any, mysql: MySQLServer, postgres: PostgresServer) -> Objects:
    objects = Objects(
        dms,
        create_instance(dms, delay_s=POLL_S),
        create_endpoint(dms, "source", **database_settings(mysql.dsn)),
        create_endpoint(dms, "target", **database_settings(postgres.dsn)),
    )
    for arn in (objects.source, objects.target):
        dms.test_connection(ReplicationInstanceArn=objects.instance, EndpointArn=arn)
    wait(dms, "test_connection_succeeds", "replication-instance-arn", objects.instance, POLL_S)
    return objects


def mappings() -> str:
    rule = {
        "rule-type": "selection",
        "rule-id": "1",
        "rule-name": "1",
        "object-locator": {"schema-name": "shop", "table-name": "%"},
        "rule-action": "include",
    }
    return json.dumps({"rules": [rule]})


def until(objects: Objects, arn: str, *statuses: str, timeout_s: float = 60) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        task = objects.task(arn)
        if task["Status"] in statuses:
            return task
        time.sleep(POLL_S)
    raise AssertionError(f"still {task['Status']}")


def stop_in(seconds: float) -> str:
    return f"server_time:{datetime.now(UTC) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"


def bootstrap(objects: Objects) -> str:
    """A full load; the checkpoint at which it ended."""
    settings = json.dumps({"FullLoadSettings": {"StopTaskCachedChangesApplied": True}})
    arn = objects.create_task(
        "bootstrap",
        "full-load-and-cdc",
        TableMappings=mappings(),
        ReplicationTaskSettings=settings,
    )
    objects.start(arn)
    task = until(objects, arn, "stopped", "failed")
    assert task.get("StopReason") == "Stop Reason STOPPED_AFTER_CACHED_EVENTS"
    checkpoint: str = task["RecoveryCheckpoint"]
    return checkpoint


@pytest.mark.usefixtures("goods")
def test_full_load_then_changes_from_its_checkpoint(tmp_path, mysql, postgres):
    with endpoint(tmp_path) as (_, client):
        objects = objects_between(client("dms"), mysql, postgres)
        checkpoint = bootstrap(objects)
        assert target_rows(postgres.dsn) == [(1, "apple"), (2, "pear")]
        run_on_source(
            mysql.dsn,
            "INSERT INTO shop.goods VALUES (3, 'fig'); DELETE FROM shop.goods WHERE id = 1;"
            "UPDATE shop.goods SET name = 'plum' WHERE id = 2",
        )
        arn = objects.create_task("cdc", TableMappings=mappings(), CdcStartPosition=checkpoint)
        objects.start(arn, CdcStopPosition=stop_in(3))
        task = until(objects, arn, "stopped", "failed")
        answer = client("dms").describe_table_statistics(ReplicationTaskArn=arn)
    assert task["StopReason"] == "Stop Reason STOPPED_AT_SERVER_TIME"
    assert task["RecoveryCheckpoint"] > checkpoint
    assert target_rows(postgres.dsn) == [(2, "plum"), (3, "fig")]
    (counters,) = answer["TableStatistics"]
    assert [counters[name] for name in ("Inserts", "Updates", "Deletes")] == [1, 1, 1]


@pytest.mark.usefixtures("goods")
def test_resume_after_the_endpoint_was_killed_loses_nothing(tmp_path, mysql, postgres):
    with endpoint(tmp_path) as (process, client):
        objects = objects_between(client("dms"), mysql, postgres)
        checkpoint = bootstrap(objects)
        arn = objects.create_task("cdc", TableMappings=mappings(), CdcStartPosition=checkpoint)
        objects.start(arn, CdcStopPosition=stop_in(3600))
        until(objects, arn, "running")
        run_on_source(mysql.dsn, "INSERT INTO shop.goods VALUES (3, 'fig')")
        process.send_signal(signal.SIGKILL)
        process.wait()
    run_on_source(mysql.dsn, "INSERT INTO shop.goods VALUES (4, 'lime')")
    with endpoint(tmp_path) as (_, client):
        objects = Objects(client("dms"), objects.instance, objects.source, objects.target)
        assert until(objects, arn, "failed")["LastFailureMessage"].endswith("RECOVERABLE")
        objects.start(arn, "resume-processing", CdcStopPosition=stop_in(3))
        until(objects, arn, "stopped")
    assert [row[0] for row in target_rows(postgres.dsn)] == [1, 2, 3, 4]


@pytest.mark.usefixtures("goods")
def test_a_table_is_reloaded_while_its_task_runs(tmp_path, mysql, postgres):
    with endpoint(tmp_path) as (_, client):
        dms = client("dms")
        objects = objects_between(dms, mysql, postgres)
        arn = objects.create_task("both", "full-load-and-cdc", TableMappings=mappings())
        objects.start(arn)
        until(objects, arn, "running")
        until_table(dms, arn, FullLoadRows=2, TableState="Table completed")
        with psycopg.connect(postgres.dsn) as connection:
            connection.execute("DELETE FROM shop.goods")
        table = {"SchemaName": "shop", "TableName": "goods"}
        dms.reload_tables(ReplicationTaskArn=arn, TablesToReload=[table])
        until_table(dms, arn, FullLoadReloaded=True, TableState="Table completed")
        run_on_source(mysql.dsn, "INSERT INTO shop.goods VALUES (3, 'fig')")
        until_table(dms, arn, AppliedInserts=1)
    assert target_rows(postgres.dsn) == [(1, "apple"), (2, "pear"), (3, "fig")]


def until_table(dms: Any, task: str, timeout_s: float = 60, **members: Any) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        rows = dms.describe_table_statistics(ReplicationTaskArn=task)["TableStatistics"]
        if any(members.items() <= row.items() for row in rows):
            return
        time.sleep(POLL_S)
    raise AssertionError(f"still {rows}")


@pytest.mark.usefixtures("goods")
def test_sigterm_ends_a_running_task_in_order(tmp_path, mysql, postgres):
    with endpoint(tmp_path) as (process, client):
        objects = objects_between(client("dms"), mysql, postgres)
        arn = objects.create_task("cdc", TableMappings=mappings())
        objects.start(arn)
        until(objects, arn, "running")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    with endpoint(tmp_path) as (_, client):
        objects = Objects(client("dms"), objects.instance, objects.source, objects.target)
        task = objects.task(arn)
    assert (task["Status"], task["StopReason"]) == ("stopped", "Stop Reason NORMAL")


@pytest.mark.usefixtures("goods")
def test_wrong_password_fails_the_connection_test_without_showing_it(tmp_path, mysql):
    with endpoint(tmp_path) as (_, client):
        dms = client("dms")
        wrong = {**database_settings(mysql.dsn), "Password": "wrong-password"}
        arn = create_endpoint(dms, "source", **wrong)
        instance = create_instance(dms, delay_s=POLL_S)
        dms.test_connection(ReplicationInstanceArn=instance, EndpointArn=arn)
        with pytest.raises(Exception, match="terminal failure"):
            wait(dms, "test_connection_succeeds", "endpoint-arn", arn, POLL_S)
        (connection,) = dms.describe_connections()["Connections"]
    assert "Access denied" in connection["LastFailureMessage"]
    assert "wrong-password" not in connection["LastFailureMessage"]
    assert "wrong-password" not in (tmp_path / "stderr.log").read_text()
