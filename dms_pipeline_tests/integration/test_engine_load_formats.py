"""A full load takes the binary protocol where it can; where it cannot, rows arrive all the same."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from dms_pipeline.binlog.connection import ConnectionSettings
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import LoadError
from dms_pipeline.local_dms.engine.full_load import load_table
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules
from dms_pipeline.local_dms.engine.snapshots import open_unload_connection
from dms_pipeline.local_dms.engine.source_schema import read_tables
from dms_pipeline.local_dms.engine.table_plan import ValueDoesNotFitError
from dms_pipeline.local_dms.engine.table_planning import plan_table
from dms_pipeline.local_dms.engine.target_tables import connect_target
from dms_pipeline.local_dms.engine.task_spec import target_settings
from dms_pipeline_tests.arrays_at_once import arrays_at_once
from dms_pipeline_tests.engine_driver import connect_source, include, source_spec, target_spec

SCHEMA = "load_formats"


class Loads:
    """Loads of table t over one connection to each side."""

    def __init__(self, admin: Any, unload: Any, target: Any) -> None:
        self.admin = admin
        self.unload = unload
        self.target = target
        self.unfit: list[ValueDoesNotFitError] = []

    def run(self, *statements: str) -> None:
        with self.admin.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def load(self, *rules: dict[str, Any]) -> Counter[str]:
        """What it did with prepared statements."""
        table = TableId(SCHEMA, "t")
        mapping = MappingRules.from_message({"rules": [include(SCHEMA), *rules]})
        plan = plan_table(read_tables(self.admin, {table: 0})[table], mapping, "")
        before = self._prepared()
        load_table(
            self.unload,
            self.target,
            plan,
            prep_mode="TRUNCATE_BEFORE_LOAD",
            on_rows=lambda _: None,
            should_stop=lambda: False,
            on_unfit=self.unfit.append,
        )
        return self._prepared() - before

    def rows(self) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = self.target.execute(
            f"SELECT * FROM {SCHEMA}.t ORDER BY 1"
        ).fetchall()
        return rows

    def _prepared(self) -> Counter[str]:
        with self.unload.cursor() as cursor:
            cursor.execute("SHOW SESSION STATUS LIKE 'Com\\_stmt\\_%'")
            counts = {bytes(name).decode(): int(count) for name, count in cursor.fetchall()}
        names = {"Com_stmt_prepare", "Com_stmt_execute", "Com_stmt_close"}
        return Counter({name.removeprefix("Com_stmt_"): counts[name] for name in names})


@pytest.fixture
def loads(source_server, postgres) -> Iterator[Loads]:
    admin = connect_source(source_server.dsn)
    spec = source_spec(source_server.dsn)
    settings = ConnectionSettings(spec["host"], spec["port"], spec["user"], spec["password"])
    with admin.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        cursor.execute(f"DROP DATABASE IF EXISTS {SCHEMA}")
        cursor.execute(f"CREATE DATABASE {SCHEMA} DEFAULT CHARSET utf8mb4")
        cursor.execute(f"USE {SCHEMA}")
    with connect_target(target_settings(target_spec(postgres.dsn))) as target:
        target.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        unload = open_unload_connection(settings)
        yield Loads(admin, unload, target)
        unload.close()
    with admin.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {SCHEMA}")
    admin.close()


BINARY = Counter(prepare=1, execute=1, close=1)
"""The statement is closed behind its rows."""


def test_rows_come_in_the_binary_protocol(loads):
    loads.run("CREATE TABLE t (a int PRIMARY KEY, b text)", "INSERT INTO t VALUES (1, 'x')")
    assert loads.load() == BINARY
    assert loads.rows() == [(1, "x")]
    loads.run("DELETE FROM t")
    assert loads.load() == BINARY
    assert loads.rows() == []


@pytest.mark.parametrize("other", ["bigint", "text"])
def test_a_column_of_another_type_on_the_target_gets_the_printed_values(loads, other):
    loads.run("CREATE TABLE t (a int PRIMARY KEY, b int)", "INSERT INTO t VALUES (1, -7)")
    loads.target.execute(f"CREATE SCHEMA {SCHEMA}")
    loads.target.execute(f"CREATE TABLE {SCHEMA}.t (a int PRIMARY KEY, b {other})")
    assert loads.load() == Counter()
    assert loads.rows() == [(1, "-7" if other == "text" else -7)]


def test_a_column_whose_type_a_rule_changes_gets_converted_values(loads):
    loads.run("CREATE TABLE t (a int PRIMARY KEY, b int)", "INSERT INTO t VALUES (1, -7)")
    rule = {
        "rule-type": "transformation", "rule-id": "2", "rule-name": "2", "rule-target": "column",
        "object-locator": {"schema-name": SCHEMA, "table-name": "t", "column-name": "b"},
        "rule-action": "change-data-type", "data-type": {"type": "numeric", "precision": 9},
    }  # fmt: skip
    assert loads.load(rule)["execute"] == 0
    assert loads.rows() == [(1, -7)]


@contextmanager
def no_prepared_statements(loads: Loads) -> Iterator[None]:
    loads.run("SET GLOBAL max_prepared_stmt_count = 0")
    try:
        yield
    finally:
        loads.run("SET GLOBAL max_prepared_stmt_count = DEFAULT")


def test_a_server_that_prepares_no_statement_prints_its_rows(loads):
    loads.run(
        "CREATE TABLE t (a int PRIMARY KEY, b date)", "INSERT INTO t VALUES (1, '0000-00-00')"
    )
    with no_prepared_statements(loads):
        assert loads.load()["execute"] == 0
    assert loads.rows() == [(1, None)]


@pytest.mark.parametrize("made_by", [nullcontext, arrays_at_once])
def test_after_a_value_that_does_not_fit_the_rows_are_looked_at_over_the_same_connection(
    loads, made_by
):
    loads.run(
        "CREATE TABLE t (a int PRIMARY KEY, b bigint unsigned, c text)",
        "INSERT INTO t VALUES (1, 1, 'x'), (2, 18446744073709551615, 'y'), (3, 3, 'a\0b')",
    )
    with made_by():
        assert loads.load() == BINARY
    assert loads.rows() == [(1, 1, "x")]
    assert [(error.column, error.key) for error in loads.unfit] == [("b", ("2",)), ("c", ("3",))]


MANY_COLUMNS = {
    "id bigint unsigned PRIMARY KEY": "n",
    "flag tinyint(1)": "n % 2",
    "small smallint": "n % 60000 - 30000",
    "price decimal(12,2)": "(n - 20000) * 1.37",
    "digits decimal(18,0)": "IF(n % 3, n * 10000000000, -999999999999999999)",
    "wide decimal(40,12)": "(n - 20000) / 7",
    "ratio double": "n / 3",
    "part float": "n / 3",
    "day date": "IF(n % 5000, DATE_ADD('1000-01-01', INTERVAL n * 7 DAY), '0000-00-00')",
    "moment datetime(6)": "DATE_ADD('1969-12-31', INTERVAL n * 86400.000001 SECOND_MICROSECOND)",
    "hour datetime": "DATE_ADD('2000-02-28', INTERVAL IF(n % 9, n * 3601, n * 86400) SECOND)",
    "at timestamp NULL": "DATE_ADD('2001-01-01', INTERVAL n HOUR)",
    "clock time(3)": "SEC_TO_TIME(n * 11.001 - 90000)",
    "in_year year": "1901 + n % 200",
    "name varchar(300) CHARACTER SET utf8mb4": "REPEAT('é', n % 130)",
    "old varchar(20) CHARACTER SET latin1": "CONCAT('é', n)",
    "raw varbinary(20)": "UNHEX(HEX(n))",
    "bits bit(10)": "n % 1024",
    "kind enum('a','b','c')": "ELT(1 + n % 3, 'a', 'b', 'c')",
    "some int": "IF(n % 4, n, NULL)",
    "rare text": "IF(n % 997, NULL, REPEAT('x', n))",
}
"""With their values in row ``n``."""


def test_many_rows_arrive_as_they_do_in_text(loads):
    ten = " UNION ALL ".join(f"SELECT {digit} AS d" for digit in range(10))
    tens = ", ".join(f"({ten}) AS t{place}" for place in range(5))
    number = " + ".join(f"t{place}.d * {10**place}" for place in range(5))
    loads.run(
        f"CREATE TABLE t ({', '.join(MANY_COLUMNS)})",
        f"INSERT INTO t SELECT {', '.join(MANY_COLUMNS.values())}"
        f" FROM (SELECT {number} AS n FROM {tens}) AS numbers WHERE n BETWEEN 1 AND 65000",
    )
    assert loads.load() == BINARY
    arrived = loads.rows()
    with no_prepared_statements(loads):
        assert loads.load()["execute"] == 0
    assert len(arrived) == 65000
    assert arrived == loads.rows()


def test_null_in_a_key_of_a_rule_fails_the_load(loads):
    loads.run("CREATE TABLE t (a int, b int)", "INSERT INTO t VALUES (1, 1), (2, NULL)")
    rule = {
        "rule-type": "transformation", "rule-id": "2", "rule-name": "2", "rule-target": "table",
        "object-locator": {"schema-name": SCHEMA, "table-name": "t"},
        "rule-action": "define-primary-key",
        "primary-key-def": {"name": "pk", "origin": "primary-key", "columns": ["b"]},
    }  # fmt: skip
    with pytest.raises(LoadError, match="the target refused in column b: .*null"):
        loads.load(rule)


def test_rows_larger_than_a_packet_arrive_whole(loads):
    loads.run(
        "CREATE TABLE t (a int PRIMARY KEY, b longblob, c int)",
        *(f"INSERT INTO t VALUES ({size}, REPEAT('b', {size}), 5)" for size in SIZES),
    )
    assert loads.load() == BINARY
    found = [(a, len(b), c) for a, b, c in loads.rows()]
    assert found == [(size, size, 5) for size in SIZES]


# A packet has 16777215 bytes at most, of which 12 to 15 are not the value's here.
SIZES = [250, 251, 65535, 65536, 16777195, *range(16777199, 16777205), 16777216]
