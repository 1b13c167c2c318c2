"""Column definitions as statements write them, against what the servers make of them."""

import pytest

from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.sql_words import read_words
from dms_pipeline.local_dms.engine.stated_columns import TABLE_CHARSET, read_column


@pytest.mark.parametrize(
    ("definition", "column"),
    [
        ("INTEGER UNSIGNED NOT NULL", Column("", "int", "int unsigned", is_nullable=False)),
        ("int(5) zerofill", Column("", "int", "int unsigned zerofill")),
        ("bool DEFAULT 1", Column("", "tinyint", "tinyint")),
        ("bigint AUTO_INCREMENT", Column("", "bigint", "bigint", is_nullable=False)),
        ("dec", Column("", "decimal", "decimal(10,0)", precision=10, scale=0)),
        ("numeric(8, 2) unsigned",
         Column("", "decimal", "decimal(8,2) unsigned", precision=8, scale=2)),
        ("float(24)", Column("", "float", "float")),
        ("float(25)", Column("", "double", "double")),
        ("double precision", Column("", "double", "double")),
        ("float(7,2)", Column("", "float", "float(7,2)")),
        ("bit", Column("", "bit", "bit(1)", precision=1)),
        ("binary(20) NOT NULL COMMENT 'A'",
         Column("", "binary", "binary(20)", char_length=20, octet_length=20, is_nullable=False)),
        ("datetime(3) DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3)",
         Column("", "datetime", "datetime(3)", fraction_digits=3)),
        ("timestamp NULL", Column("", "timestamp", "timestamp")),
        ("varchar(16)", Column("", "varchar", "varchar(16)", TABLE_CHARSET, 16)),
        ("char(4) CHARACTER SET latin1", Column("", "char", "char(4)", "latin1", 4)),
        ("text COLLATE utf8mb4_bin", Column("", "text", "text", "utf8mb4", 65535, 65535)),
        ("varchar(9) DEFAULT ('a' COLLATE latin1_bin)",
         Column("", "varchar", "varchar(9)", TABLE_CHARSET, 9)),
        ("enum('it''s', 'b  ')", Column("", "enum", "enum('it''s','b')", TABLE_CHARSET, 4)),
        ("set('a','bc') NOT NULL",
         Column("", "set", "set('a','bc')", TABLE_CHARSET, 4, is_nullable=False)),
        ("varchar(9) NULL", Column("", "varchar", "varchar(9)", TABLE_CHARSET, 9)),
        ("int DEFAULT NULL NOT NULL", Column("", "int", "int", is_nullable=False)),
        ("int CHECK (c IS NOT NULL) FIRST", Column("", "int", "int")),
    ],
)  # fmt: skip
def test_definition_is_read_as_information_schema_shows_it(definition, column):
    assert read_column(read_words(definition)) == column


@pytest.mark.parametrize(
    "definition",
    [
        "timestamp", "int AS (a + 1)", "int GENERATED ALWAYS AS (a) STORED", "serial", "json",
        "real", "text(100)", "blob(9)", "varchar(20000)", "varbinary(70000)", "decimal(0)",
        "varchar(9) CHARACTER SET binary", "varchar(9) ASCII", "varchar(9) BYTE", "char varying(9)",
        "national varchar(9)", "nvarchar(9)", "enum(x'41')", "varchar(9) CHARACTER SET DEFAULT",
        "geometry", "COMMENT 'no type'", "",
    ],
)  # fmt: skip
def test_what_depends_on_more_than_the_statement_is_not_read(definition):
    assert read_column(read_words(definition)) is None
