"""The process runner with small programs in the engine's place."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dms_pipeline.errors import TargetError
from dms_pipeline.local_dms.control_plane.task_runner import ENGINE, ProcessTaskRunner, TaskHandle
from dms_pipeline.local_dms.control_plane.unexpected_end import StoredCheckpoint

_DIES = "import os; os.kill(os.getpid(), 9)"
SPEC = {"task_name": "load", "source": {"password": "pw-of-source"}}


class Inbox:
    """Collects messages; `ended` is set by the last one."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.running = threading.Event()
        self.ended = threading.Event()

    def __call__(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        if message["type"] == "running":
            self.running.set()
        if message["type"] in ("stopped", "failed"):
            self.ended.set()


def start(
    tmp_path: Path, program: str, stored_checkpoint: StoredCheckpoint = lambda specification: None
) -> tuple[TaskHandle, Inbox]:
    inbox = Inbox()
    runner = ProcessTaskRunner(
        tmp_path / "logs",
        stored_checkpoint=stored_checkpoint,
        command=[sys.executable, "-c", program],
    )
    return runner.start(SPEC, inbox), inbox


def test_spec_comes_on_stdin_and_messages_are_delivered_in_order(tmp_path):
    program = """
import json, sys
spec = json.loads(sys.stdin.readline())
print(json.dumps({"type": "running"}), flush=True)
print("no message")
print(json.dumps({"type": "stopped", "reason": spec["task_name"]}))
"""
    handle, inbox = start(tmp_path, program)
    assert handle.wait(10)
    assert inbox.messages == [{"type": "running"}, {"type": "stopped", "reason": "load"}]


@pytest.mark.parametrize(
    ("program", "status"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", -9)]
)
def test_engine_that_dies_without_a_last_word_has_failed(tmp_path, program, status):
    handle, inbox = start(tmp_path, program)
    assert handle.wait(10)
    (message,) = inbox.messages
    assert message["type"] == "failed"
    assert message["message"] == f"the engine process ended with status {status}"


def test_checkpoint_of_an_engine_that_dies_is_that_of_its_target(tmp_path):
    _, inbox = start(tmp_path, _DIES, lambda specification: f"of {specification['task_name']}")
    assert inbox.ended.wait(10)
    checkpoint, end = inbox.messages
    assert checkpoint == {"type": "stored_checkpoint", "value": "of load"}
    assert end["type"] == "failed"


def test_target_that_does_not_tell_the_checkpoint_is_said_in_the_failure(tmp_path):
    def refuse(specification: dict[str, Any]) -> str | None:
        raise TargetError("permission denied")

    _, inbox = start(tmp_path, _DIES, refuse)
    assert inbox.ended.wait(10)
    (end,) = inbox.messages
    assert "may be behind the data" in end["message"]
    assert end["message"].endswith("permission denied")


def test_task_ends_even_if_asking_its_target_fails(tmp_path):
    def break_down(specification: dict[str, Any]) -> str | None:
        raise KeyError("host")

    _, inbox = start(tmp_path, _DIES, break_down)
    assert inbox.ended.wait(10)
    (end,) = inbox.messages
    assert "may be behind the data" in end["message"]


def test_stop_is_a_line_on_stdin(tmp_path):
    program = """
import json, sys
sys.stdin.readline()
print(json.dumps({"type": "running"}), flush=True)
stop = json.loads(sys.stdin.readline())
print(json.dumps({"type": "stopped", "reason": str(stop)}))
"""
    handle, inbox = start(tmp_path, program)
    assert inbox.running.wait(10)
    handle.stop()
    assert handle.wait(10)
    assert inbox.messages[-1]["reason"] == "{'stop': True}"


def test_kill_ends_an_engine_that_does_not_listen(tmp_path):
    handle, inbox = start(tmp_path, "import time; time.sleep(60)")
    assert not handle.wait(0.2)
    handle.kill()
    assert handle.wait(10)
    assert inbox.messages[-1]["type"] == "failed"


def test_engine_logs_to_a_private_file_also_what_breaks_it(tmp_path):
    inbox = Inbox()
    runner = ProcessTaskRunner(tmp_path / "logs", stored_checkpoint=lambda specification: None)
    handle = runner.start(SPEC, inbox)
    assert handle.wait(10)
    log = tmp_path / "logs" / "load.log"
    assert "task specification is incomplete" in log.read_text()
    assert "pw-of-source" not in log.read_text()
    assert log.stat().st_mode & 0o077 == 0


_TELLS_ITS_ID = """
import json, os, sys
spec = json.loads(sys.stdin.readline())
print(json.dumps({"type": "stopped", "reason": os.getpid()}))
"""


def process_ids(runner: ProcessTaskRunner) -> Iterator[int]:
    """Of one started engine after another."""
    while True:
        inbox = Inbox()
        assert runner.start(SPEC, inbox).wait(10)
        yield inbox.messages[-1]["reason"]


def waiting_runner(tmp_path: Path, program: str) -> tuple[ProcessTaskRunner, psutil.Process]:
    """With one engine that was made ready."""
    before = set(psutil.Process().children())
    runner = ProcessTaskRunner(
        tmp_path / "logs",
        stored_checkpoint=lambda specification: None,
        command=[sys.executable, "-c", program],
    )
    runner.make_ready()
    runner.make_ready()
    (waiting,) = set(psutil.Process().children()) - before
    return runner, waiting


def test_engine_that_was_made_ready_runs_the_next_task_only(tmp_path):
    runner, waiting = waiting_runner(tmp_path, _TELLS_ITS_ID)
    ids = process_ids(runner)
    assert next(ids) == waiting.pid
    assert next(ids) != waiting.pid


def test_engine_that_died_while_it_waited_is_replaced(tmp_path):
    runner, waiting = waiting_runner(tmp_path, _TELLS_ITS_ID)
    waiting.kill()
    while waiting.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert next(process_ids(runner)) != waiting.pid


def test_dismissed_engine_is_gone(tmp_path):
    runner, waiting = waiting_runner(tmp_path, _TELLS_ITS_ID)
    runner.dismiss()
    runner.dismiss()
    assert not waiting.is_running()


def test_waiting_engine_ends_without_a_word_when_its_parent_is_gone():
    done = subprocess.run(ENGINE, input="", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
