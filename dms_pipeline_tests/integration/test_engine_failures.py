"""What the engine says when it cannot go on: one message that names the object, never a secret."""

import pytest

from dms_pipeline_tests.e2e.case_runs import source_end, wait_until_applied
from dms_pipeline_tests.engine_driver import (
    STOP_ON_ERRORS,
    EngineRun,
    include,
    run_on_target,
    source_spec,
)
from dms_pipeline_tests.integration.test_engine_full_load_and_cdc import (
    capture,
    catch_up,
    load,
    mysql,
    source,
)

__all__ = ["mysql", "source"]


def failure(run: EngineRun) -> str:
    message = run.wait(30)
    assert message["type"] == "failed", message
    return str(message["message"])


def test_no_matching_table_fails_with_the_words_of_aws(mysql, postgres):
    run = EngineRun(mysql.dsn, postgres.dsn, rules=[include("no_such_schema")])
    assert failure(run).startswith("No tables were found at task initialization. Either")


def test_wrong_password_names_the_server_and_not_the_password(mysql, postgres):
    spec = {**source_spec(mysql.dsn), "password": "wrong-secret"}
    run = EngineRun(mysql.dsn, postgres.dsn, rules=[include("x")], source=spec)
    message = failure(run)
    assert message.startswith(f"cannot connect to source mariadb at 127.0.0.1:{spec['port']} as")
    assert "(1045)" in message
    assert "wrong-secret" not in message + "".join(run.log)


def test_purged_position_names_the_file(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY)")
    load(mysql, postgres, source)
    run = capture(mysql, postgres, source, "mysql-bin-changelog.000000:4")
    assert "mysql-bin-changelog.000000 is no longer on the source" in failure(run)


def test_value_that_does_not_fit_names_table_column_and_key(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY, u bigint unsigned, v text)")
    first = load(mysql, postgres, source)
    source.run(f"INSERT INTO {source.schema}.t VALUES (1, 5, 'fine')")
    source.run(f"INSERT INTO {source.schema}.t VALUES (77, 18446744073709551615, 'x')")
    run = capture(mysql, postgres, source, first.checkpoint, settings=STOP_ON_ERRORS)
    message = failure(run)
    assert f"table {source.schema}.t, column u, key (77)" in message
    reload = EngineRun(
        mysql.dsn,
        postgres.dsn,
        rules=[include(source.schema)],
        migration_type="full-load",
        settings=STOP_ON_ERRORS,
    )
    assert f"table {source.schema}.t, column u, key (77)" in failure(reload)
    assert reload.counters("t")["TableState"] == "Table error"


def test_nul_in_text_is_refused(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY, v varchar(5))")
    first = load(mysql, postgres, source)
    source.insert("t", {"a": 3, "v": "a\0b"})
    assert "column v, key (3): text holds the character NUL" in failure(
        capture(mysql, postgres, source, first.checkpoint, settings=STOP_ON_ERRORS)
    )


def test_row_change_logged_as_statement_is_refused(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY)")
    first = load(mysql, postgres, source)
    source.run("SET SESSION binlog_format = STATEMENT")
    source.run(f"INSERT INTO {source.schema}.t VALUES (1)")
    source.run("SET SESSION binlog_format = ROW")
    message = failure(capture(mysql, postgres, source, first.checkpoint))
    assert f"a change of table {source.schema}.t" in message
    assert "binlog_format=ROW" in message


def test_changes_of_a_table_missing_on_the_target_are_refused(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY)")
    first = load(mysql, postgres, source)
    run_on_target(postgres.dsn, f"DROP TABLE {source.schema}.t")
    source.run(f"INSERT INTO {source.schema}.t VALUES (1)")
    run = capture(mysql, postgres, source, first.checkpoint, settings=STOP_ON_ERRORS)
    assert f'relation "{source.schema}.t" does not exist' in failure(run)
    suspending = catch_up(mysql, postgres, source, first.checkpoint)
    assert suspending.counters("t")["TableState"] == "Table error"


def test_limits_of_the_server_for_queries_leave_out_no_row(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY, b int)")
    source.run(f"CREATE TABLE {source.schema}.u (a int PRIMARY KEY)")
    for number in range(3):
        source.run(f"INSERT INTO {source.schema}.t VALUES ({number}, 0)")
    time_limit = "max_statement_time" if mysql.program.is_mariadb else "max_execution_time"
    limits: dict[str, float] = {
        "sql_select_limit": 1,
        "max_join_size": 1,
        "sql_big_selects": 0,
        time_limit: 1,
    }
    if mysql.program.is_mariadb:
        limits[time_limit] = 0.000001
    try:
        for variable, limit in limits.items():
            source.run(f"SET GLOBAL {variable} = {limit}")
        run = load(mysql, postgres, source)
    finally:
        for variable in limits:
            source.run(f"SET GLOBAL {variable} = DEFAULT")
    assert run.counters("t")["FullLoadRows"] == 3
    assert run.counters("u")["TableState"] == "Table completed"


@pytest.mark.parametrize(
    ("breaking", "number"),
    [
        ("DISCARD TABLESPACE", 1814),
        ("ADD c bigint unsigned AS (CAST(a AS unsigned) - b) VIRTUAL", 1690),
    ],
)
def test_table_that_the_source_cannot_read_keeps_no_other_from_being_loaded(
    mysql, postgres, source, breaking, number
):
    if number == 1690 and mysql.program.is_mariadb:
        pytest.skip("MariaDB reads such a value without an error")
    for name in ("broken", "t"):
        source.run(f"CREATE TABLE {source.schema}.{name} (a int PRIMARY KEY, b int unsigned)")
        source.run(f"INSERT INTO {source.schema}.{name} VALUES (1, 2)")
    source.run(f"ALTER TABLE {source.schema}.broken {breaking}")
    run = load(mysql, postgres, source)
    assert run.counters("t")["FullLoadRows"] == 1
    assert run.counters("broken")["TableState"] == "Table error"
    said = f"full load of table {source.schema}.broken: the source cannot read it: ({number})"
    assert said in "".join(run.log)


@pytest.mark.parametrize(
    ("options", "reason"),
    [("WITH SYSTEM VERSIONING", "is system-versioned"), ("ENGINE=MERGE", "is a MERGE table")],
)
def test_table_of_a_kind_that_is_not_replicated_is_suspended_alone(
    mysql, postgres, source, options, reason
):
    if "VERSIONING" in options and not mysql.program.is_mariadb:
        pytest.skip("MySQL has no such tables")
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY)")
    run = capture(mysql, postgres, source, load(mysql, postgres, source).checkpoint)
    run.wait_for("running")
    wait_until_applied(run, source_end(mysql.dsn))
    source.run(f"CREATE TABLE {source.schema}.v (a int PRIMARY KEY) {options}")
    if "VERSIONING" in options:
        source.run(f"INSERT INTO {source.schema}.v VALUES (1)")
    source.run(f"INSERT INTO {source.schema}.t VALUES (1)")
    wait_until_applied(run, source_end(mysql.dsn))
    run.stop()
    run.wait()
    assert run.counters("t")["AppliedInserts"] == 1
    assert run.counters("v")["TableState"] == "Table error"
    assert f"table {source.schema}.v {reason}" in "".join(run.log)
