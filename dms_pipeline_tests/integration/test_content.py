"""The comparison of contents, on real servers, of what the local DMS has loaded."""

from typing import Any

import psycopg
import pytest

from dms_pipeline.binlog.position import parse_checkpoint
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.content import repair
from dms_pipeline.content.comparison import ContentComparison, compare_tables
from dms_pipeline.content.definitions import Extent
from dms_pipeline.content.repair import Repair, repair_table
from dms_pipeline.errors import LoadError
from dms_pipeline.pipeline_config import ReplicatedTable
from dms_pipeline.resources.source import MySQLSource
from dms_pipeline.resources.target import PostgresTarget
from dms_pipeline.schema_drift import drift
from dms_pipeline.table_selection import ColumnRules
from dms_pipeline_tests.engine_driver import EngineRun, include, target_rows
from dms_pipeline_tests.two_sides import credentials, writing

SCHEMA = "compared"
RUNS_UNDER_WRITES = 10
TYPES = (
    "a tinyint", "b smallint unsigned zerofill", "c mediumint", "d bigint", "e year",
    "f decimal(12,3)", "g float", "h double", "i bit(1)", "j bit(12)", "k char(9)",
    "l varchar(40) character set latin1", "m varchar(400) character set utf16", "n text",
    "o longtext", "p enum('x','y,z','é')", "q set('a','b','c')", "r binary(4)",
    "s varbinary(9)", "t blob", "u date", "v datetime(3)", "w timestamp(6) NULL", "x time(2)",
    "y json", "z geometry",
)  # fmt: skip
ROWS = (
    "(1, 1, 2, 3, 4, 2024, 1.5, 0.1, 1e20, 1, b'101', 'a', 'é', 'é', 't', 'long', 'é', 'a,c',"
    " 'ab', 'ab', 'ab', '2024-02-29', '2024-02-29 01:02:03.5', '2024-02-29 01:02:03.5',"
    " '-838:59:59', '{\"a\": [1, 2.5]}', ST_GeomFromText('POINT(1 2)'))",
    "(2" + ", NULL" * 26 + ")",
    "(3, -128, 65535, -8388608, 9223372036854775807, 1901, -999999999.999, 16777216, -1e-7, 0, 0,"
    " '', '', '😀', REPEAT('é|', 300), '~', 'x', '', x'00', x'', REPEAT(x'00FF', 300),"
    " '0000-00-00', '0000-00-00', '2038-01-19 03:14:07', '00:00:00.01', 'null', NULL)",
    "(4, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, '~', '1:~', '|', '', '', 'y,z', 'a,b,c',"
    " x'FFFFFFFF', x'00', x'00', '1000-01-01', '9999-12-31 23:59:59.999', '1970-01-02', '-1:00',"
    " '[]', NULL)",
)  # fmt: skip


class Replica:
    """A schema that the local DMS has loaded, and where it was then."""

    def __init__(self, source_dsn: str, target_dsn: str) -> None:
        self.dsns = source_dsn, target_dsn
        self.source = MySQLSource(credentials(source_dsn))
        self.target = PostgresTarget(credentials(target_dsn))
        self.on_source(
            f"DROP DATABASE IF EXISTS {SCHEMA}", f"CREATE DATABASE {SCHEMA} CHARSET utf8mb4"
        )
        with psycopg.connect(target_dsn) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")

    def on_source(self, *statements: str) -> None:
        with self.source.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET sql_mode = '', time_zone = '+03:00'")
            for statement in statements:
                cursor.execute(statement)
            connection.commit()

    def on_target(self, statement: str) -> None:
        with psycopg.connect(self.dsns[1]) as connection:
            connection.execute(statement)

    def load(self, *rules: dict[str, Any]) -> None:
        run = EngineRun(
            *self.dsns, migration_type="full-load-and-cdc", rules=list(rules or [include(SCHEMA)]),
            full_load={"StopTaskCachedChangesApplied": True},
        )  # fmt: skip
        assert run.wait()["type"] == "stopped", run.log
        assert run.checkpoint
        self.checkpoint = parse_checkpoint(run.checkpoint)

    def compare(
        self,
        table: str = "t",
        *,
        budget_s: float = 60,
        share: str = "",
        lob_limit: int | None = None,
    ) -> ContentComparison:
        name = TableId(SCHEMA, table)
        [found] = compare_tables(
            {ReplicatedTable(name, name): Extent(share, budget_s)}, source=self.source,
            target=self.target, checkpoint=self.checkpoint, lob_limit=lob_limit,
        )  # fmt: skip
        return found


@pytest.fixture
def replica(source_server, postgres) -> Replica:
    return Replica(source_server.dsn, postgres.dsn)


def loaded(replica: Replica, rows: int = 100) -> None:
    replica.on_source(
        f"CREATE TABLE {SCHEMA}.t (id int PRIMARY KEY, v varchar(20))",
        f"INSERT INTO {SCHEMA}.t VALUES " + ", ".join(f"({n}, 'v{n}')" for n in range(rows)),
    )
    replica.load()


def test_every_type_has_the_same_text_on_both_servers(replica):
    replica.on_source(
        f"CREATE TABLE {SCHEMA}.t (id int PRIMARY KEY, {', '.join(TYPES)})",
        *(f"INSERT INTO {SCHEMA}.t VALUES {row}" for row in ROWS),
    )
    replica.load()
    found = replica.compare()
    assert (found.undecided, found.not_compared) == ("", ())
    assert (found.rows, found.differences) == (4, ())
    assert drifted(replica) == ()


def drifted(replica: Replica) -> tuple[str, ...]:
    table = TableId(SCHEMA, "t")
    ours, theirs = (side.columns([table]) for side in (replica.source, replica.target))
    return drift(table, ours[table], theirs[table], ColumnRules.of({"rules": []}))


def test_columns_that_are_altered_on_one_side_have_drifted(replica):
    replica.on_source(
        f"CREATE TABLE {SCHEMA}.t (id int PRIMARY KEY, v varchar(9), d decimal(5,2),"
        " g int AS (id + 1))"
    )
    replica.load()
    assert drifted(replica) == ()
    replica.on_source(
        f"ALTER TABLE {SCHEMA}.t MODIFY id bigint, MODIFY v varchar(10), MODIFY d decimal(6,2),"
        " ADD added int"
    )
    replica.on_target(f"ALTER TABLE {SCHEMA}.t ADD extra int")
    assert [problem.partition(":")[0] for problem in drifted(replica)] == [
        "id", "v", "d", "added", "extra",
    ]  # fmt: skip
    [altered] = replica.source.statements_since(replica.checkpoint)
    assert altered.may_concern(TableId(SCHEMA, "t"))


def test_a_changed_value_of_every_type_is_found(replica):
    replica.on_source(
        f"CREATE TABLE {SCHEMA}.t (id int PRIMARY KEY, {', '.join(TYPES)})",
        f"INSERT INTO {SCHEMA}.t VALUES {ROWS[0]}",
    )
    replica.load()
    replica.on_target(f"CREATE TABLE {SCHEMA}.kept AS SELECT * FROM {SCHEMA}.t")
    for column in (definition.split()[0] for definition in TYPES):
        replica.on_target(f'UPDATE {SCHEMA}.t SET "{column}" = NULL')
        [difference] = replica.compare().differences
        assert str(difference) == f"key (1): other values of {column}"
        replica.on_target(
            f'UPDATE {SCHEMA}.t SET "{column}" = (SELECT "{column}" FROM {SCHEMA}.kept)'
        )
    assert replica.compare().different == 0


@pytest.mark.parametrize(
    "key",
    [
        "k int unsigned", "k bigint", "k varchar(9)", "k char(9) character set utf8mb4", "k date",
        "k decimal(6,2)", "k datetime(3)", "k binary(5)", "k varbinary(9)",
        "k int, extra varchar(3) default 'é|'",
    ],
)  # fmt: skip
def test_rows_changed_after_the_checkpoint_are_left_out(replica, key):
    names = "k, extra" if "extra" in key else "k"
    values = "(20010101), (20020202), (20030303)" if "date" in key else "(1), (2), (3)"
    replica.on_source(
        f"CREATE TABLE {SCHEMA}.t ({key}, v int DEFAULT 0, PRIMARY KEY ({names}))",
        f"INSERT INTO {SCHEMA}.t (k) VALUES {values}",
    )
    replica.load()
    replica.on_source(
        f"UPDATE {SCHEMA}.t SET v = 1 ORDER BY k LIMIT 1",
        f"DELETE FROM {SCHEMA}.t ORDER BY k DESC LIMIT 1",
    )
    found = replica.compare()
    assert (found.undecided, found.rows, found.left_out, found.different) == ("", 1, 2, 0)


def test_times_are_compared_in_utc_whatever_the_servers_zone(replica):
    replica.on_source(
        f"CREATE TABLE {SCHEMA}.t (k timestamp NOT NULL PRIMARY KEY, v timestamp NOT NULL)",
        f"INSERT INTO {SCHEMA}.t VALUES ('2020-02-02 01:00:00', '2020-02-02 02:00:00')",
        f"INSERT INTO {SCHEMA}.t VALUES ('2021-02-02 01:00:00', '2020-02-02 02:00:00')",
    )
    replica.load()
    with replica.source.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET GLOBAL time_zone = '+05:00'")
    try:
        replica.on_source(f"DELETE FROM {SCHEMA}.t LIMIT 1")
        found = replica.compare()
    finally:
        replica.on_source("SET GLOBAL time_zone = '+00:00'")
    assert (found.undecided, found.rows, found.left_out, found.different) == ("", 1, 1, 0)


def test_lost_doubled_and_changed_rows_are_named(replica):
    loaded(replica)
    replica.on_target(f"DELETE FROM {SCHEMA}.t WHERE id = 7")
    replica.on_target(f"INSERT INTO {SCHEMA}.t VALUES (1000, 'new')")
    replica.on_target(f"UPDATE {SCHEMA}.t SET v = 'V8' WHERE id = 8")
    found = replica.compare()
    assert found.different == 3
    assert set(map(str, found.differences)) == {
        "key (7): missing on the target",
        "key (1000): not on the source",
        "key (8): other values of v",
    }


def test_of_many_differences_the_first_are_named_and_all_counted(replica):
    loaded(replica)
    replica.on_target(f"UPDATE {SCHEMA}.t SET v = 'x'")
    found = replica.compare()
    assert (found.different, len(found.differences)) == (100, 20)


def test_sixteen_shares_are_the_whole(replica):
    loaded(replica)
    replica.on_target(f"UPDATE {SCHEMA}.t SET v = 'x' WHERE id = 50")
    found = [replica.compare(share=digit) for digit in "0123456789abcdef"]
    assert sum(one.rows for one in found) == 100
    assert sum(one.different for one in found) == 1


def test_large_objects_that_are_cut_off_are_compared_as_far_as_they_go(replica):
    replica.on_source(
        f"CREATE TABLE {SCHEMA}.t (id int PRIMARY KEY, a longtext, b longblob)",
        f"INSERT INTO {SCHEMA}.t VALUES (1, REPEAT('é', 3000), REPEAT('b', 3000))",
    )
    replica.load()
    replica.on_target(f"UPDATE {SCHEMA}.t SET a = left(a, 512), b = substring(b FROM 1 FOR 1024)")
    assert replica.compare().different == 1
    assert replica.compare(lob_limit=1024).different == 0
    replica.on_target(f"UPDATE {SCHEMA}.t SET a = 'x' || a")
    assert replica.compare(lob_limit=1024).different == 1
    assert repaired(replica, lob_limit=1024) == Repair(written=1, deleted=0)
    assert replica.compare(lob_limit=1024).different == 0
    assert repaired(replica, lob_limit=1024) == Repair(written=0, deleted=0)


def test_tables_without_a_key_are_compared_by_whole_rows(replica):
    replica.on_source(
        f"CREATE TABLE {SCHEMA}.t (a int, v varchar(9))",
        f"INSERT INTO {SCHEMA}.t VALUES (1, 'a'), (1, 'a'), (2, NULL), (3, 'c'), (4, '~')",
    )
    replica.load()
    replica.on_source(f"UPDATE {SCHEMA}.t SET v = NULL WHERE a IN (3, 4)")
    found = replica.compare()
    assert (found.undecided, found.rows, found.left_out, found.different) == ("", 3, 4, 0)
    replica.on_target(f"INSERT INTO {SCHEMA}.t VALUES (1, 'a')")
    replica.on_target(f"DELETE FROM {SCHEMA}.t WHERE a = 2")
    assert set(map(str, replica.compare().differences)) == {
        "key (1, a): not on the source",
        "key (2, None): missing on the target",
    }


def test_what_cannot_be_compared_says_why(replica):
    replica.on_source(f"CREATE TABLE {SCHEMA}.t (k enum('a') PRIMARY KEY) ENGINE=MyISAM")
    replica.load()
    assert "has no transactions" in replica.compare().undecided
    assert "no such table on the source" in replica.compare("other").undecided
    replica.on_source(f"ALTER TABLE {SCHEMA}.t ENGINE=InnoDB")
    replica.load()
    replica.on_source(f"INSERT INTO {SCHEMA}.t VALUES ('a')")
    assert "values of column k cannot be told" in replica.compare().undecided


def test_no_time_is_no_answer(replica):
    loaded(replica)
    assert "its time was over" in replica.compare(budget_s=0).undecided


def test_truncate_after_the_checkpoint_is_inconclusive(replica):
    loaded(replica)
    replica.on_source(f"TRUNCATE {SCHEMA}.t")
    assert "TRUNCATE" in replica.compare().undecided


@pytest.mark.parametrize("runs", [RUNS_UNDER_WRITES, pytest.param(50, marks=pytest.mark.soak)])
def test_no_false_alarm_and_no_missed_one_while_a_writer_runs(replica, runs):
    loaded(replica, 1000)
    with writing(
        replica.source,
        f"UPDATE {SCHEMA}.t SET v = LEFT(RAND(), 9) WHERE id < 900 ORDER BY RAND() LIMIT 3",
        f"REPLACE INTO {SCHEMA}.t SELECT 1000 + FLOOR(RAND() * 100), 'new'",
        f"DELETE FROM {SCHEMA}.t WHERE id < 100 LIMIT 1",
    ):
        right = [replica.compare() for _ in range(runs)]
        replica.on_target(f"UPDATE {SCHEMA}.t SET v = 'wrong' WHERE id = 950")
        wrong = [replica.compare() for _ in range(runs)]
    assert [one for one in right if one.undecided or one.different] == []
    assert {one.differences[0].key for one in wrong} == {("950",)}
    assert wrong[-1].left_out > right[0].left_out


def repaired(replica: Replica, lob_limit: int | None = None) -> Repair:
    table = ReplicatedTable(TableId(SCHEMA, "t"), TableId(SCHEMA, "t"))
    return repair_table(
        table, source=replica.source, target=replica.target, checkpoint=replica.checkpoint,
        budget_s=60, lob_limit=lob_limit,
    )  # fmt: skip


def test_rows_of_every_type_are_repaired_as_a_load_writes_them(replica):
    replica.on_source(
        f"CREATE TABLE {SCHEMA}.t (id int PRIMARY KEY, {', '.join(TYPES)})",
        *(f"INSERT INTO {SCHEMA}.t VALUES {row}" for row in ROWS),
    )
    replica.load()
    rows = target_rows(replica.dsns[1], f"SELECT * FROM {SCHEMA}.t ORDER BY id")
    replica.on_target(f"DELETE FROM {SCHEMA}.t WHERE id IN (1, 2)")
    replica.on_target(f"UPDATE {SCHEMA}.t SET g = 0, l = 'x', v = NULL, t = NULL WHERE id > 2")
    replica.on_target(f"INSERT INTO {SCHEMA}.t (id) VALUES (99)")
    assert repaired(replica) == Repair(written=4, deleted=1)
    assert target_rows(replica.dsns[1], f"SELECT * FROM {SCHEMA}.t ORDER BY id") == rows
    assert repaired(replica) == Repair(written=0, deleted=0)


def test_a_repair_leaves_alone_what_the_next_load_brings(replica):
    loaded(replica)
    replica.on_source(f"UPDATE {SCHEMA}.t SET v = 'later' WHERE id = 5")
    replica.on_target(f"UPDATE {SCHEMA}.t SET v = 'wrong' WHERE id = 6")
    assert repaired(replica) == Repair(written=1, deleted=0)
    rows = target_rows(replica.dsns[1], f"SELECT v FROM {SCHEMA}.t WHERE id IN (5, 6) ORDER BY id")
    assert rows == [("v5",), ("v6",)]


def test_a_row_that_is_changed_between_comparing_and_writing_is_left_alone(replica, monkeypatch):
    loaded(replica)
    replica.on_target(f"UPDATE {SCHEMA}.t SET v = 'wrong' WHERE id IN (6, 7)")

    def compared_too_early(*given, **more):
        found = compare_tables(*given, **more)
        replica.on_source(f"UPDATE {SCHEMA}.t SET v = 'later' WHERE id = 6")
        return found

    monkeypatch.setattr(repair, "compare_tables", compared_too_early)
    assert repaired(replica) == Repair(written=1, deleted=0)
    rows = target_rows(replica.dsns[1], f"SELECT v FROM {SCHEMA}.t WHERE id IN (6, 7) ORDER BY id")
    assert rows == [("wrong",), ("v7",)]


def test_a_table_without_a_key_is_not_repaired(replica):
    replica.on_source(f"CREATE TABLE {SCHEMA}.t (v int)", f"INSERT INTO {SCHEMA}.t VALUES (1)")
    replica.load()
    replica.on_target(f"DELETE FROM {SCHEMA}.t")
    with pytest.raises(LoadError, match="has no primary key by which single rows"):
        repaired(replica)
