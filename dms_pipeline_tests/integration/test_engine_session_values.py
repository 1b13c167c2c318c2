"""Virtual columns that show each session another value: the log names them, and they do vary."""

from typing import Any

import pytest

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.source_schema import read_tables
from dms_pipeline_tests.e2e.case_runs import drop_on_target, source_end, wait_until_applied
from dms_pipeline_tests.engine_driver import EngineRun, include, source_rows, target_rows
from dms_pipeline_tests.integration.test_engine_full_load_and_cdc import Source

SCHEMA = "e_session_values"
FULL_LOAD: dict[str, Any] = {
    "migration_type": "full-load-and-cdc",
    "full_load": {"StopTaskCachedChangesApplied": True},
}
ON_BOTH = (
    ("hour", "int", "HOUR(moment)", "time_zone"),
    ("label", "varchar(20)", "CONCAT(hour, 'h')", "time_zone"),
    ("since", "varchar(30)", "FROM_UNIXTIME(k)", "time_zone"),
    ("utc", "timestamp(6)", "wall", "time_zone"),
    ("name", "varchar(20)", "DAYNAME(wall)", "lc_time_names"),
    ("quotient", "decimal(30, 15)", "k / 7", "div_precision_increment"),
    ("padded", "varchar(30)", "CONCAT(fixed, '!')", "sql_mode"),
    ("rounded", "datetime", "wall", "sql_mode"),
)
ON_MARIADB = (
    ("random", "double", "RAND()", "RAND()"),
    ("week", "int", "WEEK(wall)", "default_week_format"),
    ("variable", "varchar(20)", "@who", "@who"),
    ("account", "int", "CONNECTION_ID()", "CONNECTION_ID()"),
)
STEADY = (
    ("next", "int", "k + 1"),
    ("copied", "timestamp", "moment"),
    ("is_set", "int", "moment IS NOT NULL"),
    ("year", "int", "YEAR(wall)"),
    ("form", "varchar(20)", "DATE_FORMAT(wall, '%Y-%m-%d')"),
)


@pytest.fixture
def source(source_server, postgres):
    opened = Source(source_server.dsn, SCHEMA)
    opened.run(
        "SET time_zone = '+05:30', lc_time_names = 'de_DE', div_precision_increment = 19,"
        " sql_mode = 'PAD_CHAR_TO_FULL_LENGTH,"
        + ("TIME_ROUND" if source_server.program.is_mariadb else "TIME_TRUNCATE")
        + "_FRACTIONAL'"
    )
    drop_on_target(postgres.dsn, SCHEMA)
    yield opened
    opened.run(f"DROP DATABASE {SCHEMA}")
    opened.close()


def create(source: Source, table: str, columns: Any) -> None:
    computed = [f"{name} {kind} AS ({expression}) VIRTUAL" for name, kind, expression in columns]
    definitions = ", ".join([
        "k int PRIMARY KEY, moment timestamp NULL, wall datetime(6), fixed char(9)", *computed
    ])  # fmt: skip
    source.run(f"CREATE TABLE {SCHEMA}.{table} ({definitions})")


def insert(source: Source, table: str, key: int) -> None:
    row = {"moment": "2023-11-15 20:00:00", "wall": "2023-01-01 23:59:59.7", "fixed": "x"}
    source.insert(table, {"k": key, **row})


def warned(run: EngineRun, table: str) -> dict[str, str]:
    """What the log names by column, each of them once."""
    begin = f"table {SCHEMA}.{table}: the value of virtual column "
    lines = [line.partition(begin)[2] for line in run.log if begin in line]
    found = {line.split()[0]: line.partition("(")[2].partition("):")[0] for line in lines}
    assert len(found) == len(lines)
    return found


def test_columns_that_vary_are_named_and_do_vary(source, source_server, postgres):
    is_mariadb = source_server.program.is_mariadb
    varying = (*ON_BOTH, *(ON_MARIADB if is_mariadb else ()))
    columns = [(name, kind, expression) for name, kind, expression, _ in varying]
    create(source, "t", [*columns, *STEADY])
    if is_mariadb:
        source.run("SET default_week_format = 3, @who = 'writer'")
    insert(source, "t", 1)
    # MariaDB computes some by the settings of whoever opened the table first.
    source.run("FLUSH TABLES")
    first = EngineRun(source.dsn, postgres.dsn, rules=[include(SCHEMA)], **FULL_LOAD)
    assert first.wait()["type"] == "stopped"
    assert warned(first, "t") == {name: reason for name, _, _, reason in varying}

    loaded = target_rows(postgres.dsn, f"SELECT * FROM {SCHEMA}.t")
    source.run("FLUSH TABLES")
    source.run(f"DELETE FROM {SCHEMA}.t")
    insert(source, "t", 1)
    second = EngineRun(source.dsn, postgres.dsn, rules=[include(SCHEMA)], position=first.checkpoint)
    wait_until_applied(second, source_end(source.dsn))
    second.stop()
    second.wait()
    captured = target_rows(postgres.dsn, f"SELECT * FROM {SCHEMA}.t")
    names = ["k", "moment", "wall", "fixed", *(n for n, *_ in varying), *(n for n, *_ in STEADY)]
    both = zip(names, loaded[0], captured[0], strict=True)
    differing = {name for name, before, after in both if before != after}
    assert differing == {name for name, *_ in varying}


def test_columns_that_are_created_meanwhile_are_named(source, postgres):
    create(source, "t", STEADY)
    first = EngineRun(source.dsn, postgres.dsn, rules=[include(SCHEMA)], **FULL_LOAD)
    assert first.wait()["type"] == "stopped"
    assert warned(first, "t") == {}
    run = EngineRun(source.dsn, postgres.dsn, rules=[include(SCHEMA)], position=first.checkpoint)
    run.wait_for("running")
    create(source, "u", [("hour", "int", "HOUR(moment)")])
    insert(source, "u", 1)
    source.run(f"ALTER TABLE {SCHEMA}.u ADD later int")
    insert(source, "u", 2)
    # The rows that are there suspend the table.
    source.run(f"ALTER TABLE {SCHEMA}.u ADD minute int AS (MINUTE(moment)) VIRTUAL")
    wait_until_applied(run, source_end(source.dsn))
    run.stop()
    run.wait()
    assert warned(run, "u") == {"hour": "time_zone", "minute": "time_zone"}
    assert target_rows(postgres.dsn, f"SELECT hour FROM {SCHEMA}.u") == [(20,), (20,)]
    assert source_rows(source.dsn, f"SELECT hour FROM {SCHEMA}.u") == [(14,), (14,)]


def test_names_are_understood_where_the_server_quotes_them_as_ansi_does(source):
    create(source, "t", [("hour", "int", "HOUR(moment)"), ("next", "int", "k + 1")])
    table = TableId(SCHEMA, "t")
    source.run("SET sql_mode = 'ANSI_QUOTES'")
    columns = {c.name: c for c in read_tables(source._connection, {table: 0})[table].columns}
    assert columns["hour"].varies_by == "time_zone"
    assert columns["next"].computed_from == ("k",)


def test_column_that_is_left_out_is_not_named(source, postgres):
    create(source, "t", [("hour", "int", "HOUR(moment)")])
    rule = {
        "rule-type": "transformation",
        "rule-id": "2",
        "rule-name": "2",
        "rule-target": "column",
        "object-locator": {"schema-name": SCHEMA, "table-name": "t", "column-name": "hour"},
        "rule-action": "remove-column",
    }
    run = EngineRun(source.dsn, postgres.dsn, rules=[include(SCHEMA), rule], **FULL_LOAD)
    assert run.wait()["type"] == "stopped"
    assert warned(run, "t") == {}
