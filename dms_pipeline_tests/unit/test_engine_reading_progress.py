"""The checkpoint behind what was read, however many transactions that were."""

from dms_pipeline.binlog.events import TransactionBegin, TransactionEnd
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.local_dms.engine.checkpoint_codec import Checkpoint
from dms_pipeline.local_dms.engine.reading_progress import ReadingProgress

FILE = BinlogPosition("bin.000007", 4)
START = Checkpoint(FILE.at(1000), 990, 900, 910, source_id=5, target_id=2)


def read(progress: ReadingProgress, start: int) -> None:
    """A transaction of 100 bytes, with its beginning in 10 and its end in 20."""
    progress.begin = TransactionBegin(start, FILE, start + 10, timestamp=start)
    progress.transaction_ends(TransactionEnd(start + 80, FILE, start + 100, timestamp=start + 1))


def test_where_nothing_was_read_the_checkpoint_is_that_of_the_start():
    progress = ReadingProgress(START)
    assert (progress.checkpoint, progress.committed_at) == (START, None)
    assert progress.begin.start == START.begin


def test_checkpoint_is_behind_the_last_transaction_and_counts_all():
    progress = ReadingProgress(START)
    for start in (1000, 1100, 1200):
        read(progress, start)
    expected = Checkpoint(FILE.at(1300), 1280, 1200, 1210, source_id=8, target_id=2)
    assert progress.checkpoint == progress.checkpoint == expected
    assert progress.committed_at == 1201
    read(progress, 1300)
    assert progress.checkpoint.source_id == 9


def test_beginning_of_a_transaction_moves_nothing():
    progress = ReadingProgress(START)
    read(progress, 1000)
    progress.begin = TransactionBegin(1100, FILE, 1110, timestamp=1)
    assert (progress.checkpoint.begin, progress.checkpoint.position.offset) == (1000, 1100)


def test_counts_go_on_at_another_place():
    progress = ReadingProgress(START)
    read(progress, 1000)
    progress.move_to(FILE.at(5000))
    assert progress.checkpoint == Checkpoint(FILE.at(5000), 5000, 5000, 5000, 6, 2)
    assert progress.confirm() == progress.checkpoint
    assert progress.checkpoint.target_id == 3


def test_place_is_given_back_with_its_counts():
    progress = ReadingProgress(START)
    before = progress.checkpoint
    read(progress, 1000)
    progress.set_to(before)
    assert progress.checkpoint == before
