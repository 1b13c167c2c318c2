"""Batches on a real target: what they leave there, and when they say that it does not fit."""

import struct
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from dms_pipeline.binlog.events import RowKind
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.batch_applier import BatchApplier, ConflictError
from dms_pipeline.local_dms.engine.change_batch import NetChanges
from dms_pipeline.local_dms.engine.copy_format import CopyFormat, CopyRow, CopyRows, copy_line
from dms_pipeline.local_dms.engine.error_policies import ErrorPolicies
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules
from dms_pipeline.local_dms.engine.model import Column, SourceTable
from dms_pipeline.local_dms.engine.table_plan import TablePlan
from dms_pipeline.local_dms.engine.table_planning import plan_table
from dms_pipeline.local_dms.engine.target_tables import (
    TargetConnection,
    add_primary_key,
    connect_target,
    create_table,
    qualified,
)
from dms_pipeline.local_dms.engine.task_spec import TargetSettings
from dms_pipeline_tests.engine_driver import UPSERT, include, target_spec

SCHEMA = "batches"
NAMES = ("id", "number % one", 'a "text"')
STRICT = {
    "ApplyErrorInsertPolicy": "LOG_ERROR",
    "ApplyErrorUpdatePolicy": "LOG_ERROR",
    "ApplyErrorDeletePolicy": "LOG_ERROR",
}
Row = tuple[int, int, str]


def planned(*, key: tuple[str, ...] = ("id",)) -> TablePlan:
    kinds = (("int", "int"), ("int", "int"), ("varchar", "varchar(9)"))
    columns = tuple(
        Column(name, data_type, full, is_nullable=name not in key)
        for name, (data_type, full) in zip(NAMES, kinds, strict=True)
    )
    table = SourceTable(TableId(SCHEMA, "t"), columns=columns, primary_key=key)
    return plan_table(table, MappingRules.from_message({"rules": [include(SCHEMA)]}), "")


def encoded(copy_format: CopyFormat, *values: int | str) -> CopyRow:
    if copy_format is CopyFormat.TEXT:
        return copy_line(tuple(str(value).encode() for value in values))
    fields = [struct.pack(">i", v) if isinstance(v, int) else v.encode() for v in values]
    counted = b"".join(struct.pack(">i", len(field)) + field for field in fields)
    return struct.pack(">h", len(values)) + counted


@pytest.fixture(params=list(CopyFormat), ids=lambda copy_format: copy_format.name)
def copy_format(request: pytest.FixtureRequest) -> CopyFormat:
    form: CopyFormat = request.param
    return form


@pytest.fixture
def target(postgres) -> Iterator[TargetConnection]:
    settings = target_spec(postgres.dsn)
    del settings["engine"]
    with connect_target(TargetSettings(**settings)) as connection:
        yield connection
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


def filled(target: TargetConnection, plan: TablePlan, rows: list[Row]) -> None:
    create_table(target, plan)
    add_primary_key(target, plan)
    with target.cursor() as cursor:
        insert = sql.SQL("INSERT INTO {} VALUES (%s, %s, %s)").format(qualified(plan))
        cursor.executemany(insert, rows)


def net_changes(
    copy_format: CopyFormat,
    *,
    deletes: dict[RowKind, list[Any]] | None = None,
    updates: list[Row] | None = None,
    inserts: list[Row] | None = None,
) -> NetChanges:
    return NetChanges(
        copy_format,
        {
            first: [encoded(copy_format, *(k if isinstance(k, tuple) else (k,))) for k in keys]
            for first, keys in (deletes or {}).items()
        },
        CopyRows.of(encoded(copy_format, *row) for row in updates or ()),
        CopyRows.of(encoded(copy_format, *row) for row in inserts or ()),
    )


def apply(
    target: TargetConnection,
    plan: TablePlan,
    copy_format: CopyFormat,
    behavior: dict[str, Any],
    **changes: Any,
) -> list[Row]:
    """The table's rows after the batch."""
    applier = BatchApplier(target, ErrorPolicies.from_settings(behavior))
    with target.transaction():
        applier.apply([(plan, net_changes(copy_format, **changes))])
    return rows_of(target, plan)


def rows_of(target: TargetConnection, plan: TablePlan) -> list[Row]:
    return target.execute(sql.SQL("TABLE {} ORDER BY 1, 2").format(qualified(plan))).fetchall()


ROWS: list[Row] = [(1, 10, "a"), (2, 20, "b"), (3, 30, "c")]


@pytest.mark.parametrize("behavior", [STRICT, UPSERT["ErrorBehavior"]], ids=["strict", "tolerant"])
def test_what_fits_is_applied_by_every_policy(target, copy_format, behavior):
    plan = planned()
    filled(target, plan, ROWS)
    deletes: dict[RowKind, list[Any]] = {"delete": [1], "update": [2], "insert": [7, 8]}
    rows = apply(
        target, plan, copy_format, behavior,
        deletes=deletes, updates=[(3, 31, "é")], inserts=[(4, 40, "d"), (5, 50, "e")],
    )  # fmt: skip
    assert rows == [(3, 31, "é"), (4, 40, "d"), (5, 50, "e")]


@pytest.mark.parametrize("behavior", [STRICT, UPSERT["ErrorBehavior"]], ids=["strict", "tolerant"])
def test_nothing_of_a_batch_comes_again_with_later_ones(target, copy_format, behavior):
    """All in one transaction, as it is with the parts of a large one."""
    plan = planned()
    filled(target, plan, ROWS)
    applier = BatchApplier(target, ErrorPolicies.from_settings(behavior))
    with target.transaction():
        for changes in (
            net_changes(copy_format, deletes={"delete": [1]}, updates=[(2, 21, "x")]),
            net_changes(copy_format, updates=[(2, 22, "y")], inserts=[(1, 11, "z")]),
            net_changes(copy_format, deletes={"delete": [3]}, inserts=[(4, 40, "d")]),
            net_changes(copy_format, deletes={"update": [4]}, updates=[(1, 12, "w")]),
        ):
            applier.apply([(plan, changes)])
    assert rows_of(target, plan) == [(1, 12, "w"), (2, 22, "y")]


UNFIT: list[tuple[str, str, str, dict[str, Any]]] = [
    ("ApplyErrorDeletePolicy", "LOG_ERROR", "IGNORE_RECORD", {"deletes": {"delete": [1, 9]}}),
    ("ApplyErrorUpdatePolicy", "LOG_ERROR", "UPDATE_RECORD", {"deletes": {"update": [1, 9]}}),
    ("ApplyErrorInsertPolicy", "LOG_ERROR", "INSERT_RECORD", {"deletes": {"insert": [1, 9]}}),
    ("ApplyErrorUpdatePolicy", "LOG_ERROR", "UPDATE_RECORD", {"updates": [(9, 0, "x")]}),
    ("ApplyErrorInsertPolicy", "LOG_ERROR", "INSERT_RECORD", {"inserts": [(1, 0, "x")]}),
]


@pytest.mark.parametrize(("policy", "strict", "tolerant", "net"), UNFIT)
@pytest.mark.parametrize("others", [STRICT, UPSERT["ErrorBehavior"]], ids=["strict", "tolerant"])
def test_a_row_missing_or_there_already_is_a_matter_of_its_policy_alone(
    target, copy_format, policy, strict, tolerant, net, others
):
    plan = planned()
    filled(target, plan, ROWS)
    with pytest.raises((ConflictError, psycopg.errors.UniqueViolation)):
        apply(target, plan, copy_format, {**others, policy: strict}, **net)
    apply(target, plan, copy_format, {**others, policy: tolerant}, **net)


def test_one_key_too_few_and_one_too_many_are_not_taken_for_a_fit(target, copy_format):
    plan = planned()
    filled(target, plan, ROWS)
    deletes: dict[RowKind, list[Any]] = {"update": [1, 9], "insert": [2, 8]}
    with pytest.raises(ConflictError):
        apply(target, plan, copy_format, STRICT, deletes=deletes)


@pytest.mark.parametrize("behavior", [STRICT, UPSERT["ErrorBehavior"]], ids=["strict", "tolerant"])
def test_values_of_a_unique_key_move_between_rows(target, copy_format, behavior):
    plan = planned()
    filled(target, plan, ROWS)
    target.execute(f'ALTER TABLE {SCHEMA}.t ADD UNIQUE ("number % one")')
    swapped = [(1, 20, "a"), (2, 10, "b")]
    rows = apply(
        target, plan, copy_format, behavior,
        deletes={"delete": [3]}, updates=swapped, inserts=[(4, 30, "d")],
    )  # fmt: skip
    assert rows == [*swapped, (4, 30, "d")]


def test_a_moved_value_does_not_hide_a_row_that_is_missing(target, copy_format):
    plan = planned()
    filled(target, plan, ROWS)
    target.execute(f'ALTER TABLE {SCHEMA}.t ADD UNIQUE ("number % one")')
    updates = [(1, 20, "a"), (2, 10, "b"), (9, 90, "x")]
    with pytest.raises(ConflictError):
        apply(target, plan, copy_format, STRICT, updates=updates)


@pytest.mark.parametrize("behavior", [STRICT, UPSERT["ErrorBehavior"]], ids=["strict", "tolerant"])
def test_a_table_that_is_all_key(target, copy_format, behavior):
    plan = planned(key=NAMES)
    filled(target, plan, ROWS)
    deletes: dict[RowKind, list[Any]] = {"delete": [(1, 10, "a")], "insert": [(2, 20, "B")]}
    rows = apply(
        target, plan, copy_format, behavior,
        deletes=deletes, updates=[(2, 20, "b")], inserts=[(3, 30, "C")],
    )  # fmt: skip
    assert rows == [(2, 20, "b"), (3, 30, "C"), (3, 30, "c")]


def test_a_few_rows_of_a_table_are_looked_up_in_its_index(target, copy_format):
    plan = planned()
    filled(target, plan, [])
    numbers = "SELECT n, n, 'x' FROM generate_series(1, 100000) n"
    target.execute(f"INSERT INTO {SCHEMA}.t {numbers}")
    target.execute(f"VACUUM ANALYZE {SCHEMA}.t")
    applier = BatchApplier(target, ErrorPolicies.from_settings(STRICT))
    net = net_changes(
        copy_format,
        deletes={"delete": list(range(5, 100_000, 1000))},
        updates=[(key, 0, "y") for key in range(6, 100_000, 100)],
    )
    with target.transaction():
        applier.apply([(plan, net)])
        read = target.execute(
            "SELECT seq_tup_read, idx_tup_fetch FROM pg_stat_xact_user_tables"
            " WHERE schemaname = %s",
            (SCHEMA,),
        ).fetchone()
    assert read == (0, 1100)
