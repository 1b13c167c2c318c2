import pytest

from dms_pipeline.binlog.column_sizes import ColumnFormat
from dms_pipeline.binlog.events import RowsEvent
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.binlog.table_map import TableMap
from dms_pipeline.binlog.table_metadata import ColumnMetadata, TableMetadata
from dms_pipeline.local_dms.engine.change_log import ChangeLog
from dms_pipeline.local_dms.engine.transaction_gathering import TransactionGathering

NUMBER_AND_TEXT = ColumnFormat(3, b""), ColumnFormat(15, b"\xff\0")
MAP = TableMap(
    TableId("s", "t"),
    NUMBER_AND_TEXT,
    TableMetadata((ColumnMetadata(), ColumnMetadata())),
    wanted=True,
)
FILE = BinlogPosition("log.000001", 4)


def changes(number: int) -> RowsEvent:
    data = b"event" + b"\0" + number.to_bytes(4, "little") + b"\x64" + b"x" * 100 + b"sum"
    return RowsEvent(MAP, "insert", data, 5, len(data) - 3, FILE, 1000 + number)


def numbers(log: ChangeLog, length: int | None = None) -> list[int]:
    entries = list(log.first(len(log) if length is None else length))
    rows = [row for entry in entries for row in entry.rows]
    assert all(text == b"x" * 100 for _, text in rows)
    assert [entry.position.offset - 1000 for entry in entries] == [number for number, _ in rows]
    return [number for number, _ in rows]


@pytest.mark.parametrize("memory_bytes", [0, 500, 1_000_000])
def test_log_reads_the_same_in_memory_and_from_a_file(memory_bytes):
    with ChangeLog(memory_bytes) as log:
        for number in range(10):
            log.append(changes(number))
        assert numbers(log) == numbers(log) == list(range(10))
        assert numbers(log, 4) == [0, 1, 2, 3]
        log.cut(3)
        log.append(changes(99))
        assert numbers(log) == [0, 1, 2, 99]


@pytest.mark.parametrize("memory_bytes", [0, 1_000_000])
def test_the_open_transaction_stays_when_the_others_are_handed_over(memory_bytes):
    with ChangeLog(memory_bytes) as log:
        gathered = gathering(log, 1, 2)
        gathered.commit()
        log.append(changes(3))
        assert gathered.statement("SAVEPOINT a")
        log.append(changes(4))
        assert gathered.hand_over() == (log, 2)
        assert numbers(log, 2) == [1, 2]
        assert numbers(gathered.log) == [3, 4]
        assert gathered.statement("ROLLBACK TO a")
        assert numbers(gathered.log) == [3]
        assert not gathered.complete
        gathered.log.clear()


def test_large_log_leaves_memory():
    with ChangeLog(500) as log:
        assert not log.is_large
        for number in range(10):
            log.append(changes(number))
        assert log.is_large


def gathering(log: ChangeLog, *rows: int) -> TransactionGathering:
    gathered = TransactionGathering(log)
    for number in rows:
        log.append(changes(number))
    return gathered


@pytest.mark.parametrize("memory_bytes", [0, 1_000_000])
def test_rollback_to_a_savepoint_keeps_what_came_before(memory_bytes):
    with ChangeLog(memory_bytes) as log:
        gathered = gathering(log, 1)
        assert gathered.statement("SAVEPOINT `s 1`")
        log.append(changes(2))
        assert gathered.statement("ROLLBACK TO `s 1`")
        log.append(changes(3))
        gathered.commit()
        assert numbers(log, gathered.complete) == [1, 3]


def test_other_statements_are_no_savepoints():
    with ChangeLog(0) as log:
        assert not gathering(log).statement("CREATE TABLE savepoint (a int)")
        assert not gathering(log).statement("ROLLBACK")


def test_prepared_transaction_counts_where_it_is_decided_on():
    with ChangeLog(0) as log:
        gathered = gathering(log, 1, 2)
        gathered.prepare("X'31',X'',1")
        assert gathered.waits
        assert not gathered.has_open_rows
        log.append(changes(3))
        gathered.commit()
        assert gathered.decide("X'31',X'',1", commit=True)
        gathered.commit()
        assert numbers(log, gathered.complete) == [3, 1, 2]
        assert not gathered.waits
        assert not gathered.decide("unknown", commit=True)
