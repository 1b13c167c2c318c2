"""Definitions that the source does not give away at once: hidden, locked, or of no table at all."""

import pytest

from dms_pipeline.binlog.connection import ConnectionSettings
from dms_pipeline.binlog.snapshot import current_position
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import SourceUnavailableError
from dms_pipeline.local_dms.engine import schema_history
from dms_pipeline.local_dms.engine.schema_history import SchemaHistory
from dms_pipeline_tests.e2e.case_runs import drop_on_target
from dms_pipeline_tests.engine_driver import EngineRun, connect_source, include, target_rows
from dms_pipeline_tests.integration.test_engine_full_load_and_cdc import Source, catch_up, load

SCHEMA = "e_out_of_sight"


@pytest.fixture
def source(source_server, postgres):
    drop_on_target(postgres.dsn, SCHEMA)
    source = Source(source_server.dsn, SCHEMA)
    yield source
    source.run("UNLOCK TABLES")
    source.run(f"DROP DATABASE {SCHEMA}")
    source.close()


def test_generated_key_that_the_server_hides_is_a_key(source, source_server, postgres):
    if source_server.program.is_mariadb:
        pytest.skip("needs MySQL")
    shown = "GLOBAL show_gipk_in_create_table_and_information_schema"
    source.run("SET SESSION sql_generate_invisible_primary_key = ON")
    source.run(f"CREATE TABLE {SCHEMA}.t (v int)")
    source.run(f"INSERT INTO {SCHEMA}.t VALUES (5), (5)")
    source.run(f"SET {shown} = OFF")
    try:
        first = load(source_server, postgres, source)
        source.run(f"UPDATE {SCHEMA}.t SET v = 6 LIMIT 1")
        catch_up(source_server, postgres, source, first.checkpoint)
    finally:
        source.run(f"SET {shown} = DEFAULT")
    rows = target_rows(postgres.dsn, f"SELECT my_row_id, v FROM {SCHEMA}.t ORDER BY my_row_id")
    assert rows == [(1, 6), (2, 5)]


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ("(v text MASKING POLICY p)", "has a masking policy, which hides values of column v"),
        ("(v text) ENGINE=BLACKHOLE", "is a BLACKHOLE table, which keeps no rows"),
    ],
)
def test_table_whose_rows_are_not_seen_as_they_are_logged_is_refused(
    source, source_server, postgres, definition, reason
):
    if source_server.program.is_mariadb:
        pytest.skip("needs MySQL")
    source.run(f"CREATE TABLE {SCHEMA}.t {definition}")
    run = EngineRun(
        source_server.dsn, postgres.dsn, rules=[include(SCHEMA)], migration_type="full-load"
    )
    assert run.wait(30)["message"] == (
        f"table {SCHEMA}.t {reason}; leave it out with an exclude rule"
    )


def test_tables_that_the_source_changes_without_logging_it_are_named(
    source, source_server, postgres
):
    source.run(f"CREATE TABLE {SCHEMA}.p (k int PRIMARY KEY)")
    reference = f"FOREIGN KEY (p) REFERENCES {SCHEMA}.p (k)"
    source.run(f"CREATE TABLE {SCHEMA}.stays (k int PRIMARY KEY, p int, {reference})")
    rules = "ON DELETE SET NULL ON UPDATE CASCADE"
    source.run(f"CREATE TABLE {SCHEMA}.follows (k int PRIMARY KEY, p int, {reference} {rules})")
    source.run(f"INSERT INTO {SCHEMA}.p VALUES (1)")
    source.run(f"INSERT INTO {SCHEMA}.follows VALUES (1, 1)")
    first = load(source_server, postgres, source)
    source.run(f"DELETE FROM {SCHEMA}.p")
    run = catch_up(source_server, postgres, source, first.checkpoint)
    named = [line for line in run.log if "changes by its foreign key" in line]
    rows = target_rows(postgres.dsn, f"SELECT k, p FROM {SCHEMA}.follows")
    if source_server.program.is_mariadb:
        assert len(named) == 1
        assert f"table {SCHEMA}.follows" in named[0]
        assert rows == [(1, 1)]
    else:
        assert named == []
        assert rows == [(1, None)]


def test_lock_that_somebody_keeps_is_not_waited_for_without_end(source, source_server, monkeypatch):
    monkeypatch.setattr(schema_history, "_LOCK_WAIT_S", 1)
    source.run(f"CREATE TABLE {SCHEMA}.t (a int PRIMARY KEY)")
    source.run(f"LOCK TABLES {SCHEMA}.t WRITE")
    settings = ConnectionSettings(
        "127.0.0.1", source_server.port, "admin", source_server.settings.admin_password
    )
    history = SchemaHistory(settings, lambda table: table.schema == SCHEMA)
    with (
        connect_source(source.dsn) as reader,
        pytest.raises(SourceUnavailableError, match=rf"{SCHEMA}\.t has been locked .* for 1 s"),
    ):
        history.read_ahead(reader, current_position(reader), [TableId(SCHEMA, "t")])


def test_selection_of_no_table_is_warned_of(source, source_server, postgres):
    source.run(f"CREATE TABLE {SCHEMA}.t (a int PRIMARY KEY)")
    run = load(source_server, postgres, source, rules=[include(SCHEMA, "misspelt")])
    assert f"the selection of {SCHEMA}.misspelt matches no table of the source" in "".join(run.log)
    assert f"{SCHEMA}.% matches no table" not in "".join(run.log)


def test_drop_of_what_never_was_is_passed_over(source, source_server, postgres):
    source.run(f"CREATE TABLE {SCHEMA}.t (a int PRIMARY KEY)")
    first = load(source_server, postgres, source)
    source.run(f"DROP TABLE IF EXISTS {SCHEMA}.never, {SCHEMA}.t")
    run = catch_up(source_server, postgres, source, first.checkpoint)
    log = "".join(run.log)
    assert f"Cannot drop table '{SCHEMA}.never'" not in log
    with pytest.raises(StopIteration):
        run.counters("never")


def test_full_load_forgets_tables_that_were_there_before_it(source, source_server, postgres):
    """Nobody followed the log between the last run and the load."""
    source.run(f"CREATE TABLE {SCHEMA}.t (k int PRIMARY KEY)")
    first = load(source_server, postgres, source)
    source.run(f"CREATE TABLE {SCHEMA}.u (k int PRIMARY KEY, a int, b int)")
    catch_up(source_server, postgres, source, first.checkpoint)
    source.run(f"DROP TABLE {SCHEMA}.u")
    drop_on_target(postgres.dsn, SCHEMA)
    again = load(source_server, postgres, source)
    source.run(f"CREATE TABLE IF NOT EXISTS {SCHEMA}.u (k int PRIMARY KEY, b int, a int)")
    source.run(f"INSERT INTO {SCHEMA}.u (k, a, b) VALUES (1, 2, 3)")
    catch_up(source_server, postgres, source, again.checkpoint)
    assert target_rows(postgres.dsn, f"SELECT k, a, b FROM {SCHEMA}.u") == [(1, 2, 3)]


@pytest.mark.parametrize(
    ("column", "value", "statements"),
    [
        (
            "varchar(10)", "'a😀'",
            ["CONVERT TO CHARACTER SET utf8mb3", "MODIFY c varchar(10) CHARACTER SET utf8mb4"],
        ),
        ("varchar(10)", "'abcdef'", ["MODIFY c nvarchar(3)", "MODIFY c varchar(10)"]),
        ("decimal(9,3)", "1.123", ["MODIFY c dec(0)", "MODIFY c decimal(9,3)"]),
        (None, None, ["ADD c dec(0) NOT NULL DEFAULT 1.6", "MODIFY c decimal(5,2)"]),
        (None, None, ["ADD c timestamp DEFAULT '2024-01-01'", "MODIFY c datetime(3)"]),
    ],
)  # fmt: skip
def test_values_that_went_through_a_type_nobody_knows_are_not_promised(
    source, source_server, postgres, column, value, statements
):
    given = [f", c {column}", f", {value}"] if column else ["", ""]
    source.run(f"CREATE TABLE {SCHEMA}.t (k int PRIMARY KEY{given[0]}) DEFAULT CHARSET utf8mb4")
    source.run(f"INSERT INTO {SCHEMA}.t VALUES (1{given[1]})")
    first = load(source_server, postgres, source)
    for mode, statement in zip(("", "STRICT_TRANS_TABLES"), statements, strict=True):
        source.run(f"SET sql_mode = '{mode}'")
        source.run(f"ALTER TABLE {SCHEMA}.t {statement}")
    run = catch_up(source_server, postgres, source, first.checkpoint)
    assert run.counters("t")["TableState"] == "Table error"
    assert any(
        "is known to the source only" in line or "cannot be told" in line for line in run.log
    )
