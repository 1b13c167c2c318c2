"""The engine's process against real servers: full load, change capture, and both compared."""

from typing import Any

import psycopg
import pytest

from dms_pipeline_tests.e2e.case_runs import source_end, wait_until_applied
from dms_pipeline_tests.engine_driver import (
    UPSERT,
    EngineRun,
    connect_source,
    include,
    server_time,
    source_rows,
    target_rows,
)

WIDE = """
    CREATE TABLE {schema}.wide (
      id int unsigned PRIMARY KEY, i1 tinyint, u1 tinyint unsigned, i2 smallint,
      u2 smallint unsigned, i3 mediumint, u3 mediumint unsigned, i4 int, u4 int unsigned,
      i8 bigint, u8 bigint unsigned, z int(8) unsigned zerofill, d1 decimal(65,30), d2 decimal(5,0),
      d3 decimal(9,9), f float, g double, c char(10), v varchar(100), v2 varchar(300),
      l1 varchar(50) character set latin1, u16 varchar(20) character set utf16, tt tinytext,
      tx text, lt longtext, b binary(5), vb varbinary(300), bl blob, lb longblob, da date,
      dt datetime, dt6 datetime(6), ts timestamp NULL, ts3 timestamp(3) NULL, t0 time, t4 time(4),
      y year, b1 bit(1), b10 bit(10), e enum('x','it''s','a,b','back\\\\slash','é'),
      s set('p','q','r s'), gv int AS (i4 + 1) VIRTUAL, gs int AS (i2 + 2) STORED
    ) DEFAULT CHARSET utf8mb4
"""
WIDE_ROWS: list[dict[str, Any]] = [
    {
        "i1": -128, "u1": 255, "i2": -32768, "u2": 65535, "i3": -8388608, "u3": 16777215,
        "i4": -2147483648, "u4": 4294967295, "i8": -(2**63), "u8": 2**63 - 1, "z": 42,
        "d1": "-12345678901234567890123456789012345.123456789012345678901234567890",
        "d2": "-99999", "d3": "-0.000000001", "f": 16777217.7, "g": 1e-300, "c": "ab  ",
        "v": "é€😀\\ \t\n\r", "v2": "x" * 300, "l1": "é€", "u16": "é😀", "tt": "tt", "tx": "\\N",
        "lt": "😀" * 5000, "b": b"\x01\x00", "vb": b"\\0a\n", "bl": b"\x00\xff", "lb": b"z",
        "da": "2024-02-29", "dt": "9999-12-31 23:59:59", "dt6": "1000-01-01 00:00:00.000001",
        "ts": "2038-01-19 03:14:07", "ts3": "2024-06-01 12:00:00.5", "t0": "-838:59:59",
        "t4": "12:00:00.1234", "y": 2155, "b1": 1, "b10": 513, "e": "it's", "s": "p,r s",
    },
    {},
    {
        "i1": 127, "u1": 128, "u2": 32768, "u3": 8388608, "i4": 2147483646, "u4": 2147483648,
        "d1": 0, "d2": 0, "d3": "0.999999999", "f": 0.1, "g": -0.0, "v": "", "b": b"\x00\x00",
        "da": "2024-02-30", "dt": "0000-00-00 00:00:00", "ts": "0000-00-00 00:00:00", "y": 0,
        "e": "no such label", "s": "", "b1": 0, "b10": 0, "t4": "-00:00:00.0001", "l1": "plain",
    },
    {
        "d1": "0.000000000000000000000000000001", "f": 3.4028234e38, "g": 1.7976931348623157e308,
        "e": "back\\slash", "da": "0000-01-01", "t0": "838:59:59", "y": 1901, "s": "p,q,r s",
    },
    {"e": "a,b", "f": 1e-45, "d1": "-0.5", "da": "1000-01-01", "dt6": "2024-00-10 01:00:00"},
    {"e": "é", "f": -123.456, "d1": "1", "l1": "\x81\x8d"},
]  # fmt: skip


class Source:
    def __init__(self, dsn: str, schema: str, *, create: bool = True) -> None:
        self.dsn = dsn
        self.schema = schema
        self.reconnect()
        if create:
            self.run(f"DROP DATABASE IF EXISTS {schema}")
            self.run(f"CREATE DATABASE {schema} DEFAULT CHARSET utf8mb4")

    def reconnect(self) -> None:
        """After the server was started again."""
        self._connection = connect_source(self.dsn)
        self.run("SET sql_mode = '', time_zone = '+00:00'")

    def run(self, statement: str, arguments: Any = None) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, arguments)

    def insert(self, table: str, row: dict[str, Any]) -> None:
        columns = ", ".join(row)
        places = ", ".join(["%s"] * len(row))
        self.run(
            f"INSERT INTO {self.schema}.{table} ({columns}) VALUES ({places})",
            tuple(row.values()),
        )

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def mysql(source_server):
    """Every test here runs on MariaDB and on MySQL."""
    return source_server


@pytest.fixture
def source(mysql, request):
    schema = "e_" + request.node.name.split("[")[0][5:45]
    opened = Source(mysql.dsn, schema)
    yield opened
    opened.run(f"DROP DATABASE IF EXISTS {schema}")
    opened.close()


def load(mysql, postgres, source: Source, **spec) -> EngineRun:
    run = EngineRun(
        mysql.dsn,
        postgres.dsn,
        rules=[include(source.schema), *spec.pop("rules", [])],
        migration_type="full-load-and-cdc",
        full_load={"StopTaskCachedChangesApplied": True},
        **spec,
    )
    assert run.wait() == {"type": "stopped", "reason": "STOPPED_AFTER_CACHED_EVENTS"}, run.log
    return run


def capture(mysql, postgres, source: Source, position: str | None, **spec) -> EngineRun:
    return EngineRun(
        mysql.dsn,
        postgres.dsn,
        rules=[include(source.schema), *spec.pop("rules", [])],
        position=position,
        **spec,
    )


def catch_up(mysql, postgres, source: Source, position: str | None, **spec) -> EngineRun:
    """Captures to where the source is now, then stops."""
    run = capture(mysql, postgres, source, position, **spec)
    wait_until_applied(run, source_end(mysql.dsn))
    run.stop()
    run.wait()
    return run


def test_every_type_is_the_same_after_full_load_and_after_capture(mysql, postgres, source):
    source.run(WIDE.format(schema=source.schema))
    first = load(mysql, postgres, source)
    for number, row in enumerate(WIDE_ROWS):
        source.insert("wide", {"id": 4294967295 - number, **row})
    run = catch_up(mysql, postgres, source, first.checkpoint)
    captured = target_rows(postgres.dsn, f"SELECT * FROM {source.schema}.wide ORDER BY id")
    load(mysql, postgres, source)
    loaded = target_rows(postgres.dsn, f"SELECT * FROM {source.schema}.wide ORDER BY id")
    assert len(captured) == len(WIDE_ROWS), run.log[-6000:]
    for one, other in zip(captured, loaded, strict=True):
        assert [repr(value) for value in one] == [repr(value) for value in other]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("u4", "4294967295"), ("i8", "-9223372036854775808"), ("f", "16777218"), ("c", "ab"),
        ("d1", "-12345678901234567890123456789012345.123456789012345678901234567890"),
        ("v", "é€😀\\ \t\n\r"), ("l1", "é€"), ("tx", "\\N"), ("b", "\\x0100000000"),
        ("b10", "\\x0201"), ("b1", "true"), ("e", "it's"), ("s", "p,r s"), ("t0", "-838:59:59"),
        ("ts3", "2024-06-01 12:00:00.5"), ("dt6", "1000-01-01 00:00:00.000001"), ("y", "2155"),
        ("gv", "-2147483647"), ("lt", "😀" * 5000),
    ],
)  # fmt: skip
def test_captured_value_reads_as_stored(wide_on_target, column, expected):
    assert wide_on_target[column] == expected


@pytest.fixture(scope="module")
def wide_on_target(mysql, postgres):
    opened = Source(mysql.dsn, "e_wide_once")
    opened.run(WIDE.format(schema="e_wide_once"))
    first = load(mysql, postgres, opened)
    opened.insert("wide", {"id": 1, **WIDE_ROWS[0]})
    catch_up(mysql, postgres, opened, first.checkpoint)
    columns = ["u4", "i8", "f", "c", "d1", "v", "l1", "tx", "b", "b10", "b1", "e", "s", "t0"]
    columns += ["ts3", "dt6", "y", "gv", "lt"]
    listed = ", ".join(f"{column}::text" for column in columns)
    row = target_rows(postgres.dsn, f"SELECT {listed} FROM e_wide_once.wide")[0]
    opened.run("DROP DATABASE e_wide_once")
    opened.close()
    return dict(zip(columns, row, strict=True))


def test_changes_are_counted_netted_and_checkpointed(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int, b int, v varchar(9), PRIMARY KEY (b, a))")
    source.run(f"INSERT INTO {source.schema}.t VALUES (1,1,'one'),(2,2,'two'),(3,3,'three')")
    first = load(mysql, postgres, source)
    assert first.counters("t")["FullLoadRows"] == 3
    source.run(f"INSERT INTO {source.schema}.t VALUES (4,4,'four'),(5,5,NULL)")
    source.run(f"UPDATE {source.schema}.t SET a = 9, v = 'nine' WHERE a = 1")
    source.run(f"UPDATE {source.schema}.t SET v = 'x' WHERE a = 4")
    source.run(f"DELETE FROM {source.schema}.t WHERE a IN (2, 5)")
    run = catch_up(mysql, postgres, source, first.checkpoint)
    query = f"SELECT a, b, v FROM {source.schema}.t ORDER BY a"
    assert target_rows(postgres.dsn, query) == source_rows(mysql.dsn, query)
    counters = run.counters("t")
    assert [counters[n] for n in ("Inserts", "Updates", "Deletes")] == [2, 2, 2]
    assert [counters["Applied" + n] for n in ("Inserts", "Updates", "Deletes")] == [2, 2, 2]
    again = catch_up(mysql, postgres, source, run.checkpoint)
    assert again.counters("t")["Inserts"] == 0


def test_target_of_other_types_gets_the_values(mysql, postgres, source):
    """A real has as many bytes as an integer: what is made for the one must not reach the other."""
    table = f"{source.schema}.t"
    source.run(f"CREATE TABLE {table} (id int PRIMARY KEY, i int, b bigint, s varchar(9), d date)")
    first = load(mysql, postgres, source)
    with psycopg.connect(postgres.dsn, autocommit=True) as target:
        target.execute(
            f"ALTER TABLE {table} ALTER i TYPE real, ALTER b TYPE double precision,"
            " ALTER s TYPE text, ALTER d TYPE timestamp"
        )
    source.run(f"INSERT INTO {table} VALUES (1, 5, 7, 'one', '2026-01-02'), (2, -1, 2, 'x', NULL)")
    run = catch_up(mysql, postgres, source, first.checkpoint)
    source.run(f"UPDATE {table} SET i = 6, s = 'six' WHERE id = 1")
    source.run(f"DELETE FROM {table} WHERE id = 2")
    catch_up(mysql, postgres, source, run.checkpoint)
    rows = target_rows(postgres.dsn, f"SELECT id, i, b, s, d::text FROM {table}")
    assert rows == [(1, 6.0, 7.0, "six", "2026-01-02 00:00:00")]


def test_replay_from_an_old_checkpoint_gives_the_same_content(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY, v int)")
    first = load(mysql, postgres, source)
    source.run(f"INSERT INTO {source.schema}.t VALUES (1,1),(2,2),(3,3)")
    source.run(f"UPDATE {source.schema}.t SET a = a + 10 WHERE a > 1 ORDER BY a DESC")
    source.run(f"DELETE FROM {source.schema}.t WHERE a = 12")
    query = f"SELECT a, v FROM {source.schema}.t ORDER BY a"
    for _ in range(2):
        catch_up(mysql, postgres, source, first.checkpoint, settings=UPSERT)
        assert target_rows(postgres.dsn, query) == [(1, 1), (13, 3)]


def test_idle_source_moves_the_checkpoint_past_other_tables_and_rotations(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY)")
    source.run(f"CREATE TABLE {source.schema}.other (a int PRIMARY KEY)")
    rules = [
        {
            "rule-type": "selection", "rule-id": "2", "rule-name": "2", "rule-action": "exclude",
            "object-locator": {"schema-name": "%", "table-name": "other"},
        }
    ]  # fmt: skip
    first = load(mysql, postgres, source, rules=rules)
    source.run(f"INSERT INTO {source.schema}.other VALUES (1)")
    source.run("FLUSH BINARY LOGS")
    run = catch_up(mysql, postgres, source, first.checkpoint, rules=rules)
    end = source_rows(mysql.dsn, "SHOW BINARY LOGS")[-1]
    assert f"#{end[0]}:" in (run.checkpoint or "")
    assert f":{end[1]}:" in (run.checkpoint or "")


def test_truncate_empties_the_target_in_order(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY)")
    source.run(f"INSERT INTO {source.schema}.t VALUES (1)")
    first = load(mysql, postgres, source)
    source.run(f"INSERT INTO {source.schema}.t VALUES (2)")
    source.run(f"TRUNCATE TABLE {source.schema}.t")
    source.run(f"INSERT INTO {source.schema}.t VALUES (3)")
    run = catch_up(mysql, postgres, source, first.checkpoint)
    assert target_rows(postgres.dsn, f"SELECT a FROM {source.schema}.t") == [(3,)]
    assert run.counters("t")["AppliedDdls"] == 1


def test_table_created_after_the_full_load_arrives(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY)")
    first = load(mysql, postgres, source)
    source.run(f"CREATE TABLE {source.schema}.fresh (a int PRIMARY KEY, b text)")
    source.run(f"INSERT INTO {source.schema}.fresh VALUES (1, 'x')")
    catch_up(mysql, postgres, source, first.checkpoint)
    assert target_rows(postgres.dsn, f"SELECT * FROM {source.schema}.fresh") == [(1, "x")]


def test_stop_request_and_end_of_input_stop_soon(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY)")
    first = load(mysql, postgres, source)
    for ask in (EngineRun.stop, EngineRun.close_input):
        run = capture(mysql, postgres, source, first.checkpoint)
        run.wait_for("running")
        ask(run)
        assert run.wait(5)["reason"] == "NORMAL"
        assert run.checkpoint


def test_server_time_in_the_past_stops_at_once_and_keeps_the_checkpoint(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY)")
    first = load(mysql, postgres, source)
    source.run(f"INSERT INTO {source.schema}.t VALUES (1)")
    run = capture(mysql, postgres, source, first.checkpoint, stop_position=server_time(-60))
    assert run.wait()["reason"] == "STOPPED_AT_SERVER_TIME"
    assert target_rows(postgres.dsn, f"SELECT a FROM {source.schema}.t") == []


def test_server_time_stops_a_running_task(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY)")
    first = load(mysql, postgres, source)
    run = capture(mysql, postgres, source, first.checkpoint, stop_position=server_time(3))
    assert run.wait()["reason"] == "STOPPED_AT_SERVER_TIME"


def test_commit_time_divides_history_between_transactions(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY)")
    first = load(mysql, postgres, source)
    source.run("SET timestamp = 1700000000")
    source.run(f"INSERT INTO {source.schema}.t VALUES (1)")
    source.run("SET timestamp = 1700000100")
    source.run(f"INSERT INTO {source.schema}.t VALUES (2)")
    source.run("SET timestamp = DEFAULT")
    stop = "commit_time:2023-11-14T22:13:40"
    run = capture(mysql, postgres, source, first.checkpoint, stop_position=stop)
    assert run.wait(20)["reason"] == "STOPPED_AT_COMMIT_TIME"
    assert target_rows(postgres.dsn, f"SELECT a FROM {source.schema}.t") == [(1,)]
    catch_up(mysql, postgres, source, run.checkpoint)
    assert target_rows(postgres.dsn, f"SELECT a FROM {source.schema}.t ORDER BY a") == [(1,), (2,)]


def test_start_time_passes_over_earlier_transactions(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY)")
    load(mysql, postgres, source)
    source.run(f"INSERT INTO {source.schema}.t VALUES (1)")
    moment = source_rows(mysql.dsn, "SELECT UNIX_TIMESTAMP() + 1, SLEEP(1.1)")[0][0]
    source.run(f"INSERT INTO {source.schema}.t VALUES (2)")
    catch_up(mysql, postgres, source, None, time=moment)
    assert target_rows(postgres.dsn, f"SELECT a FROM {source.schema}.t") == [(2,)]


def test_names_follow_the_transformation_rules(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.Student (Id int PRIMARY KEY, Secret int, V int)")
    source.run(f"INSERT INTO {source.schema}.Student VALUES (1, 2, 3)")
    base = {"rule-type": "transformation", "object-locator": {"schema-name": source.schema}}
    rules = [
        {**base, "rule-id": "2", "rule-target": "schema", "rule-action": "rename",
         "value": "e_renamed"},
        {**base, "rule-id": "3", "rule-target": "table", "rule-action": "convert-lowercase"},
        {**base, "rule-id": "4", "rule-target": "column", "rule-action": "convert-lowercase"},
        {**base, "rule-id": "5", "rule-target": "column", "rule-action": "remove-column",
         "object-locator": {"schema-name": "%", "table-name": "%", "column-name": "Secret"}},
    ]  # fmt: skip
    first = load(mysql, postgres, source, rules=rules)
    source.run(f"INSERT INTO {source.schema}.Student VALUES (4, 5, 6)")
    catch_up(mysql, postgres, source, first.checkpoint, rules=rules)
    rows = target_rows(postgres.dsn, "SELECT * FROM e_renamed.student ORDER BY id")
    assert rows == [(1, 3), (4, 6)]


def test_stop_in_the_middle_of_a_table_keeps_nothing_of_it(mysql, postgres, source):
    source.run(f"CREATE TABLE {source.schema}.t (a int PRIMARY KEY, v varchar(200))")
    source.run("USE " + source.schema)
    digits = "(SELECT 0 d UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4)"
    tables = ", ".join(f"{digits} d{n}" for n in range(7))
    number = " + ".join(f"d{n}.d * {5**n}" for n in range(7))
    source.run(f"INSERT INTO t SELECT {number}, REPEAT('x', 200) FROM {tables}")
    run = EngineRun(
        mysql.dsn, postgres.dsn, rules=[include(source.schema)], migration_type="full-load"
    )
    run.wait_for("running")
    run.stop()
    assert run.wait(5)["reason"] == "NORMAL"
    known = target_rows(postgres.dsn, f"SELECT to_regclass('{source.schema}.t')")
    assert known == [(None,)]
