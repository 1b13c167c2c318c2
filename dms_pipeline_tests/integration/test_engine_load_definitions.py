"""Tables whose definition changes between the start of a task and the snapshot of its load."""

import io
import json
import threading

from dms_pipeline.local_dms.engine.reload_requests import ReloadRequests
from dms_pipeline.local_dms.engine.replication_task import ReplicationTask
from dms_pipeline.local_dms.engine.reporter import Reporter
from dms_pipeline.local_dms.engine.table_catalogue import TableCatalogue
from dms_pipeline.local_dms.engine.task_spec import TaskSpec
from dms_pipeline_tests.e2e.case_runs import drop_on_target
from dms_pipeline_tests.engine_driver import include, source_spec, target_rows, target_spec
from dms_pipeline_tests.integration.test_engine_full_load_and_cdc import Source

SCHEMA = "e_load_definitions"


def test_what_is_loaded_is_what_the_snapshot_holds(source_server, postgres, monkeypatch):
    drop_on_target(postgres.dsn, SCHEMA)
    source = Source(source_server.dsn, SCHEMA)
    source.run(f"CREATE TABLE {SCHEMA}.t (a int PRIMARY KEY)")
    source.run(f"INSERT INTO {SCHEMA}.t VALUES (1)")
    read = TableCatalogue.read
    changes = [
        f"ALTER TABLE {SCHEMA}.t ADD COLUMN b int DEFAULT 5 FIRST",
        f"CREATE TABLE {SCHEMA}.later (a int PRIMARY KEY)",
        f"INSERT INTO {SCHEMA}.later VALUES (2)",
    ]

    def read_and_change(catalogue: TableCatalogue, connection) -> None:
        read(catalogue, connection)
        while changes:
            source.run(changes.pop(0))

    monkeypatch.setattr(TableCatalogue, "read", read_and_change)
    spec = TaskSpec.from_message(
        {
            "task_id": "DEFINITIONS",
            "migration_type": "full-load-and-cdc",
            "source": source_spec(source_server.dsn),
            "target": target_spec(postgres.dsn),
            "table_mappings": {"rules": [include(SCHEMA)]},
            "task_settings": {"FullLoadSettings": {"StopTaskCachedChangesApplied": True}},
        }
    )
    messages = io.StringIO()
    task = ReplicationTask(spec, Reporter(messages), threading.Event(), ReloadRequests())
    assert task.run() == "STOPPED_AFTER_CACHED_EVENTS"
    assert target_rows(postgres.dsn, f"SELECT a, b FROM {SCHEMA}.t") == [(1, 5)]
    assert target_rows(postgres.dsn, f"SELECT a FROM {SCHEMA}.later") == [(2,)]
    told = [json.loads(line) for line in messages.getvalue().splitlines()]
    tables = [message["tables"] for message in told if message["type"] == "tables"][-1]
    assert {row["TableName"]: row["FullLoadRows"] for row in tables} == {"t": 1, "later": 1}
    source.run(f"DROP DATABASE {SCHEMA}")
    source.close()
