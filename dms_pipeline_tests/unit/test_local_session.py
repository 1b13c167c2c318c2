"""How the local deployment finds its stack, and what it says when it does not."""

from pathlib import Path

import pytest

from dms_pipeline.errors import StackError
from dms_pipeline.resources.aws_session import LocalAwsSession


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"endpoint_url": 5}', '"text"', "null"])
def test_a_damaged_stack_file_is_named_with_what_to_do(tmp_path: Path, content: str):
    path = tmp_path / "stack.json"
    path.write_text(content)
    with pytest.raises(StackError, match="delete it, then `dms-pipeline local up`") as raised:
        LocalAwsSession(home=str(tmp_path)).access()
    assert str(path) in str(raised.value)


def test_a_stack_that_was_never_started_is_named_with_what_to_do(tmp_path: Path):
    for home in (tmp_path, tmp_path / "missing"):
        with pytest.raises(StackError, match=f"no local stack in {home}; start it with"):
            LocalAwsSession(home=str(home)).access()


def test_a_home_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path):
    (tmp_path / "stack.json").mkdir()
    with pytest.raises(StackError, match=r"cannot be read \(Is a directory\); DMS_LOCAL_HOME"):
        LocalAwsSession(home=str(tmp_path)).access()
