"""What is said of columns that do not fit together."""

import pytest

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.schema_drift import ColumnSize, drift
from dms_pipeline.table_selection import ColumnRules

TABLE = TableId("shop", "orders")
NO_RULES = ColumnRules.of({"rules": []})


def rule(action: str, column: str = "%", **more: str) -> dict[str, object]:
    locator = {"schema-name": "shop", "table-name": "ord%", "column-name": column}
    return {
        "rule-type": "transformation", "rule-id": "1", "rule-target": "column",
        "rule-action": action, "object-locator": locator, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("source", "target", "problem"),
    [
        (ColumnSize("a", "int"), None, "a: the target has no such column"),
        (ColumnSize("a", "bigint"), ColumnSize("a", "int4"), "a: bigint does not fit into int4"),
        (ColumnSize("A", "int"), ColumnSize("a", "int8"), None),
        (ColumnSize("a", "int", is_generated=True), None, None),
        (
            ColumnSize("a", "varchar", 20),
            ColumnSize("a", "varchar", 10),
            "a: 20 characters do not fit into 10",
        ),
        (ColumnSize("a", "varchar", 20), ColumnSize("a", "text"), None),
        (
            ColumnSize("a", "decimal", digits=(10, 2)),
            ColumnSize("a", "numeric", digits=(10, 4)),
            "a: decimal(10,2) does not fit into numeric(10,4)",
        ),
        (ColumnSize("a", "decimal", digits=(10, 2)), ColumnSize("a", "numeric"), None),
    ],
)
def test_a_column_that_has_no_room_is_named(source, target, problem):
    found = drift(TABLE, [source], [target] if target else [], NO_RULES)
    assert found == ((problem,) if problem else ())


def test_a_column_that_only_the_target_has_is_named():
    assert drift(TABLE, [], [ColumnSize("x", "int4")], NO_RULES) == ("x: only the target has it",)


def test_what_rules_do_with_columns_is_no_drift():
    removed = ColumnRules.of({"rules": [rule("remove-column", "secret%")]})
    source = [ColumnSize("secret_1", "int"), ColumnSize("b", "int")]
    assert drift(TABLE, source, [], removed) == ("b: the target has no such column",)
    retyped = ColumnRules.of({"rules": [rule("change-data-type", "b")]})
    assert drift(TABLE, [ColumnSize("b", "bigint")], [ColumnSize("b", "int4")], retyped) == ()
    added = ColumnRules.of({"rules": [rule("add-column", value="loaded_at")]})
    assert drift(TABLE, [], [ColumnSize("loaded_at", "timestamp")], added) == ()


def test_column_that_is_renamed_is_looked_for_under_its_new_name():
    renamed = ColumnRules.of({"rules": [rule("rename", "price", value="cost")]})
    source = [ColumnSize("price", "bigint")]
    assert drift(TABLE, source, [ColumnSize("cost", "int8")], renamed) == ()
    assert drift(TABLE, source, [ColumnSize("cost", "int4")], renamed) == (
        "price: bigint does not fit into int4",
    )
    assert drift(TABLE, source, [ColumnSize("price", "int8")], renamed) == (
        "price: the target has no such column as cost",
        "price: only the target has it",
    )
