"""The full load of several tables: one snapshot for all of them, whoever writes meanwhile."""

import threading

import pytest

from dms_pipeline.binlog.connection import ConnectionSettings
from dms_pipeline.binlog.snapshot import current_position
from dms_pipeline.errors import LoadError
from dms_pipeline.local_dms.engine import snapshots
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules
from dms_pipeline.local_dms.engine.parallel_load import FullLoad
from dms_pipeline.local_dms.engine.source_schema import list_tables, read_tables
from dms_pipeline.local_dms.engine.table_planning import plan_table
from dms_pipeline.local_dms.engine.target_tables import connect_target
from dms_pipeline.local_dms.engine.task_spec import target_settings
from dms_pipeline.local_dms.engine.unload import LoadInterruptedError
from dms_pipeline_tests.engine_driver import (
    connect_source,
    include,
    source_spec,
    target_rows,
    target_spec,
)

SCHEMA = "par"
TABLES = 6


class Observer:
    def __init__(self):
        self.connections = 0
        self.started = []
        self.loaded = {}
        self.failed = []
        self.left_out = 0

    def snapshot_opened(self, position, connections):
        self.connections = connections

    def table_started(self, plan):
        self.started.append(plan.table_id.table)

    def rows_loaded(self, plan, rows):
        pass

    def table_loaded(self, plan, rows):
        self.loaded[plan.table_id.table] = rows

    def value_does_not_fit(self, plan, error):
        self.left_out += 1

    def table_failed(self, plan, error):
        self.failed.append((plan.table_id.table, error))


@pytest.fixture
def source(source_server):
    connection = connect_source(source_server.dsn)
    run(connection, f"DROP DATABASE IF EXISTS {SCHEMA}", f"CREATE DATABASE {SCHEMA}")
    for number in range(TABLES):
        run(
            connection,
            f"CREATE TABLE {SCHEMA}.t{number} (id int PRIMARY KEY, v bigint unsigned)",
            f"INSERT INTO {SCHEMA}.t{number} VALUES (0, 0)",
        )
    yield connection
    run(connection, f"DROP DATABASE {SCHEMA}")
    connection.close()


def run(connection, *statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def settings(server):
    spec = source_spec(server.dsn)
    return ConnectionSettings(spec["host"], spec["port"], spec["user"], spec["password"])


def full_load(server, postgres, source, *, should_stop=lambda: False, **more):
    rules = MappingRules.from_message({"rules": [include(SCHEMA)]})
    known = list_tables(source)
    tables = read_tables(source, {table: 0 for table in rules.in_load_order(known)})
    observer = Observer()
    target = target_settings(target_spec(postgres.dsn))
    load = FullLoad(
        settings(server),
        connect_target=lambda: connect_target(target),
        prep_mode="DROP_AND_CREATE",
        observer=observer,
        should_stop=should_stop,
        **more,
    )
    plans = [plan_table(table, rules, "") for table in tables.values()]
    position = load.run(plans, replan=lambda position: plans)
    return observer, position


def counts(postgres):
    return [
        target_rows(postgres.dsn, f"SELECT count(*) FROM {SCHEMA}.t{number}")[0][0]
        for number in range(TABLES)
    ]


def test_all_tables_are_of_one_moment_however_many_connections(source_server, postgres, source):
    """A writer adds a row to every table in one transaction, over and over."""
    ended = threading.Event()

    def write():
        writer = connect_source(source_server.dsn)
        for number in range(1, 100_000):
            if ended.is_set():
                break
            run(writer, "BEGIN")
            for table in range(TABLES):
                run(writer, f"INSERT INTO {SCHEMA}.t{table} VALUES ({number}, 1)")
            run(writer, "COMMIT")
        writer.close()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(3):
            observer, position = full_load(source_server, postgres, source, subtasks=4)
            assert len(set(counts(postgres))) == 1
            assert observer.connections == 4
            assert position is not None
            assert position <= current_position(source)
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("subtasks", [1, 4])
def test_load_without_changes_behind_it_has_no_position(source_server, postgres, source, subtasks):
    _, position = full_load(source_server, postgres, source, subtasks=subtasks, with_position=False)
    assert position is None
    assert counts(postgres) == [1] * TABLES


def test_where_only_a_lock_would_do_and_is_refused_one_connection_loads_all(
    source_server, postgres, source, monkeypatch
):
    monkeypatch.setattr(snapshots, "_LOCK_WAIT_S", 1)
    monkeypatch.setattr(snapshots, "shared_snapshot", lambda connections: None)
    blocker = connect_source(source_server.dsn)
    run(blocker, f"LOCK TABLES {SCHEMA}.t0 WRITE")
    try:
        with snapshots.open_snapshot(settings(source_server), 4, with_position=False) as snapshot:
            assert len(snapshot.connections) == 1
    finally:
        blocker.close()


def test_rows_that_do_not_fit_are_left_out_and_told(source_server, postgres, source):
    run(source, f"INSERT INTO {SCHEMA}.t1 VALUES (7, 18446744073709551615), (8, 1)")
    observer, _ = full_load(source_server, postgres, source, subtasks=2)
    assert observer.left_out == 1
    assert observer.loaded["t1"] == 2
    assert counts(postgres) == [1, 2, 1, 1, 1, 1]


def test_failure_of_a_table_leaves_the_others_alone(source_server, postgres, source):
    full_load(source_server, postgres, source)
    with connect_target(target_settings(target_spec(postgres.dsn))) as target:
        target.execute(f"CREATE VIEW {SCHEMA}.uses_t2 AS SELECT * FROM {SCHEMA}.t2")
        observer, _ = full_load(source_server, postgres, source, subtasks=2)
        target.execute(f"DROP VIEW {SCHEMA}.uses_t2")
    assert [table for table, _ in observer.failed] == ["t2"]
    assert isinstance(observer.failed[0][1], LoadError)
    assert sorted(observer.loaded) == ["t0", "t1", "t3", "t4", "t5"]


def test_stop_in_the_middle_keeps_only_complete_tables(source_server, postgres, source):
    run(
        source,
        f"ALTER TABLE {SCHEMA}.t5 ADD filling char(200) DEFAULT 'x' NOT NULL",
        f"UPDATE {SCHEMA}.t5 SET filling = REPEAT('x', 200)",
        f"INSERT INTO {SCHEMA}.t5 SELECT seq, 1, REPEAT('x', 200) FROM ({series(9000)}) AS s",
    )
    calls = iter(range(1000))
    with connect_target(target_settings(target_spec(postgres.dsn))) as target:
        target.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    with pytest.raises(LoadInterruptedError):
        # Asked once before each table and once per piece: the stop falls into the last table.
        full_load(
            source_server, postgres, source, subtasks=1, should_stop=lambda: next(calls) >= 13
        )
    found = target_rows(
        postgres.dsn, f"SELECT tablename FROM pg_tables WHERE schemaname = '{SCHEMA}' ORDER BY 1"
    )
    assert found == [(f"t{number}",) for number in range(TABLES - 1)]


def series(count):
    digits = " UNION ALL ".join(f"SELECT {n} AS d" for n in range(10))
    parts = ", ".join(f"({digits}) AS d{place}" for place in range(4))
    number = " + ".join(f"d{place}.d * {10**place}" for place in range(4))
    return f"SELECT {number} + 1 AS seq FROM {parts} LIMIT {count}"
