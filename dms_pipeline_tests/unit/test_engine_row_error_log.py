import logging

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.row_error_log import RowErrorLog

MANY, FEW = TableId("shop", "many"), TableId("shop", "few")


def test_first_errors_of_a_table_are_shown_then_only_counted(caplog):
    caplog.set_level(logging.INFO)
    log = RowErrorLog()
    for number in range(12_345):
        log.add(MANY, "logged", f"insert {number}")
    for number in range(10):
        log.add(FEW, "ignored", f"delete {number}")
    log.log_totals()
    shown = [record.getMessage() for record in caplog.records]
    assert shown[:10] == [f"logged: insert {number}" for number in range(10)]
    assert [line.split(";")[0] for line in shown[10:13]] == [
        f"table shop.many: {count} row errors logged so far" for count in (100, 1000, 10_000)
    ]
    assert shown[13:23] == [f"ignored: delete {number}" for number in range(10)]
    assert shown[23:] == [
        "table shop.many: 12345 row errors logged in all; the first 10 are in this log"
    ]
    assert {record.levelname for record in caplog.records[:13]} == {"ERROR"}
    assert {record.levelname for record in caplog.records[13:23]} == {"INFO"}
