"""What rows get in a column that is added, where the statement tells; refused where it does not."""

import pytest

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import LoadError
from dms_pipeline.local_dms.engine.column_defaults import default_field
from dms_pipeline.local_dms.engine.ddl import parse_ddl
from dms_pipeline.local_dms.engine.ddl_clauses import ColumnAdded
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn
from dms_pipeline.local_dms.engine.type_mapping.catalogue import map_column

TIMESTAMP = 1_700_000_000


def field_of(definition, **described):
    kind = definition.split()[0]
    ddl = parse_ddl(f"ALTER TABLE t ADD c {definition}", "d")
    assert ddl is not None
    clause = ddl.clauses[0]
    assert isinstance(clause, ColumnAdded)
    column = Column("c", kind.partition("(")[0], kind, **described)
    mapping = map_column(TableId("d", "t"), column)
    return default_field(PlannedColumn(0, column, "c", mapping), clause, TIMESTAMP)


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
        ("datetime DEFAULT now()", {}),
        ("date DEFAULT '2024-01-02 23:59:59'", {}),
        ("timestamp DEFAULT '2024-01-02 03:04:05'", {}),
        ("timestamp(6) DEFAULT now(6)", {"fraction_digits": 6}),
        ("timestamp", {"is_nullable": False}),
    ],
)
def test_what_only_the_source_knows_is_refused(definition, described):
    with pytest.raises(LoadError, match="column c was added with the default"):
        field_of(definition, **described)
