import re
from typing import Any

import pytest

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import ConfigError
from dms_pipeline.local_dms.engine.lob_settings import LobSettings
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules
from dms_pipeline.local_dms.engine.mapping_rules_expressions import parse_expression
from dms_pipeline.local_dms.engine.mapping_rules_wildcards import compile_wildcard
from dms_pipeline.local_dms.engine.model import Column


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


def column(name: str, data_type: str = "int") -> Column:
    return Column(name, data_type, data_type)


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
            "column": changed.target_column(table, column("Name")),
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
    assert removed.target_column(table, column("secret_pin")) is None
    assert removed.target_column(table, column("id")) == "id"
    included = rules(transformation("column", "include-column", column="id"))
    assert included.target_column(table, column("id")) == "id"
    assert included.target_column(table, column("v")) is None


@pytest.mark.parametrize(
    "rule",
    [
        selection("s", "t", "unknown"),
        transformation("column", "add-before-image-columns"),
        transformation("column", "data-masking-hash-mask"),
        transformation("table-tablespace", "rename", "x"),
        transformation("schema", "remove-column"),
        {"rule-type": "object-mapping", "rule-id": "4"},
    ],
)
def test_rule_that_is_not_carried_out_is_refused(rule):
    with pytest.raises(ConfigError, match="which the local DMS does not carry out"):
        rules(rule)


@pytest.mark.parametrize(
    "rule",
    [
        selection("s", "t", filters=[{"filter-type": "source"}]),
        selection("s", "t", "exclude", filters=[{"filter-type": "source"}]),
        selection("s", "t", filters=[{"filter-type": "source", "column-name": "a",
                                      "filter-conditions": [{"filter-operator": "like"}]}]),
        selection("s", "t", filters=[{"filter-type": "source", "column-name": "a",
                                      "filter-conditions": [{"filter-operator": "between",
                                                             "start-value": "1"}]}]),
        transformation("column", "change-data-type"),
        transformation("column", "add-column", "c"),
        transformation("column", "rename"),
        transformation("table", "define-primary-key"),
    ],
)  # fmt: skip
def test_malformed_rule_is_refused_in_the_words_of_aws(rule):
    start = f"Error in mapping rules. Rule with ruleId = {rule['rule-id']} failed validation."
    with pytest.raises(ConfigError, match=re.escape(start)):
        rules(rule)


@pytest.mark.parametrize("kind", ["validation", "post-processing", "table-settings"])
def test_rules_without_effect_on_a_load_are_accepted(kind):
    rule = {"rule-type": kind, "rule-id": "4", "object-locator": {"schema-name": "s"},
            "parallel-load": {"type": "partitions-auto"}}  # fmt: skip
    assert rules(selection("s", "%"), rule).selects(TableId("s", "t"))


def test_lob_settings_of_a_table_go_before_those_of_the_task():
    rule = {
        "rule-type": "table-settings", "rule-id": "4",
        "object-locator": {"schema-name": "s", "table-name": "t"},
        "lob-settings": {"mode": "limited", "bulk-max-size": "2"},
    }  # fmt: skip
    chosen = rules(selection("s", "%"), rule).lob_settings
    task = LobSettings.from_message({"TargetMetadata": {"LimitedSizeLobMode": True}})
    assert task.limit == 32 * 1024
    assert task.for_table(chosen.get(TableId("s", "t"))).limit == 2048
    assert task.for_table(chosen.get(TableId("s", "u"))).limit == 32 * 1024


@pytest.mark.parametrize(
    ("metadata", "mode", "limit"),
    [
        ({}, "limited", 32768), ({"LobMaxSize": 0}, "limited", None),
        ({"FullLobMode": True, "LobMaxSize": 32}, "unlimited", None),
        ({"LimitedSizeLobMode": False}, "unlimited", None), ({"SupportLobs": False}, "none", None),
    ],
)  # fmt: skip
def test_lob_settings_are_those_of_aws(metadata, mode, limit):
    settings = LobSettings.from_message({"TargetMetadata": metadata})
    assert (settings.mode, settings.limit) == (mode, limit)


def test_rules_narrowed_to_a_dms_type_leave_other_columns_alone():
    rule = transformation("column", "rename", "big")
    rule["object-locator"]["data-type"] = "int8"
    changed = rules(rule)
    assert changed.target_column(TableId("s", "t"), column("a", "bigint")) == "big"
    assert changed.target_column(TableId("s", "t"), column("a", "int")) == "a"


TABLE = TableId("sch", "tab")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'it''s'", "it's"), ("12", "12"), ("-1.5e3", "-1.5e3"), ("NULL", None),
        ("$a", "A"), ("$a||$b", "AB"), ("$a || '-' || $b", "A-B"), ("$none || 'x'", None),
        ("$AR_M_SOURCE_SCHEMA || '.' || $AR_M_SOURCE_TABLE_NAME", "sch.tab"),
        ('$"a b"', "blank"),
    ],
)  # fmt: skip
def test_expression_is_evaluated_as_sqlite_does(text, value):
    values = {"a": "A", "b": "B", "none": None, "a b": "blank"}
    expression = parse_expression(text, TABLE)
    assert set(expression.columns) <= set(values)
    assert expression.evaluate(values) == value


@pytest.mark.parametrize(
    "text", ["datetime()", "$a + 1", "$a ||", "", "operation_indicator('D','U','I')",
             "$AR_H_STREAM_POSITION", "'open", "$a $b"]
)  # fmt: skip
def test_expression_that_is_not_evaluated_is_refused(text):
    with pytest.raises(ConfigError, match="the expression"):
        parse_expression(text, TABLE)
