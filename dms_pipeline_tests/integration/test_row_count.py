"""The exact row count, on real servers, while the source is being written."""

import psycopg
import pytest

from dms_pipeline.binlog import snapshot
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.pipeline_config import ReplicatedTable
from dms_pipeline.resources.source import MySQLSource
from dms_pipeline.resources.target import PostgresTarget
from dms_pipeline.row_count import RowCount, count_rows
from dms_pipeline_tests.source_kinds import on_mariadb
from dms_pipeline_tests.two_sides import credentials, writing

TABLE = ReplicatedTable(TableId("counted", "t"), TableId("counted", "t"))
RUNS_UNDER_WRITES = 20


class Sides:
    """A table on both servers, equal at the checkpoint."""

    def __init__(self, mysql_dsn: str, postgres_dsn: str) -> None:
        self.source = MySQLSource(credentials(mysql_dsn))
        self.target = PostgresTarget(credentials(postgres_dsn))
        self.on_source("CREATE DATABASE IF NOT EXISTS counted")
        self.on_source("DROP TABLE IF EXISTS counted.t")
        self.on_source("CREATE TABLE counted.t (id int AUTO_INCREMENT PRIMARY KEY, v int)")
        self.on_source("INSERT INTO counted.t (v) VALUES (1), (2), (3), (4), (5)")
        self.on_target("CREATE SCHEMA IF NOT EXISTS counted")
        self.on_target("DROP TABLE IF EXISTS counted.t")
        self.on_target("CREATE TABLE counted.t (id int PRIMARY KEY, v int)")
        self.on_target("INSERT INTO counted.t SELECT n, n FROM generate_series(1, 5) n")
        self.checkpoint = self.source.end()

    def on_source(self, statement: str) -> None:
        with self.source.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement)

    def on_target(self, statement: str) -> None:
        with psycopg.connect(
            host=self.target.credentials.host,
            port=self.target.credentials.port,
            user=self.target.credentials.username,
            password=self.target.credentials.password,
            dbname=self.target.credentials.dbname,
        ) as connection:
            connection.execute(statement)

    def count(self) -> RowCount:
        [count] = count_rows(
            [TABLE], source=self.source, target=self.target, checkpoint=self.checkpoint
        )
        return count


@pytest.fixture
def sides(source_server, postgres) -> Sides:
    return Sides(source_server.dsn, postgres.dsn)


def test_quiet_tables_match(sides):
    count = sides.count()
    assert (count.source, count.target, count.net_inserts) == (5, 5, 0)
    assert count.matches


def test_changes_after_the_checkpoint_are_not_expected_on_the_target(sides):
    sides.on_source("INSERT INTO counted.t (v) VALUES (6), (7), (8)")
    sides.on_source("DELETE FROM counted.t WHERE id = 1")
    sides.on_source("UPDATE counted.t SET v = v + 1")
    count = sides.count()
    assert (count.source, count.net_inserts, count.expected, count.target) == (7, 2, 5, 5)
    assert count.matches


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM counted.t WHERE id = 2", "INSERT INTO counted.t VALUES (99, 1)"],
    ids=["lost row", "doubled row"],
)
def test_wrong_target_never_matches_also_when_the_raw_counts_do(sides, statement):
    sides.on_target(statement)
    sides.on_source("DELETE FROM counted.t WHERE id = 1")
    assert not sides.count().matches


def test_missing_target_table_does_not_match(sides):
    sides.on_target("DROP TABLE counted.t")
    count = sides.count()
    assert count.target is None
    assert not count.matches


def test_truncate_after_the_checkpoint_is_inconclusive(sides):
    sides.on_source("TRUNCATE counted.t")
    assert "TRUNCATE counted.t" in sides.count().undecided


@on_mariadb  # MySQL with GTIDs refuses to mix engines in a transaction.
def test_what_was_rolled_back_or_is_not_decided_yet_is_not_counted(sides):
    with sides.source.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS counted.logged")
        cursor.execute("CREATE TABLE counted.logged (id int) ENGINE=MyISAM")
        connection.begin()
        cursor.execute("INSERT INTO counted.t (v) VALUES (6), (7)")
        # A table without transactions brings the rolled back rows into the binary log.
        cursor.execute("INSERT INTO counted.logged VALUES (1)")
        connection.rollback()
    count = sides.count()
    assert (count.source, count.net_inserts, count.target) == (5, 0, 5)
    assert count.matches


def test_open_xa_transaction_is_inconclusive(sides):
    with sides.source.connect() as connection, connection.cursor() as cursor:
        cursor.execute("XA START 'open'")
        cursor.execute("INSERT INTO counted.t (v) VALUES (6)")
        cursor.execute("XA END 'open'")
        cursor.execute("XA PREPARE 'open'")
        count = sides.count()
        cursor.execute("XA ROLLBACK 'open'")
    assert "an XA transaction was open" in count.undecided


def test_a_table_without_transactions_that_is_written_while_it_is_counted_is_inconclusive(sides):
    sides.on_source("ALTER TABLE counted.t ENGINE=MyISAM")
    sides.checkpoint = sides.source.end()
    assert sides.count().matches
    with writing(sides.source, "INSERT INTO counted.t (v) VALUES (1)"):
        undecided = [sides.count().undecided for _ in range(RUNS_UNDER_WRITES)]
    assert any("it was being written" in reason for reason in undecided)
    assert sides.count().expected == 5


def test_where_the_source_is_never_quiet_only_what_it_writes_is_inconclusive(sides, monkeypatch):
    # As MySQL without GTIDs is to an account that may not lock it.
    for way in ("_mariadb_snapshot", "_bracketed_snapshot", "_locked_snapshot"):
        monkeypatch.setattr(snapshot, way, lambda connection, **given: None)
    sides.on_source("CREATE TABLE IF NOT EXISTS counted.busy (id int)")
    with writing(sides.source, "INSERT INTO counted.busy VALUES (1)"):
        assert sides.count().matches
    with writing(sides.source, "INSERT INTO counted.t (v) VALUES (1)"):
        undecided = [sides.count().undecided for _ in range(RUNS_UNDER_WRITES)]
    assert any("it was being written" in reason for reason in undecided)
    assert sides.count().matches


@pytest.mark.parametrize("runs", [RUNS_UNDER_WRITES, pytest.param(50, marks=pytest.mark.soak)])
def test_no_false_alarm_and_no_missed_one_while_a_writer_runs(sides, runs):
    with writing(
        sides.source,
        "INSERT INTO counted.t (v) VALUES (1), (2)",
        "DELETE FROM counted.t WHERE id > 5 ORDER BY id LIMIT 1",
    ):
        counts = [sides.count() for _ in range(runs)]
        sides.on_target("DELETE FROM counted.t WHERE id = 3")
        lost = [sides.count() for _ in range(runs)]
        sides.on_target("INSERT INTO counted.t VALUES (3, 3), (9999999, 1)")
        doubled = [sides.count() for _ in range(runs)]
    assert len({count.source for count in counts}) > 1, "the writer did not write"
    assert [count for count in counts if not count.matches] == []
    assert [count for count in lost + doubled if count.matches] == []


def test_tables_that_are_counted_side_by_side_are_told_apart_while_they_are_written(sides):
    names = [TableId("counted", f"many{number}") for number in range(9)]
    for name in names:
        sides.on_source(f"DROP TABLE IF EXISTS {name}")
        sides.on_source(f"CREATE TABLE {name} LIKE counted.t")
        sides.on_target(f"DROP TABLE IF EXISTS {name}")
        sides.on_target(f"CREATE TABLE {name} (id int, v int)")
    sides.checkpoint = sides.source.end()
    sides.on_target(f"INSERT INTO {names[4]} VALUES (1, 1)")
    with writing(sides.source, *(f"INSERT INTO {name} (v) VALUES (1)" for name in names)):
        for _ in range(RUNS_UNDER_WRITES):
            counts = count_rows(
                [ReplicatedTable(name, name) for name in names],
                source=sides.source, target=sides.target, checkpoint=sides.checkpoint,
            )  # fmt: skip
            assert [count.undecided for count in counts] == [""] * 9
            assert [count.matches for count in counts] == [name != names[4] for name in names]
