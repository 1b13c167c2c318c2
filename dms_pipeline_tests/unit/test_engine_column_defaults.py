"""What rows get in a column that is added, where the statement tells; refused where it does not."""

from dataclasses import replace
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


def field_of(definition, times=TIMES, *, is_strict=True, table_charset="utf8mb4", **described):
    kind = definition.split()[0]
    ddl = parse_ddl(f"ALTER TABLE t ADD c {definition}", "d")
    assert ddl is not None
    clause = ddl.clauses[0]
    assert isinstance(clause, ColumnAdded)
    column = Column("c", kind.partition("(")[0], **{"column_type": kind, **described})
    mapping = map_column(TableId("d", "t"), column)
    planned = PlannedColumn(0, column, "c", mapping)
    return default_field(planned, clause, times, is_strict=is_strict, charset=table_charset)


@pytest.mark.parametrize(
    ("definition", "described", "field"),
    [
        ("int", {}, None),
        ("int NOT NULL", {}, b"0"),
        ("int", {"is_nullable": False}, None),
        ("int DEFAULT -5", {}, b"-5"),
        ("int DEFAULT '2.5'", {}, b"3"),
        ("int DEFAULT 0x10", {}, b"16"),
        ("int DEFAULT NULL", {}, None),
        ("decimal(6,2) DEFAULT 1", {"precision": 6, "scale": 2}, b"1.00"),
        ("float DEFAULT 16777217", {}, b"16777216.0"),
        ("double DEFAULT 0.1", {}, b"0.1"),
        ("double NOT NULL", {}, b"0.0"),
        ("double DEFAULT -0.0", {}, b"0.0"),
        ("decimal(5,2) DEFAULT .5", {"precision": 5, "scale": 2}, b"0.50"),
        ("decimal(5,2) DEFAULT (-.5)", {"precision": 5, "scale": 2}, b"-0.50"),
        ("decimal(5,2) DEFAULT 1.25e0", {"precision": 5, "scale": 2}, b"1.25"),
        ("decimal(5,2) NOT NULL", {"precision": 5, "scale": 2}, b"0.00"),
        ("float(5,1) DEFAULT 1.25", {}, b"1.2"),
        ("float(7,2) DEFAULT 1.239", {}, b"1.24"),
        ("double(9,2) DEFAULT 2.675", {}, b"2.67"),
        ("tinyint DEFAULT (-128)", {}, b"-128"),
        ("int DEFAULT (-TRUE)", {}, b"-1"),
        ("int DEFAULT N'5'", {}, b"5"),
        ("int NULL NOT NULL", {}, b"0"),
        ("int NOT NULL NULL", {}, None),
        ("int CHECK (c IS NOT NULL OR k > 0)", {}, None),
        ("int KEY", {}, b"0"),
        ("int UNIQUE KEY", {}, None),
        ("year DEFAULT 1", {}, b"2001"),
        ("year DEFAULT '0'", {}, b"2000"),
        ("year DEFAULT 0", {}, b"0"),
        ("year DEFAULT '0000'", {}, b"0"),
        ("year DEFAULT 0x10", {}, b"2016"),
        ("year DEFAULT '99'", {}, b"1999"),
        ("year DEFAULT 2024", {}, b"2024"),
        ("year NOT NULL", {}, b"0"),
        ("bit(8) DEFAULT b'101'", {"precision": 8}, b"\\\\x05"),
        ("varchar(9) DEFAULT 'a b'", {}, b"a b"),
        ("varchar(9) DEFAULT 12", {}, b"12"),
        ("varchar(9) DEFAULT 1.50", {}, b"1.50"),
        ("varchar(9) DEFAULT .5", {}, b"0.5"),
        ("varchar(9) DEFAULT 'a' 'b'", {}, b"ab"),
        ("varchar(9) DEFAULT N'é'", {}, "é".encode()),
        ("varchar(9) DEFAULT 0xc3a9", {"charset": "utf8mb4"}, "é".encode()),
        ("char(9) DEFAULT 0x4120", {"charset": "ascii"}, b"A"),
        ("varbinary(9) DEFAULT 0x00", {}, b"\\\\x00"),
        ("varbinary(9) DEFAULT x'00ff'", {}, b"\\\\x00ff"),
        ("varbinary(9) DEFAULT 0xabc", {}, b"\\\\x0abc"),
        ("varbinary(9) DEFAULT b'000000101'", {}, b"\\\\x0005"),
        ("varbinary(9) DEFAULT x''", {}, b"\\\\x"),
        ("varbinary(9) DEFAULT 65", {}, b"\\\\x3635"),
        ("binary(4) DEFAULT 0x41", {"octet_length": 4}, b"\\\\x41000000"),
        ("char(9) DEFAULT 'a  '", {}, b"a"),
        ("varchar(9) NOT NULL", {}, b""),
        ("enum('x','y') DEFAULT 'Y'", {}, b"y"),
        ("enum('x','y') NOT NULL", {}, b"x"),
        ("enum('a','A') DEFAULT 'A'", {}, b"A"),
        ("enum('x','y') DEFAULT 'y '", {}, b"y"),
        ("set('a','b') DEFAULT 'b,a'", {}, b"a,b"),
        ("set('a','b','A') DEFAULT 'a,A'", {}, b"a,A"),
        ("set('a','b') DEFAULT 'a,A'", {}, b"a"),
        ("set('a','b') DEFAULT ''", {}, b""),
        ("datetime(3) DEFAULT '2024-01-02 03:04:05.6'", {"fraction_digits": 3},
         b"2024-01-02 03:04:05.600000"),
        ("date DEFAULT '2024-01-02'", {}, b"2024-01-02"),
        ("date DEFAULT '2024-1-2'", {}, b"2024-01-02"),
        ("date DEFAULT 20240102", {}, b"2024-01-02"),
        ("date DEFAULT '0001-1-2'", {}, b"0001-01-02"),
        ("datetime DEFAULT '2024-1-2 3:4:5.00'", {}, b"2024-01-02 03:04:05.000000"),
        ("date NOT NULL", {}, None),
        ("time DEFAULT '10'", {}, b"00:00:10"),
        ("time DEFAULT 1020", {}, b"00:10:20"),
        ("time DEFAULT '10:20'", {}, b"10:20:00"),
        ("time DEFAULT '838:59:59'", {}, b"838:59:59"),
        ("time DEFAULT '-10:00:00'", {}, b"-10:00:00"),
        ("time DEFAULT '-0:0:0'", {}, b"00:00:00"),
        ("time(3) DEFAULT '1:2:3.4'", {"fraction_digits": 3}, b"01:02:03.400"),
        ("time(2) NOT NULL", {"fraction_digits": 2}, b"00:00:00.00"),
        ("inet4 DEFAULT '1.2.3.4'", {}, b"1.2.3.4"),
        ("inet6 DEFAULT '2001:DB8::1'", {}, b"2001:db8::1"),
        ("inet6 NOT NULL", {}, b"::"),
        ("uuid DEFAULT '123E4567-E89B-12D3-A456-426655440000'", {},
         b"123e4567-e89b-12d3-a456-426655440000"),
        ("timestamp DEFAULT now()", {}, b"2023-11-14 22:13:20"),
        ("timestamp NULL", {"is_nullable": False}, None),
        ("timestamp", {}, None),
        ("timestamp(6) DEFAULT now(6)", {"fraction_digits": 6}, b"2023-11-14 22:13:20.123456"),
        ("datetime DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP", {},
         b"2023-11-15 00:13:20"),
        ("datetime(3) DEFAULT CURRENT_TIMESTAMP(3)", {"fraction_digits": 3},
         b"2023-11-15 00:13:20.123"),
        ("datetime(3) DEFAULT now()", {"fraction_digits": 3}, b"2023-11-15 00:13:20.123"),
        ("datetime(6) DEFAULT (now(3))", {"fraction_digits": 6}, b"2023-11-15 00:13:20.123"),
        ("date DEFAULT (curdate())", {}, b"2023-11-15"),
        ("date DEFAULT (CURRENT_DATE)", {}, b"2023-11-15"),
        ("datetime DEFAULT (CURRENT_DATE)", {}, b"2023-11-15 00:00:00"),
        ("timestamp(2) DEFAULT '2024-01-02 03:04:05.12'", {"fraction_digits": 2},
         b"2024-01-02 01:04:05.120000"),
        ("text DEFAULT ('a\tb')", {}, b"a\\tb"),
        ("int DEFAULT (-5)", {}, b"-5"),
        ("int DEFAULT ((7))", {}, b"7"),
        ("text DEFAULT ''", {}, b""),
        ("text DEFAULT ('')", {"is_strict": False}, b""),
        ("text NOT NULL DEFAULT ''", {"is_strict": False}, b""),
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
        ("timestamp NOT NULL", {}),
        ("text DEFAULT ''", {"is_strict": False}),
        ("blob DEFAULT x''", {"is_strict": False}),
        ("int NOT NULL DEFAULT (NULL)", {}),
        ("int DEFAULT 2.5e0", {}),
        ("int DEFAULT (- -5)", {}),
        ("int DEFAULT (-'5')", {}),
        ("int DEFAULT ('1_0')", {}),
        ("tinyint DEFAULT (300)", {}),
        ("int unsigned DEFAULT (-5)", {"column_type": "int unsigned"}),
        ("decimal(4,2) DEFAULT (300)", {"precision": 4, "scale": 2}),
        ("bit(3) DEFAULT (9)", {"precision": 3}),
        ("double DEFAULT '-0.0'", {}),
        ("double DEFAULT -0e0", {}),
        ("float DEFAULT (1e39)", {}),
        ("float(4,1) DEFAULT (5000)", {}),
        ("year DEFAULT (3000)", {}),
        ("varchar(2) DEFAULT ('abc')", {"char_length": 2}),
        ("varbinary(2) DEFAULT (0x414243)", {"octet_length": 2}),
        ("varchar(9) DEFAULT ('я')", {"charset": "latin1"}),
        ("varchar(9) DEFAULT 0xe9", {"charset": "latin1"}),
        ("varchar(9) DEFAULT 0x00", {"charset": "utf8mb4"}),
        ("varchar(9) DEFAULT (0xc3)", {"charset": "utf8mb4"}),
        ("varchar(9) DEFAULT _utf16'ab'", {}),
        ("varchar(9) DEFAULT _latin1 0xe9", {"charset": "utf8mb4"}),
        ("varchar(9) DEFAULT -0.0", {}),
        ("enum('a','b') DEFAULT 'á'", {}),
        ("enum('i','\u0131') DEFAULT 'I'", {"collation": "utf8mb4_turkish_ci"}),
        ("set('a','b') DEFAULT ('a,x')", {}),
        ("date DEFAULT '20-1-2'", {}),
        ("datetime(3) DEFAULT '2024-01-02 03:04:05,6'", {"fraction_digits": 3}),
        ("time DEFAULT ('839:00:00')", {}),
        ("time DEFAULT '10:20:30.4'", {}),
        ("time DEFAULT '1 2:3:4'", {}),
        ("inet6 DEFAULT '2001:db8:0:0:0:0:0:1'", {}),
        ("uuid DEFAULT '123e4567e89b12d3a456426655440000'", {}),
    ],
)
def test_what_only_the_source_knows_is_refused(definition, described):
    with pytest.raises(LoadError, match="column c was added with"):
        field_of(definition, **described)


def test_servers_differ_in_what_now_in_parentheses_gives_a_fraction():
    definition = "datetime(3) DEFAULT (now())"
    unlogged = replace(TIMES, microsecond=None)
    assert field_of(definition, unlogged, fraction_digits=3) == b"2023-11-15 00:13:20"
    for too_much in (definition, "datetime(3) DEFAULT (now(6))"):
        with pytest.raises(LoadError, match="expression"):
            field_of(too_much, fraction_digits=3)


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
    with pytest.raises(LoadError, match="column c was added with"):
        field_of(definition, times=StatementTimes(TIMES.utc), **described)


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        ("int AUTO_INCREMENT", "with values that the source generates, and"),
        ("int AS (k + 1)", "with values that the source generates, and"),
        ("int DEFAULT (k + 1)", "with an expression as its default, and"),
        ("enum('a') DEFAULT ('b')", "with the default 'b', and"),
        ("timestamp NOT NULL", "with no default, and"),
    ],
)
def test_a_refusal_says_what_the_column_was_added_with(definition, text):
    with pytest.raises(LoadError, match=f"column c was added {text} what existing rows got"):
        field_of(definition)


@pytest.mark.parametrize("charset", ["utf16", "swe7", None])
def test_text_for_a_blob_is_in_the_character_set_of_the_table(charset):
    assert field_of("blob DEFAULT '1'", table_charset="latin1") == b"\\\\x31"
    assert field_of("blob DEFAULT x'41'", table_charset=charset) == b"\\\\x41"
    assert field_of("varbinary(9) DEFAULT '1'", table_charset=charset) == b"\\\\x31"
    with pytest.raises(LoadError, match="with the default '1'"):
        field_of("blob DEFAULT '1'", table_charset=charset)
