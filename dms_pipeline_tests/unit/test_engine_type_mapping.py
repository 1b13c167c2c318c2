import struct
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import SourceError
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.type_mapping import column_mapping
from dms_pipeline.local_dms.engine.type_mapping.catalogue import map_column
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import (
    ColumnMapping,
    TooLongError,
    UnfitValueError,
)
from dms_pipeline.local_dms.engine.type_mapping.labels import label_type, parse_labels
from dms_pipeline.local_dms.engine.type_mapping.temporal import is_calendar_date

TABLE = TableId("s", "t")


def mapped(data_type: str, column_type: str | None = None, **more: Any) -> ColumnMapping:
    return map_column(TABLE, Column("c", data_type, column_type or data_type, **more))


@pytest.mark.parametrize(
    ("data_type", "column_type", "more", "target"),
    [
        ("tinyint", "tinyint(1)", {}, "smallint"),
        ("mediumint", "mediumint unsigned", {}, "bigint"),
        ("int", "int(10) unsigned", {}, "bigint"),
        ("bigint", "bigint unsigned", {}, "bigint"),
        ("decimal", "decimal(65,30)", {"precision": 65, "scale": 30}, "numeric(65,30)"),
        ("float", "float", {}, "double precision"),
        ("bit", "bit(1)", {"precision": 1}, "boolean"),
        ("bit", "bit(9)", {"precision": 9}, "bytea"),
        ("datetime", "datetime(3)", {"fraction_digits": 3}, "timestamp(3)"),
        ("varchar", "varchar(30)", {"char_length": 30, "charset": "utf8mb4"}, "varchar(30)"),
        ("text", "text", {"char_length": 65535, "charset": "latin1"}, "varchar(65535)"),
        ("longtext", "longtext", {"charset": "utf8mb4"}, "text"),
        ("enum", "enum('a','it''s')", {}, "varchar(4)"),
        ("set", "set('a','bc')", {}, "varchar(4)"),
    ],
)
def test_target_type_is_the_one_aws_creates(data_type, column_type, more, target):
    assert mapped(data_type, column_type, **more).target_type == target


@given(st.integers(-(2**31), 2**31 - 1))
def test_unsigned_integer_is_the_same_from_both_paths(signed):
    mapping = mapped("int", "int unsigned")
    stored = signed % 2**32
    assert mapping.from_binlog(signed) == mapping.from_text(b"%d" % stored) == b"%d" % stored


def test_unsigned_bigint_above_the_signed_range_is_refused():
    mapping = mapped("bigint", "bigint(20) unsigned")
    with pytest.raises(UnfitValueError):
        mapping.from_binlog(-1)
    with pytest.raises(UnfitValueError):
        mapping.from_text(b"18446744073709551615")


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float_is_the_same_from_both_paths_and_reads_back_exactly(value):
    mapping = mapped("float")
    field = mapping.from_binlog(value) or b""
    assert field == mapping.from_text(repr(value).encode())
    assert struct.pack("<f", float(field)) == struct.pack("<f", value)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=30))
def test_decimal_is_never_written_with_an_exponent(value):
    mapping = mapped("decimal", "decimal(65,30)", precision=65, scale=30)
    field = mapping.from_binlog(value) or b""
    assert b"E" not in field
    assert Decimal(field.decode()) == value


@pytest.mark.parametrize(
    ("text", "exists"),
    [
        ("2024-02-29", True), ("2023-02-29", False), ("0000-00-00 00:00:00", False),
        ("2024-00-10", False), ("2024-02-00", False), ("0000-01-01", False),
        ("0001-01-01", True), ("9999-12-31 23:59:59", True), ("2024-02-31", False),
    ],
)  # fmt: skip
def test_date_outside_the_calendar_becomes_null(text, exists):
    assert is_calendar_date(text) is exists
    mapping = mapped("datetime", fraction_digits=0)
    assert (mapping.from_binlog(text) is not None) is exists
    assert (mapping.from_text(text.encode()) is not None) is exists


@pytest.mark.parametrize(
    ("raw", "charset", "field"),
    [
        (b"a\tb\nc\rd\\e", "utf8mb4", b"a\\tb\\nc\\rd\\\\e"),
        (b"\x80\x81", "latin1", "€\x81".encode()),
        ("é😀".encode("utf-16-be"), "utf16", "é😀".encode()),
        (b"\\N", "ascii", b"\\\\N"),
        (b"", "utf8mb4", b""),
    ],
)
def test_text_is_converted_and_escaped(raw, charset, field):
    mapping = mapped("varchar", "varchar(9)", charset=charset, char_length=9)
    assert mapping.from_binlog(raw) == mapping.from_text(raw) == field


def test_nul_in_text_is_refused():
    with pytest.raises(UnfitValueError, match="NUL"):
        mapped("varchar", "varchar(9)", charset="utf8mb4").from_binlog(b"a\0")


def test_stripped_binary_is_padded_again():
    assert mapped("binary", "binary(4)", octet_length=4).from_binlog(b"\x01") == b"\\\\x01000000"


@pytest.mark.parametrize(
    ("column_type", "labels"),
    [
        ("enum('a','b')", ["a", "b"]),
        ("enum('it''s','a,b',''',''')", ["it's", "a,b", "','"]),
        ("set('back\\\\slash','','(x)')", ["back\\slash", "", "(x)"]),
    ],
)
def test_labels_are_read_from_the_definition(column_type, labels):
    assert parse_labels(column_type) == labels
    assert parse_labels(label_type("enum", labels)) == labels


def test_enum_and_set_are_labels():
    enum = mapped("enum", "enum('a','b')")
    assert [enum.from_binlog(index) for index in (0, 1, 2)] == [b"", b"a", b"b"]
    chosen = mapped("set", "set('a','b','c')")
    assert [chosen.from_binlog(bits) for bits in (0, 5, 7)] == [b"", b"a,c", b"a,b,c"]
    assert chosen.from_text(b"a,c") == b"a,c"


def test_unsupported_type_and_character_set_name_table_column_and_type():
    with pytest.raises(SourceError, match=r"column c of table s\.t: type xmltype is not converted"):
        mapped("xmltype")
    with pytest.raises(SourceError, match="character set klingon is not converted"):
        mapped("varchar", "varchar(9)", charset="klingon")


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        ("utf16le", "é😀".encode("utf-16-le"), "é😀"), ("cp1251", b"\xcf", "П"),
        ("cp866", b"\xfc", "ⁿ"), ("greek", b"\xa1", "\u02bd"), ("hebrew", b"\xaf", "‾"),
        ("koi8u", b"\x95", "•"), ("sjis", b"\x81_", "\\\\"), ("big5", b"\xf9\xd8a", "裏a"),
        ("euckr", b"\x81A", "갂"), ("ujis", b"\xf5\xa1x", "\ue000x"),
        ("ujis", b"\x8f\xf5\xa2", "\ue3ad"), ("eucjpms", b"\xad\xa1", "①"),
        ("eucjpms", b"\x8f\xf4\xfe~", "黑~"), ("eucjpms", b"\x8f\xa2\xb7", "\uff5e"),
        ("dec8", b"\xd7", "Œ"), ("swe7", b"@[]", "ÉÄÅ"), ("armscii8", b"\xb2", "Ա"),
        ("geostd8", b"\xc0\xfd", "ა№"), ("keybcs2", b"\x80", "Č"), ("hp8", b"\xc5", "é"),
        ("dec8", b"a\xa4b", "a?b"), ("big5", b"\xf9\xfea", "?a"), ("eucjpms", b"\xad\xfea", "?a"),
        ("gbk", b"a\xa3\x80b", "a?b"), ("cp1251", b"\x98", "?"), ("greek", b"\xa4", "?"),
        ("tis620", b"\xdb", "\ufffd"), ("big5", b"\xa1\x5a", "\ufffd"), ("swe7", b"\x80", "?"),
        ("gb18030", b"\xa8\xbc", "ḿ"), ("gb18030", b"\x815\xf47", "\ue7c7"),
    ],
)  # fmt: skip
def test_every_character_set_is_converted_as_the_server_does(charset, raw, text):
    mapping = mapped("varchar", "varchar(9)", charset=charset, char_length=9)
    assert mapping.from_binlog(raw) == mapping.from_text(raw) == text.encode()


@pytest.mark.parametrize(
    ("charset", "raw"),
    [
        ("utf8mb4", b"\xff"), ("utf8mb3", b"\xed\xa0\x80"), ("utf16", b"\xd8\x00"),
        ("gbk", b"\x81"), ("ujis", b"\x8f"), ("ujis", b"\x8e\xa0"), ("sjis", b"\x81a\x81"),
    ],
)  # fmt: skip
def test_bytes_that_are_no_text_are_refused(charset, raw):
    mapping = mapped("varchar", "varchar(9)", charset=charset, char_length=9)
    with pytest.raises(UnfitValueError, match="not valid"):
        mapping.from_binlog(raw)


def test_blob_too_large_for_postgresql_is_refused(monkeypatch):
    monkeypatch.setattr(column_mapping, "_LARGEST_BYTEA", 3)
    mapping = mapped("longblob")
    assert mapping.from_binlog(b"abc") == b"\\\\x616263"
    with pytest.raises(TooLongError):
        mapping.from_binlog(b"abcd")
