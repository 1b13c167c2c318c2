"""Tables of which the mapping filters rows or renames columns are compared too."""

from typing import Any

import pytest

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.content.comparison import ContentComparison, compare_tables
from dms_pipeline.content.definitions import Extent
from dms_pipeline.content.repair import Repair, repair_table
from dms_pipeline.pipeline_config import ReplicatedTable
from dms_pipeline.table_selection import ColumnRules, TableSelection
from dms_pipeline_tests.engine_driver import include
from dms_pipeline_tests.integration.test_content import SCHEMA, Replica, replica

__all__ = ["replica"]

TABLE = TableId(SCHEMA, "t")


def filtered(column: str, operator: str, **operands: str) -> dict[str, Any]:
    condition = {"filter-operator": operator}
    condition |= {name.replace("_", "-"): value for name, value in operands.items()}
    return {"filter-type": "source", "column-name": column, "filter-conditions": [condition]}


def mapping(*filters: dict[str, Any], rules: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    return {"rules": [{**include(SCHEMA, "t"), "filters": list(filters)}, *rules]}


def compare(
    replica: Replica, mappings: dict[str, Any], *, keys_only: bool = True
) -> ContentComparison:
    table = ReplicatedTable(TABLE, TABLE, filters=TableSelection.of(mappings).filters(TABLE))
    [found] = compare_tables(
        {table: Extent(keys_only=keys_only)}, source=replica.source, target=replica.target,
        checkpoint=replica.checkpoint, rules=ColumnRules.of(mappings),
    )  # fmt: skip
    return found


def loaded(replica: Replica, mappings: dict[str, Any]) -> None:
    replica.on_source(
        f"CREATE TABLE {SCHEMA}.t (id int PRIMARY KEY, size decimal(6,2), name varchar(9), d date)",
        f"INSERT INTO {SCHEMA}.t VALUES (1, 1.5, 'é', '2024-01-01'), (2, 20, 'b', '2024-05-06'),"
        " (3, 300, NULL, NULL), (4, NULL, 'it''s', '2025-01-01'), (5, -5, 'b', '2024-12-31')",
    )
    replica.load(*mappings["rules"])


@pytest.mark.parametrize(
    ("each", "rows"),
    [
        (filtered("size", "gte", value="20"), 2),
        (filtered("size", "ste", value="1.50"), 2),
        (filtered("size", "between", start_value="1", end_value="20"), 2),
        (filtered("size", "notbetween", start_value="1", end_value="20"), 2),
        (filtered("size", "null"), 1),
        (filtered("size", "notnull"), 4),
        (filtered("d", "gte", value="2024-05-06"), 3),
        (filtered("name", "eq", value="it's"), 1),
        (filtered("name", "noteq", value="b"), 2),
    ],
)
def test_rows_that_pass_a_filter_are_found_on_the_target(replica, each, rows):
    mappings = mapping(each)
    loaded(replica, mappings)
    for keys_only in (True, False):
        found = compare(replica, mappings, keys_only=keys_only)
        assert (found.undecided, found.rows, found.different) == ("", rows, 0)


def test_row_that_is_missing_or_too_many_is_found_beside_changes(replica):
    mappings = mapping(filtered("size", "gte", value="1"))
    loaded(replica, mappings)
    replica.on_target(f"DELETE FROM {SCHEMA}.t WHERE id = 2")
    replica.on_target(f"INSERT INTO {SCHEMA}.t VALUES (5, -5, 'b', '2024-12-31')")
    replica.on_source(
        f"INSERT INTO {SCHEMA}.t VALUES (6, 6, 'f', NULL), (7, -6, 'f', NULL)",
        f"DELETE FROM {SCHEMA}.t WHERE id = 1",
        f"UPDATE {SCHEMA}.t SET size = 0 WHERE id = 3",
    )
    found = compare(replica, mappings)
    assert (found.rows, found.left_out) == (1, 4)
    assert [str(one) for one in found.differences] == [
        "key (2): missing on the target", "key (5): not on the source",
    ]  # fmt: skip
    table = ReplicatedTable(TABLE, TABLE, filters=TableSelection.of(mappings).filters(TABLE))
    done = repair_table(
        table, source=replica.source, target=replica.target, checkpoint=replica.checkpoint,
        budget_s=60,
    )  # fmt: skip
    assert done == Repair(written=1, deleted=1)
    assert compare(replica, mappings).different == 0


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ([filtered("name", "eq", value="B")], "the case or an accent decides"),
        ([filtered("size", "gte", value="much")], "'much', which is no number"),
        ([filtered("d", "gte", value="soon")], "'soon', which is no date"),
        ([filtered("gone", "null")], "filters by gone, which it does not have"),
    ],
)
def test_filter_whose_rows_nobody_can_tell_is_undecided(replica, filters, words):
    loaded(replica, mapping())
    assert words in compare(replica, mapping(*filters)).undecided


def test_two_rules_that_filter_one_table_are_undecided(replica):
    loaded(replica, mapping())
    mappings = mapping(filtered("size", "gte", value="1"), rules=(include(SCHEMA, "%"),))
    assert "several rules of the mapping" in compare(replica, mappings).undecided


def test_columns_are_compared_under_the_names_the_mapping_gives_them(replica):
    locator = {"schema-name": SCHEMA, "table-name": "t", "column-name": "size"}
    common = {"rule-type": "transformation", "rule-target": "column"}
    rename = {"rule-id": "7", "rule-name": "7", "rule-action": "rename", "value": "width"}
    upper = {"rule-id": "8", "rule-name": "8", "rule-action": "convert-uppercase"}
    remove = {"rule-id": "9", "rule-name": "9", "rule-action": "remove-column"}
    mappings = mapping(
        rules=(
            {**common, **upper, "object-locator": {**locator, "column-name": "%"}},
            {**common, **rename, "object-locator": locator},
            {**common, **remove, "object-locator": {**locator, "column-name": "d"}},
        )
    )
    loaded(replica, mappings)
    found = compare(replica, mappings, keys_only=False)
    assert (found.rows, found.different) == (5, 0)
    assert found.not_compared == ("d: a rule of the table mapping changes it",)
    replica.on_target(f'UPDATE {SCHEMA}.t SET width = 8 WHERE "ID" = 2')
    assert [str(one) for one in compare(replica, mappings, keys_only=False).differences] == [
        "key (2): other values of size"
    ]


def test_row_that_the_target_has_twice_differs(replica):
    loaded(replica, mapping())
    replica.on_target(f"ALTER TABLE {SCHEMA}.t DROP CONSTRAINT t_pkey")
    replica.on_target(f"INSERT INTO {SCHEMA}.t SELECT * FROM {SCHEMA}.t WHERE id = 2")
    [difference] = compare(replica, mapping(), keys_only=False).differences
    assert str(difference) == "key (2): 2 times on the target"
