"""The mails, as people read them."""

from datetime import UTC, datetime

import pytest

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.records import CheckpointRecord, LoadRecord, RunRecord, TableLoad
from dms_pipeline.report import continued, deleted, failure_mail, remaining, success_mail

MOMENT = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)
RECORD = CheckpointRecord(
    pipeline="shop",
    sequence=7,
    checkpoint="checkpoint:V1#1#f.1:1#0#0#*#0#1",
    run_id="run",
    task_arn="arn",
    stop_reason="STOPPED_AT_SERVER_TIME",
    source_server="1",
    instance_class="dms.t3.medium",
    instance_created_at=MOMENT,
    started_at=MOMENT,
    stopped_at=MOMENT.replace(minute=2),
)


def load(table: str, inserts: int = 0, updates: int = 0, deletes: int = 0, rows: int = 0):
    counts = TableLoad(TableId("shop", table), inserts, updates, deletes, 0, 0, 0, 0, rows)
    return LoadRecord("shop", MOMENT, "run", counts)


def test_success_mail_sums_up_and_lists_only_tables_with_changes():
    mail = success_mail(
        RECORD,
        [load("a", 3, 1), load("b", deletes=1), load("c"), load("d")],
        RunRecord("shop", MOMENT, "run", "dms.t3.medium", 900.0, 90.0, 0.1),
        run_id="run",
    )
    assert mail.subject == "shop loaded: 3 inserts, 1 update, 1 delete"
    assert "2 tables without changes" in mail.text
    assert "shop.c" not in mail.text
    assert "15.0 minutes of dms.t3.medium, 90% of it with no task active" in mail.text
    assert "0.0250 USD; always on, it would be 2.40 USD a day" in mail.text
    assert "number 7: checkpoint:V1#" in mail.text
    assert "at its stop time (STOPPED_AT_SERVER_TIME)" in mail.text


@pytest.mark.parametrize("link", ["", "http://127.0.0.1:3000/runs/r"])
def test_mails_lead_to_the_run_where_the_ui_is_known(link):
    failed = failure_mail(pipeline="shop", job="j", run_id="r", reason="x", left=[], link=link)
    loaded = success_mail(RECORD, [load("a")], None, run_id="r", link=link)
    for mail in (failed, loaded):
        assert [line.strip() for line in mail.text.splitlines() if "http" in line] == [link] * bool(
            link
        )


def test_full_load_mail_tells_the_rows():
    mail = success_mail(RECORD, [load("a", rows=7)], None, run_id="run")
    assert mail.subject.startswith("shop loaded: full load of 7 rows, 0 inserts")


def test_failure_mail_has_reason_what_is_left_and_the_remedy():
    mail = failure_mail(
        pipeline="shop",
        job="shop_incremental_load",
        run_id="r",
        reason="no disk",
        left=remaining("shop", ["The instance is kept."]),
    )
    assert mail.subject == "shop: shop_incremental_load failed"
    for words in ("no disk", "The instance is kept.", "dms-pipeline cleanup shop"):
        assert words in mail.text


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (remaining("shop", []), "Nothing of it is left on AWS."),
        (deleted("shop"), "is being deleted (on_failure"),
        (continued("Somebody goes on.", is_kept=True), "Somebody goes on. It takes over"),
    ],
)
def test_failure_mail_asks_for_no_cleanup_where_nothing_waits_for_it(left, words):
    mail = failure_mail(pipeline="shop", job="j", run_id="r", reason="x", left=left)
    assert words in mail.text
    assert "cleanup" not in mail.text
