"""What rows get in a column that is added, where the statement tells; refused where it does not."""

from datetime import datetime

import pytest

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import LoadError
from dms_pipeline.local_dms.engine.column_defaults import default_field
from dms_pipeline.local_dms.engine.ddl import parse_ddl
from dms_pipeline.local_dms.engine.ddl_clauses import ColumnAdded
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.statement_times import StatementTimes
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn
from dms_pipeline.local_dms.engine.type_mapping.catalogue import map_column

TIMES = StatementTimes(
    utc=datetime(2023, 11, 14, 22, 13, 20),
    local=datetime(2023, 11, 15, 0, 13, 20),
    microsecond=123456,
    in_utc={datetime(2024, 1, 2, 3, 4, 5): datetime(2024, 1, 2, 1, 4, 5)},
)


def field_of(definition, times=TIMES, **described):
    kind = definition.split()[0]
    ddl = parse_ddl(f"ALTER TABLE t ADD c {definition}", "d")
    assert ddl is not None
    clause = ddl.clauses[0]
    assert isinstance(clause, ColumnAdded)
    column = Column("c", kind.partition("(")[0], kind, **described)
    mapping = map_column(TableId("d", "t"), column)
    return default_field(PlannedColumn(0, column, "c", mapping), clause, times)


@pytest.mark.parametrize(
    ("definition", "described", "field"),
    [
        ("int", {}, None),
        ("int NOT NULL", {}, b"0"),
        ("int", {"is_nullable": False}, b"0"),
        ("int DEFAULT -5", {}, b"-5"),
        ("int DEFAULT '2.5'", {}, b"3"),
        ("int DEFAULT 0x10", {}, b"16"),
        ("int DEFAULT NULL", {}, None),
        ("decimal(6,2) DEFAULT 1", {"precision": 6, "scale": 2}, b"1.00"),
        ("float DEFAULT 16777217", {}, b"16777216.0"),
        ("double DEFAULT 0.1", {}, b"0.1"),
        ("double NOT NULL", {}, b"0.0"),
        ("year DEFAULT 1", {}, b"2001"),
        ("year DEFAULT '0'", {}, b"2000"),
        ("year DEFAULT 0", {}, b"0"),
        ("year DEFAULT '99'", {}, b"1999"),
        ("year DEFAULT 2024", {}, b"2024"),
        ("year NOT NULL", {}, b"0"),
        ("bit(8) DEFAULT b'101'", {"precision": 8}, b"\\\\x05"),
        ("varchar(9) DEFAULT 'a b'", {}, b"a b"),
        ("varchar(9) DEFAULT 12", {}, b"12"),
        ("char(9) DEFAULT 'a  '", {}, b"a"),
        ("varchar(9) NOT NULL", {}, b""),
        ("enum('x','y') DEFAULT 'Y'", {}, b"y"),
        ("enum('x','y') NOT NULL", {}, b"x"),
        ("set('a','b') DEFAULT 'b,a'", {}, b"a,b"),
        ("datetime(3) DEFAULT '2024-01-02 03:04:05.6'", {"fraction_digits": 3},
         b"2024-01-02 03:04:05.600000"),
        ("date DEFAULT '2024-01-02'", {}, b"2024-01-02"),
        ("date NOT NULL", {}, None),
        ("timestamp DEFAULT now()", {}, b"2023-11-14 22:13:20"),
        ("timestamp NULL", {}, None),
        ("timestamp(6) DEFAULT now(6)", {"fraction_digits": 6}, b"2023-11-14 22:13:20.123456"),
        ("datetime DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP", {},
         b"2023-11-15 00:13:20"),
        ("datetime(3) DEFAULT CURRENT_TIMESTAMP(3)", {"fraction_digits": 3},
         b"2023-11-15 00:13:20.123"),
        ("datetime(3) DEFAULT (now())", {"fraction_digits": 3}, b"2023-11-15 00:13:20"),
        ("date DEFAULT (curdate())", {}, b"2023-11-15"),
        ("date DEFAULT (CURRENT_DATE)", {}, b"2023-11-15"),
        ("datetime DEFAULT (CURRENT_DATE)", {}, b"2023-11-15 00:00:00"),
        ("timestamp(2) DEFAULT '2024-01-02 03:04:05.12'", {"fraction_digits": 2},
         b"2024-01-02 01:04:05.120000"),
        ("text DEFAULT ('a\tb')", {}, b"a\\tb"),
        ("int DEFAULT (-5)", {}, b"-5"),
        ("int DEFAULT ((7))", {}, b"7"),
        ("json DEFAULT (json_array())", {}, b"[]"),
        ("json DEFAULT ('{}')", {}, b"{}"),
    ],
)  # fmt: skip
def test_rows_get_the_value_that_the_statement_tells(definition, described, field):
    assert field_of(definition, **described) == field


@pytest.mark.parametrize(
    ("definition", "described"),
    [
        ("varchar(36) DEFAULT (uuid())", {}),
        ("int AUTO_INCREMENT", {}),
        ("int AS (k + 1)", {}),
        ("varchar(9) DEFAULT 1e3", {}),
        ("varchar(9) DEFAULT 007", {}),
        ("varchar(9) DEFAULT 0x41", {}),
        ("bit(8) DEFAULT '1'", {"precision": 8}),
        ("enum('2','1') DEFAULT 1", {}),
        ("varbinary(9) DEFAULT 'é'", {}),
        ("float(5,1) DEFAULT 1.25", {}),
        ("datetime DEFAULT '2024-01-02 03:04:05.6'", {}),
        ("datetime DEFAULT '2024-01-02 03:04:05+02:00'", {}),
        ("timestamp DEFAULT (CURRENT_DATE)", {}),
        ("time DEFAULT now()", {}),
        ("datetime DEFAULT (now() + INTERVAL 1 DAY)", {}),
        ("int DEFAULT (1 + 1)", {}),
        ("int DEFAULT (abs(1) + abs(1))", {}),
        ("int DEFAULT ((1) + (1))", {}),
        ("json DEFAULT ('[1]')", {}),
        ("varchar(9) DEFAULT (concat('a', 'b'))", {}),
        ("varchar(9) DEFAULT _latin1'é'", {}),
        ("date DEFAULT '2024-01-02 23:59:59'", {}),
        ("timestamp DEFAULT '2024-03-31 02:30:00'", {}),
        ("timestamp", {"is_nullable": False}),
    ],
)
def test_what_only_the_source_knows_is_refused(definition, described):
    with pytest.raises(LoadError, match="column c was added with the default"):
        field_of(definition, **described)


@pytest.mark.parametrize(
    ("definition", "described"),
    [
        ("datetime DEFAULT now()", {}),
        ("date DEFAULT (curdate())", {}),
        ("timestamp DEFAULT '2024-01-02 03:04:05'", {}),
        ("timestamp(3) DEFAULT now(3)", {"fraction_digits": 3}),
    ],
)
def test_the_session_s_time_may_not_be_known(definition, described):
    with pytest.raises(LoadError, match="column c was added with the default"):
        field_of(definition, times=StatementTimes(TIMES.utc), **described)
