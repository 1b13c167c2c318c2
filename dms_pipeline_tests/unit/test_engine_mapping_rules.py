from typing import Any

import pytest

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import ConfigError
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules, compile_wildcard


def selection(schema: str, table: str, action: str = "include", **more: Any) -> dict[str, Any]:
    locator = {"schema-name": schema, "table-name": table}
    return {
        "rule-type": "selection", "rule-id": str(more.pop("id", 1)), "rule-action": action,
        "object-locator": locator, **more,
    }  # fmt: skip


def transformation(
    target: str, action: str, value: str | None = None, *, rule_id: int = 9, column: str = "%"
) -> dict[str, Any]:
    return {
        "rule-type": "transformation", "rule-id": str(rule_id), "rule-target": target,
        "rule-action": action, "value": value,
        "object-locator": {"schema-name": "%", "table-name": "%", "column-name": column},
    }  # fmt: skip


def rules(*items: dict[str, Any]) -> MappingRules:
    return MappingRules.from_message({"rules": list(items)})


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("%", "", True), ("stud%", "student", True), ("%x", "xy", False),
        ("student_details", "studentXdetails", True),
        ("student[_]details", "studentXdetails", False),
        ("student[_]details", "student_details", True),
        ("t[ab]", "tb", True), ("t[a-d]1", "td1", True), ("t[a-d]", "te", False),
        ("a.c", "abc", False), ("T", "t", False), ("a%", "a\nb", True), ("a[^]", "a^", True),
    ],
)  # fmt: skip
def test_wildcard_matches_as_dms_does(pattern, name, matches):
    assert bool(compile_wildcard(pattern).fullmatch(name)) is matches


def test_exclusion_wins_wherever_it_stands():
    selected = rules(selection("s", "secret", "exclude"), selection("s", "%", id=2))
    assert selected.selects(TableId("s", "t"))
    assert not selected.selects(TableId("s", "secret"))
    assert not selected.selects(TableId("other", "t"))


def test_explicit_names_have_no_wildcards():
    selected = rules(selection("s", "a_b", "explicit"))
    assert selected.selects(TableId("s", "a_b"))
    assert not selected.selects(TableId("s", "axb"))


def test_highest_load_order_is_first():
    ordered = rules(selection("s", "%"), {**selection("s", "z", id=2), "load-order": 5})
    tables = [TableId("s", name) for name in ("b", "z", "a")]
    assert [table.table for table in ordered.in_load_order(tables)] == ["z", "a", "b"]


@pytest.mark.parametrize(
    ("action", "value", "expected"),
    [
        ("rename", "new", "new"), ("convert-lowercase", None, "name"),
        ("convert-uppercase", None, "NAME"), ("add-prefix", "p_", "p_Name"),
        ("add-suffix", "_s", "Name_s"), ("remove-prefix", "Na", "me"),
        ("remove-suffix", "me", "Na"), ("remove-suffix", "xx", "Name"),
    ],
)  # fmt: skip
def test_names_are_transformed(action, value, expected):
    table = TableId("Name", "Name")
    for target in ("schema", "table", "column"):
        changed = rules(transformation(target, action, value))
        names = {
            "schema": changed.target_schema(table),
            "table": changed.target_table(table),
            "column": changed.target_column(table, "Name"),
        }
        assert names.pop(target) == expected
        assert set(names.values()) == {"Name"}


def test_of_two_rules_on_one_object_the_lower_id_wins():
    changed = rules(
        transformation("table", "rename", "late", rule_id=10),
        transformation("table", "rename", "early", rule_id=9),
    )
    assert changed.target_table(TableId("s", "t")) == "early"


def test_removed_and_not_included_columns_are_left_out():
    table = TableId("s", "t")
    removed = rules(transformation("column", "remove-column", column="secret%"))
    assert removed.target_column(table, "secret_pin") is None
    assert removed.target_column(table, "id") == "id"
    included = rules(transformation("column", "include-column", column="id"))
    assert included.target_column(table, "id") == "id"
    assert included.target_column(table, "v") is None


@pytest.mark.parametrize(
    "rule",
    [
        selection("s", "t", filters=[{"filter-type": "source"}]),
        selection("s", "t", "unknown"),
        transformation("column", "change-data-type"),
        transformation("table", "define-primary-key"),
        {"rule-type": "table-settings", "rule-id": "4"},
    ],
)
def test_rule_that_is_not_carried_out_is_refused(rule):
    with pytest.raises(ConfigError, match="which the local DMS does not carry out"):
        rules(rule)
