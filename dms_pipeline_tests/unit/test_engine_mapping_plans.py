from typing import Any

import pytest

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import ConfigError
from dms_pipeline.local_dms.engine.full_load import select_statement
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules
from dms_pipeline.local_dms.engine.model import Column, SourceTable
from dms_pipeline.local_dms.engine.table_plan import TablePlan, ValueDoesNotFitError
from dms_pipeline.local_dms.engine.table_planning import plan_table

SOURCE = SourceTable(
    TableId("s", "t"),
    (
        Column("id", "int", "int"),
        Column("name", "varchar", "varchar(9)", charset="utf8mb4", char_length=9),
        Column("born", "date", "date"),
        Column("raw", "varbinary", "varbinary(9)"),
    ),
    ("id",),
)


def rule(target: str, action: str, column: str = "%", **more: Any) -> dict[str, Any]:
    return {
        "rule-type": "transformation", "rule-id": "5", "rule-target": target,
        "rule-action": action,
        "object-locator": {"schema-name": "s", "table-name": "t", "column-name": column}, **more,
    }  # fmt: skip


def planned(*rules: dict[str, Any], source: SourceTable = SOURCE) -> TablePlan:
    numbered = [{**document, "rule-id": str(n)} for n, document in enumerate(rules)]
    return plan_table(source, MappingRules.from_message({"rules": numbered}), "")


def test_column_only_used_by_an_expression_is_read_but_not_written():
    plan = planned(
        rule("column", "remove-column", "name"),
        rule("column", "add-column", value="tag", expression="$name||'!'"),
    )
    assert select_statement(plan) == "SELECT `id`, `born`, `raw`, `name` FROM `s`.`t`"
    assert [column.target_name for column in plan.columns] == ["id", "born", "raw", "tag"]
    loaded = plan.encode_text((b"1", b"2024-01-01", b"\x01", b"a\tb"))
    captured = plan.encode_binlog((1, b"a\tb", "2024-01-01", b"\x01"))
    assert loaded == captured == (b"1", b"2024-01-01", b"\\\\x01", b"a\\tb!")


def test_key_of_an_encoded_row_is_the_encoded_key():
    plan = planned(
        rule("column", "add-column", value="tag", expression="$name"),
        rule("table", "define-primary-key", "%", **{
            "primary-key-def": {"name": "k", "columns": ["tag", "id"]}
        }),
    )  # fmt: skip
    row = (1, b"n", None, None)
    assert plan.encode_key(row) == plan.key_of(plan.encode_binlog(row)) == (b"n", b"1")


def test_value_that_does_not_fit_names_table_column_and_key_on_both_paths():
    for encode, row in (
        (planned().encode_text, (b"7", b"a\0", None, None)),
        (planned().encode_binlog, (7, b"a\0", None, None)),
    ):
        with pytest.raises(ValueDoesNotFitError) as caught:
            encode(row)  # type: ignore[arg-type]
        error = caught.value
        assert (error.table, error.column, error.key) == (TableId("s", "t"), "name", ("7",))
        assert "NUL" in error.reason
        assert "a\0" not in str(error)


def test_zero_date_in_a_key_is_an_error_of_its_row():
    source = SourceTable(SOURCE.table_id, SOURCE.columns, ("born",))
    plan = planned(source=source)
    assert plan.encode_key((1, None, "2024-01-01", None)) == (b"2024-01-01",)
    with pytest.raises(ValueDoesNotFitError, match="zero or impossible date in a key"):
        plan.encode_key((1, None, "0000-00-00", None))


def test_zero_dates_are_counted_per_column():
    plan = planned()
    for _ in range(3):
        assert plan.encode_binlog((1, None, "0000-00-00", None))[2] is None
    assert list(plan.losses.counts.values()) == [3]


def test_rows_outside_the_filter_are_not_taken():
    condition = {"filter-operator": "gte", "value": "5"}
    document = {"filter-type": "source", "column-name": "id", "filter-conditions": [condition]}
    selection = {
        "rule-type": "selection", "rule-id": "1", "rule-action": "include",
        "object-locator": {"schema-name": "s", "table-name": "t"}, "filters": [document],
    }  # fmt: skip
    plan = planned(selection)
    assert select_statement(plan).endswith(" WHERE ((`id` >= 5))")
    assert [plan.takes((n, None, None, None)) for n in (4, 5, None)] == [False, True, False]


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ([rule("column", "rename", "name", value="id")], "would both be named id"),
        ([rule("column", "remove-column", "id")], "part of the primary key"),
        ([rule("column", "add-column", value="x", expression="$nothing")], "does not have"),
        ([rule("column", "add-column", value="x", expression="$raw")], "which is binary"),
        ([rule("column", "change-data-type", "raw", **{"data-type": {"type": "int4"}})],
         "column raw of table s.t: a bytes column cannot be changed to data-type int4"),
        ([rule("table", "rename", value="x" * 64)], "longer than the 63 bytes"),
        ([rule("table", "define-primary-key", "%", **{"primary-key-def": {"columns": ["no"]}})],
         "leave out column no"),
    ],
)  # fmt: skip
def test_contradictions_are_refused_before_anything_is_copied(rules, problem):
    with pytest.raises(ConfigError, match=problem):
        planned(*rules)
