"""The mails, as people read them."""

from datetime import UTC, datetime

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.records import CheckpointRecord, LoadRecord, TableLoad
from dms_pipeline.report import failure_mail, success_mail

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
        billed_until=MOMENT.replace(minute=15),
        run_id="run",
    )
    assert mail.subject == "shop loaded: 3 inserts, 1 update, 1 delete"
    assert "2 tables without changes" in mail.text
    assert "shop.c" not in mail.text
    assert "dms.t3.medium, 15.0 minutes from creation to deletion" in mail.text
    assert "number 7: checkpoint:V1#" in mail.text


def test_full_load_mail_tells_the_rows():
    mail = success_mail(RECORD, [load("a", rows=7)], billed_until=MOMENT, run_id="run")
    assert mail.subject.startswith("shop loaded: full load of 7 rows, 0 inserts")


def test_failure_mail_has_reason_and_remedy():
    mail = failure_mail(pipeline="shop", job="shop_incremental_load", run_id="r", reason="no disk")
    assert mail.subject == "shop: shop_incremental_load failed"
    assert "no disk" in mail.text
    assert "dms-pipeline cleanup shop" in mail.text
