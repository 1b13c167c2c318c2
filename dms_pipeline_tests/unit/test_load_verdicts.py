"""What the checks of a load say of what it left behind."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import BinlogError
from dms_pipeline.load_verdicts import (
    all_applied,
    binary_log_kept,
    checkpoint_advanced,
    no_drift,
    no_table_errors,
)
from dms_pipeline.pipeline_config import ScheduleSection
from dms_pipeline.records import ApplyException, CheckpointRecord, LoadRecord, TableLoad
from dms_pipeline_tests.a_pipeline import READY, checkpoint_at

MOMENT = datetime(2026, 1, 2, 3, tzinfo=UTC)
ORDERS = TableId("shop", "orders")
RECORD = CheckpointRecord(
    pipeline="shop", sequence=2, checkpoint=checkpoint_at(500), run_id="run", task_arn="arn",
    stop_reason="STOPPED_AT_SERVER_TIME", source_server=READY.identity,
    instance_class="dms.t3.medium", instance_created_at=MOMENT, started_at=MOMENT,
    stopped_at=MOMENT + timedelta(minutes=2),
)  # fmt: skip
BY_HAND = replace(RECORD, task_arn="")
BEFORE = replace(RECORD, sequence=1, checkpoint=checkpoint_at(400))
HOURLY = ScheduleSection(cron="0 * * * *", timezone="UTC")


def loaded(
    table: str, inserts: int, updates: int, deletes: int, *, applied: tuple[int, int, int]
) -> LoadRecord:
    counts = TableLoad(TableId("shop", table), inserts, updates, deletes, 0, *applied, 0)
    return LoadRecord("shop", MOMENT, "run", counts)


def test_changes_that_were_captured_and_not_applied_are_named():
    loads = [
        loaded("a", 3, 2, 1, applied=(3, 2, 1)),
        loaded("b", 3, 2, 1, applied=(3, 1, 0)),
    ]
    found = all_applied(RECORD, loads)
    assert not found.passed
    assert found.lines == ("shop.b: 1 of 2 updates applied, 0 of 1 deletes applied",)
    assert found.numbers == {"captured_changes": 12, "tables_with_differences": 1}
    assert all_applied(RECORD, loads[:1]).passed


def test_no_metrics_and_checkpoints_set_by_hand_decide_nothing():
    for found in (
        all_applied(RECORD, []),
        all_applied(BY_HAND, [loaded("a", 0, 0, 0, applied=(0, 0, 0))]),
        checkpoint_advanced(BY_HAND, BEFORE),
    ):
        assert not found.passed
        assert not found.is_error
        assert found.description.startswith("inconclusive: ")


def test_suspended_tables_and_changes_that_were_refused_are_errors():
    refused = ApplyException(ORDERS, "value too long", "INSERT ...")
    suspended = ApplyException(TableId("shop", "items"), "Table error", "")
    found = no_table_errors([refused], [suspended])
    assert (found.passed, found.is_error) == (False, True)
    assert found.lines == ("shop.items was suspended: Table error", "shop.orders: value too long")
    assert no_table_errors([], []).passed


def test_checkpoint_may_stay_or_advance_but_not_go_back():
    assert checkpoint_advanced(RECORD, None).passed
    assert checkpoint_advanced(RECORD, BEFORE).passed
    assert checkpoint_advanced(RECORD, replace(RECORD, sequence=1)).passed
    back = checkpoint_advanced(BEFORE, RECORD)
    assert not back.passed
    assert "went back" in back.description
    assert checkpoint_advanced(BEFORE, replace(RECORD, source_server="another")).passed


def test_load_that_is_behind_says_by_how_much():
    found = checkpoint_advanced(replace(RECORD, behind="f.2:900", behind_bytes=400), BEFORE)
    assert not found.passed
    assert "the source was at f.2:900 when it began, 400 bytes" in found.description
    assert found.numbers["behind_bytes"] == 400


@pytest.mark.parametrize("judge", [
    lambda record: checkpoint_advanced(record, None),
    lambda record: binary_log_kept(record, READY, HOURLY, MOMENT),
])  # fmt: skip
def test_checkpoint_that_cannot_be_read_is_no_pass(judge):
    with pytest.raises(BinlogError):
        judge(replace(RECORD, checkpoint="unheard of"))


@pytest.mark.parametrize(("hours", "missable", "passed"), [(4, 3, True), (3.9, 2, False)])
def test_log_is_to_be_kept_for_three_loads_that_may_be_missed(hours, missable, passed):
    server = replace(READY, retention_s=hours * 3600)
    found = binary_log_kept(RECORD, server, HOURLY, MOMENT)
    assert (found.passed, found.is_error) == (passed, False)
    assert found.numbers == {"loads_that_may_be_missed": missable}
    assert found.moment == RECORD.stopped_at + timedelta(hours=hours)
    assert binary_log_kept(RECORD, READY, HOURLY, MOMENT).passed


def test_checkpoint_whose_log_is_gone_or_of_another_server_is_an_error():
    gone = replace(RECORD, checkpoint=checkpoint_at(4, file="mysql-bin-changelog.000000"))
    for record, words in (
        (gone, "mysql-bin-changelog.000000 is gone"),
        (replace(RECORD, source_server="server_id 9"), "of another server (server_id 9)"),
    ):
        found = binary_log_kept(record, READY, HOURLY, MOMENT)
        assert found.is_error
        assert not found.passed
        assert words in found.description


def test_drift_names_columns_and_tables_that_only_the_mapping_knows():
    found = no_drift({ORDERS: ["price: the target has no such column"]}, [TableId("shop", "new")])
    assert not found.passed
    assert found.lines == (
        "shop.orders.price: the target has no such column",
        "shop.new: the mapping selects it, pipeline.yaml does not list it",
    )
    assert found.numbers == {"drifted_columns": 1, "unlisted_tables": 1}
    assert no_drift({}, []).passed
