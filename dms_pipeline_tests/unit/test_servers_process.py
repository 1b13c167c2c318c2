import os
from pathlib import Path

import pytest

from dms_pipeline.local_dms.servers.process import DetachedProcess


def process(folder: Path) -> DetachedProcess:
    return DetachedProcess(
        folder / "server.pid", folder / "server.log", signature=("--datadir=/nowhere",)
    )


@pytest.mark.parametrize("text", ["", "no number", "99999999\n"], ids=["empty", "text", "no such"])
def test_pid_file_of_no_process_means_stopped(tmp_path, text):
    (tmp_path / "server.pid").write_text(text)
    assert process(tmp_path).pid() is None


def test_pid_file_of_a_stranger_means_stopped(tmp_path):
    """The id of this very test process stands for one that the system has given away again."""
    (tmp_path / "server.pid").write_text(str(os.getpid()))
    assert process(tmp_path).pid() is None


def test_log_tail_of_a_server_that_never_ran_is_empty(tmp_path):
    assert process(tmp_path).log_tail() == ""
