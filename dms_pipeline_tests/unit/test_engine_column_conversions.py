"""What becomes of a column's values when its definition changes, where that can be promised."""

import pytest

from dms_pipeline.local_dms.engine.column_conversions import conversion
from dms_pipeline.local_dms.engine.model import Column

DATETIME = Column("c", "datetime", "datetime")
INT = Column("c", "int", "int")


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
