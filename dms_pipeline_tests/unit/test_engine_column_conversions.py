"""What becomes of a column's values when its definition changes, where that can be promised."""

from dataclasses import replace

import pytest

from dms_pipeline.local_dms.engine.column_conversions import (
    conversion,
    is_same_in_expressions,
    misfits,
)
from dms_pipeline.local_dms.engine.model import Column

DATETIME = Column("c", "datetime", "datetime")
INT = Column("c", "int", "int")


def _decimal(precision, scale):
    name = f"decimal({precision},{scale})"
    return Column("c", "decimal", name, precision=precision, scale=scale)


def _text(column_type, collation):
    kind = column_type.partition("(")[0]
    return Column("c", kind, column_type, charset="latin1", collation=collation)


@pytest.mark.parametrize(
    ("after", "target_type", "expression"),
    [
        (INT, "smallint", "{}"),
        (Column("c", "varchar", "varchar(9)"), "text", "{}"),
        (Column("c", "bit", "bit(1)"), "boolean", "{}"),
        # It may have been a TIMESTAMP, or have had fractions of seconds.
        (DATETIME, "timestamp without time zone", None),
        (INT, "character varying", None),
    ],
)
def test_of_an_unknown_definition_the_target_tells_some(after, target_type, expression):
    assert conversion(None, after, target_type, is_strict=True) == expression
    assert conversion(None, after, target_type, is_strict=False) is None


@pytest.mark.parametrize(
    ("before", "after", "expression"),
    [
        (Column("c", "bit", "bit(1)"), INT, "{}::integer"),
        (Column("c", "bit", "bit(2)"), INT, None),
        (Column("c", "datetime", "datetime(6)", fraction_digits=6), DATETIME, None),
        (DATETIME, Column("c", "timestamp", "timestamp"), None),
        (INT, Column("c", "bigint", "bigint unsigned"), None),
        (INT, Column("c", "bigint", "bigint"), "{}"),
    ],
)
def test_conversion_of_a_source_that_is_not_strict(before, after, expression):
    assert conversion(before, after, "any", is_strict=False) == expression


@pytest.mark.parametrize("labels", ["'\udcff'", "'\udcff','a'", "'a','\0'"])
def test_labels_that_are_no_text_stand_in_no_statement(labels):
    after = _text(f"set({labels})", "latin1_bin")
    expression = conversion(_text(f"set({labels})", None), replace(after, charset="x"), "any",
                            is_strict=True)  # fmt: skip
    assert expression is not None
    assert "\0" not in expression
    assert ("'a'" in expression) == ("a" in labels)
    expression.encode()


def text(length, charset="utf8mb4"):
    return Column("c", "varchar", f"varchar({length})", charset, length)


@pytest.mark.parametrize(
    ("before", "after", "condition"),
    [
        (INT, Column("c", "tinyint", "tinyint"), "{0} NOT BETWEEN -128 AND 127"),
        (
            Column("c", "decimal", "decimal(9,3)", precision=9, scale=3),
            Column("c", "decimal", "decimal(5,2) unsigned", precision=5, scale=2),
            "{0} NOT BETWEEN 0 AND 999.99 OR {0} <> round({0}::numeric, 2)",
        ),
        (text(20), text(10), "char_length({0}) > 10"),
        (text(20), text(10, "utf8mb3"), r"{0} ~ '[\U00010000-\U0010FFFF]'"),
        (text(20), text(20, "latin1"), r"{0} ~ '[^\u0001-\u007F]'"),
        (text(20), text(20, "koi8r"), None),
        (text(20), Column("c", "tinytext", "tinytext", "utf8mb4", 255, 255), "> 63"),
        (
            Column("c", "blob", "blob", octet_length=65535),
            Column("c", "tinyblob", "tinyblob", octet_length=255),
            "octet_length({0}) > 255",
        ),
        (DATETIME, Column("c", "timestamp", "timestamp"), None),
        (INT, text(3), None),
    ],
)
def test_values_that_the_new_type_does_not_hold_are_found_on_the_target(before, after, condition):
    found = misfits(before, after)
    assert (found is None) if condition is None else (condition in (found or ""))


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        (INT, Column("c", "bigint", "bigint"), True),
        (INT, Column("c", "int", "int unsigned"), False),
        (INT, Column("c", "bigint", "bigint unsigned zerofill"), False),
        (INT, Column("c", "decimal", "decimal(10,0)", precision=10, scale=0), False),
        (_decimal(6, 2), _decimal(9, 2), True),
        (_decimal(6, 2), _decimal(9, 3), False),
        (DATETIME, DATETIME, True),
        (DATETIME, Column("c", "datetime", "datetime(3)", fraction_digits=3), False),
        (Column("c", "blob", "blob"), Column("c", "longblob", "longblob"), True),
        (Column("c", "binary", "binary(2)"), Column("c", "varbinary", "varbinary(2)"), False),
        (_text("varchar(3)", "latin1_bin"), _text("varchar(9)", "latin1_bin"), True),
        (_text("varchar(3)", "latin1_bin"), _text("varchar(3)", "latin1_swedish_ci"), False),
        (_text("varchar(3)", "latin1_bin"), _text("char(3)", "latin1_bin"), False),
        (_text("varchar(3)", None), _text("varchar(3)", None), False),
        (_text("enum('a','b')", "latin1_bin"), _text("enum('a','b','c')", "latin1_bin"), True),
        (_text("enum('a','b')", "latin1_bin"), _text("enum('c','a','b')", "latin1_bin"), False),
        (_text("set('a')", "latin1_bin"), _text("set('a','b')", "latin1_bin"), False),
    ],
)
def test_what_expressions_see_of_a_value(before, after, is_same):
    assert is_same_in_expressions(before, after) == is_same
