"""Mapping rules that touch values: filters, changed types, added columns, other keys."""

import pytest

from dms_pipeline_tests.both_paths import BothPaths
from dms_pipeline_tests.engine_driver import include

ROWS = [
    (1, -5, 5, "1.50", 0.1, 0.1, "2024-01-01", "2024-01-01 00:00:00.000", "12:00:00", "a", "x", 1),
    (2, 0, 2**63, "-2.25", 1.5, 1e10, "2024-06-15", "2024-06-15 12:30:00.500", "-01:00:00", "A",
     "y", 0),
    (3, 7, 2**64 - 1, "99.99", -3, -1e-3, "1999-12-31", "1999-12-31 23:59:59.999", "838:59:59",
     "b ", "x", 1),
    (4, *[None] * 11),
    (5, 127, 0, "0.00", 0, 0, "0000-00-00", "0000-00-00 00:00:00", "00:00:00.5", "é😀", "", 0),
]  # fmt: skip
COLUMNS = (
    "id int primary key, i tinyint, u bigint unsigned, d decimal(5,2), f float, g double, da date,"
    " dt datetime(3), ti time(1), v varchar(20), e enum('x','y'), b bit(4)"
)


@pytest.fixture
def paths(source_server, postgres, request):
    opened = BothPaths(source_server.dsn, postgres.dsn, "mr")
    yield opened
    opened.close()


def filtered(column, operator, *values):
    names = ("start-value", "end-value") if len(values) == 2 else ("value",)
    condition = {"filter-operator": operator, **dict(zip(names, values, strict=False))}
    document = {
        "filter-type": "source", "column-name": column, "filter-conditions": [condition],
    }  # fmt: skip
    return {**include("mr"), "filters": [document]}


def transformation(target, action, *, column="%", rule_id=7, **more):
    locator = {"schema-name": "mr", "table-name": "t"}
    if target == "column":
        locator["column-name"] = column
    return {
        "rule-type": "transformation", "rule-id": str(rule_id), "rule-name": str(rule_id),
        "rule-target": target, "rule-action": action, "object-locator": locator, **more,
    }  # fmt: skip


FILTERS = [
    ("i", "eq", ["7"], "3"), ("i", "gte", ["0"], "235"), ("i", "ste", ["0"], "12"),
    ("i", "lte", ["-4.5"], "1"), ("i", "noteq", ["7"], "125"), ("i", "null", [], "4"),
    ("i", "notnull", [], "1235"), ("i", "between", ["-5", "7"], "123"),
    ("i", "notbetween", ["-5", "7"], "5"), ("u", "gte", ["9223372036854775808"], "23"),
    ("u", "eq", ["18446744073709551615"], "3"), ("d", "eq", ["1.5"], "1"),
    ("d", "between", ["-2.25", "1.50"], "125"), ("f", "eq", ["0.1"], ""),
    ("f", "gte", ["0.1"], "12"),
    ("g", "eq", ["0.1"], "1"), ("g", "ste", ["0"], "35"), ("da", "gte", ["2024-01-01"], "12"),
    ("da", "eq", ["2024-06-15"], "2"), ("da", "ste", ["2024-01-01 00:00:01"], "135"),
    ("dt", "gte", ["2024-06-15T12:30:00.5"], "2"), ("dt", "eq", ["2024-01-01"], "1"),
    ("dt", "ste", ["1999-12-31 23:59:59.9991"], "35"), ("da", "notnull", [], "1235"),
    ("ti", "ste", ["00:00:00"], "2"), ("ti", "gte", ["12:00"], "13"),
    ("ti", "eq", ["0:00:00.5"], "5"),
    ("v", "eq", ["a"], "1"), ("v", "gte", ["a"], "135"), ("v", "eq", ["b "], "3"),
    ("v", "eq", ["é😀"], "5"), ("v", "noteq", ["it's"], "1235"), ("e", "eq", ["x"], "13"),
    ("e", "eq", [""], "5"), ("b", "eq", ["1"], "13"), ("id", "between", ["2", "4"], "234"),
]  # fmt: skip


def test_filters_choose_the_same_rows_by_both_ways(paths):
    change = transformation("column", "change-data-type", column="u", **{
        "data-type": {"type": "numeric", "precision": "20", "scale": "0"}
    })  # fmt: skip
    for column, operator, values, expected in FILTERS:
        found = paths.table(COLUMNS, ROWS, rules=[filtered(column, operator, *values), change])
        assert found.loaded == found.captured, (column, operator, values)
        assert "".join(str(row[0]) for row in found.loaded) == expected, (column, operator, values)


def test_conditions_are_alternatives_and_filters_are_not(paths):
    rule = filtered("id", "eq", "1")
    rule["filters"][0]["filter-conditions"].append({"filter-operator": "gte", "value": "4"})
    rule["filters"].append(filtered("i", "notnull")["filters"][0])
    found = paths.table(
        "id int primary key, i int", [(1, 1), (2, 2), (4, None), (5, 5)], rules=[rule]
    )
    assert found.column("id") == ["1", "5"]


def data_type(kind, **more):
    return {"data-type": {"type": kind, **more}}


@pytest.mark.parametrize(
    ("definition", "value", "to", "target_type", "expected"),
    [
        ("bigint unsigned", 2**64 - 1, data_type("numeric", precision=20, scale=0),
         "numeric(20,0)", "18446744073709551615"),
        ("tinyint(1)", 1, data_type("boolean"), "boolean", "true"),
        ("int", 42, data_type("string", length=10), "varchar(10)", "42"),
        ("varchar(20)", " 17 ", data_type("int4"), "integer", "17"),
        ("decimal(10,2)", "2.50", data_type("int8"), "bigint", "3"),
        ("double", 0.5, data_type("numeric", precision=10, scale=3), "numeric(10,3)", "0.500"),
        ("int", 3, data_type("real8"), "double precision", "3"),
        ("datetime(3)", "2024-05-06 07:08:09.123", data_type("date"), "date", "2024-05-06"),
        ("date", "2024-05-06", data_type("datetime"), "timestamp(6)", "2024-05-06 00:00:00"),
        ("datetime", "2024-05-06 07:08:09", data_type("string", length=30), "varchar(30)",
         "2024-05-06 07:08:09"),
        ("time", "10:11:12", data_type("time"), "time", "10:11:12"),
        ("varchar(20)", "ab", data_type("bytes"), "bytea", "\\x6162"),
        ("varchar(20)", "a\tb", data_type("clob"), "text", "a\tb"),
        ("bit(1)", 1, data_type("int1"), "smallint", "1"),
        ("date", "0000-00-00", data_type("string", length=10), "varchar(10)", None),
    ],
)  # fmt: skip
def test_changed_types_hold_the_same_value(paths, definition, value, to, target_type, expected):
    rule = transformation("column", "change-data-type", column="v", **to)
    found = paths.table(
        f"id int primary key, v {definition}", [(1, value), (2, None)], rules=[include("mr"), rule]
    )
    assert found.column("v") == [expected, None]
    assert found.plan.columns[1].mapping.target_type == target_type


def test_values_that_do_not_fit_a_changed_type_are_errors_of_their_rows(paths):
    rule = transformation("column", "change-data-type", column="v", **data_type("string", length=3))
    found = paths.table(
        "id int primary key, v varchar(9)", [(1, "abc"), (2, "abcd")], rules=[include("mr"), rule]
    )
    assert found.column("v") == ["abc"]
    for errors in (found.unfit_loaded, found.unfit_captured):
        assert [(error.key, error.is_truncation) for error in errors] == [(("2",), True)]


def test_added_columns_are_evaluated_from_source_values(paths):
    rules = [
        include("mr"),
        transformation("column", "add-column", rule_id=2, value="full_name",
                       expression="$first || ' ' || $last", **data_type("string", length=50)),
        transformation("column", "add-column", rule_id=3, value="origin",
                       expression="$AR_M_SOURCE_SCHEMA||'.'||$AR_M_SOURCE_TABLE_NAME"),
        transformation("column", "add-column", rule_id=4, value="version", expression="12",
                       **data_type("int4")),
        transformation("column", "remove-column", rule_id=5, column="last"),
        transformation("column", "convert-uppercase", rule_id=6, column="first"),
    ]  # fmt: skip
    found = paths.table(
        "id int primary key, first varchar(20), last varchar(20) character set latin1",
        [(1, "Zoë\\", "O'Hara"), (2, "x", None), (3, "t\ta", "")], rules=rules,
    )  # fmt: skip
    assert [column.target_name for column in found.plan.columns] == [
        "id", "FIRST", "full_name", "origin", "version",
    ]  # fmt: skip
    assert found.column("full_name") == ["Zoë\\ O'Hara", None, "t\ta "]
    assert found.column("origin") == ["mr.t"] * 3
    assert found.column("version") == ["12"] * 3


def test_defined_primary_key_replaces_the_source_s(paths):
    rule = transformation("table", "define-primary-key", **{
        "primary-key-def": {"name": "pk", "origin": "primary-key", "columns": ["b", "a"]}
    })  # fmt: skip
    found = paths.table("a int, b int, c int", [(1, 2, 3)], rules=[include("mr"), rule])
    assert [column.target_name for column in found.plan.key_columns] == ["b", "a"]
    assert found.loaded == found.captured == [("1", "2", "3")]


def test_rules_can_pick_columns_by_dms_type(paths):
    rule = transformation("column", "change-data-type", **data_type("numeric", precision=20))
    rule["object-locator"]["data-type"] = "uint8"
    found = paths.table(
        "id int primary key, u bigint unsigned, s bigint", [(1, 2**64 - 1, 5)],
        rules=[include("mr"), rule],
    )  # fmt: skip
    assert [c.mapping.target_type for c in found.plan.columns] == [
        "integer", "numeric(20,0)", "bigint",
    ]  # fmt: skip
    assert found.column("u") == [str(2**64 - 1)]
