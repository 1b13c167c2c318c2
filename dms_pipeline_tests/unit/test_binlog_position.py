import pytest
from hypothesis import given
from hypothesis import strategies as st

from dms_pipeline.binlog.position import BinlogPosition, parse_checkpoint
from dms_pipeline.errors import BinlogError
from dms_pipeline.local_dms.engine.checkpoint_codec import Checkpoint

AWS_SAMPLE = (
    "checkpoint:V1#27#mysql-bin-changelog.157832:1975:-1:2002:677883278264080:"
    "mysql-bin-changelog.157832:1876#0#0#*#0#93"
)


@pytest.mark.parametrize(
    ("text", "file", "offset"),
    [
        (AWS_SAMPLE, "mysql-bin-changelog.157832", 2002),
        ("mysql-bin-changelog.000024:373", "mysql-bin-changelog.000024", 373),
        ("checkpoint:V1#5#$.583860:1357#0#0#*#0#7", "$.583860", 1357),
        ("checkpoint:V1#5#bin.000001:4#0#0#*#0#7", "bin.000001", 4),
        (" mysql.bin.log.1000000:4 ", "mysql.bin.log.1000000", 4),
    ],
)
def test_position_to_resume_at_is_read(text, file, offset):
    assert parse_checkpoint(text) == BinlogPosition(file, offset)


@pytest.mark.parametrize(
    "text",
    ["", "checkpoint:V1#1#000004AF/B00000D0#0#0#*#0#0", "mysql-bin:4", "mysql-bin.1", "now"],
)
def test_text_that_is_no_mysql_position_is_refused(text):
    with pytest.raises(BinlogError, match="is not a MySQL position"):
        parse_checkpoint(text)


def test_positions_are_ordered_by_file_number_not_by_text():
    assert BinlogPosition("b.999999", 500) < BinlogPosition("b.1000000", 4)
    assert BinlogPosition("b.000001", 99) < BinlogPosition("b.000001", 100)
    assert max(BinlogPosition("b.9", 1), BinlogPosition("b.10", 0)).file == "b.10"


def test_abbreviated_base_is_filled_in_from_the_server():
    short = BinlogPosition("$.583860", 1357)
    assert short.base_is_abbreviated
    assert short.with_base_of("mysql-bin.000001") == BinlogPosition("mysql-bin.583860", 1357)


def test_checkpoint_is_written_as_aws_writes_it():
    position = BinlogPosition("mysql-bin-changelog.157832", 2002)
    checkpoint = Checkpoint(position, 1975, 1808, 1876, source_id=27, target_id=93)
    assert checkpoint.encode() == AWS_SAMPLE


@given(st.integers(1, 9_999_999), st.integers(4, 2**32 - 1), st.integers(0, 10**9))
def test_encoded_checkpoint_resumes_at_its_position(sequence, offset, count):
    position = BinlogPosition(f"mysql-bin.{sequence:06d}", offset)
    checkpoint = Checkpoint(position, offset - 4, 4, 4, source_id=count)
    assert parse_checkpoint(checkpoint.encode()) == position
