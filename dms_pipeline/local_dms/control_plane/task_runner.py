"""Runs the engine of a task as a process of its own: a crash of it is a failed task, no more.

The task's specification holds passwords, so it goes through the child's stdin, never into its
arguments. The child ends when its stdin ends, which is also when this process is killed.

An engine takes 0.4 s to load its modules, so one may be made ready before its task starts.
"""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from dms_pipeline.local_dms.control_plane.unexpected_end import (
    Message,
    StoredCheckpoint,
    last_messages,
)

logger = logging.getLogger(__name__)

ENGINE = (sys.executable, "-m", "dms_pipeline.local_dms.engine")

OnMessage = Callable[[Message], None]


def log_path(logs: Path, task_name: str) -> Path:
    """Where a task's log is; the name was checked to be letters, digits and hyphens."""
    return logs / f"{task_name}.log"


class TaskHandle(Protocol):
    """One started engine."""

    def stop(self) -> None:
        """Ask the engine to end at a transaction boundary; its last message follows later."""

    def reload(self, tables: Sequence[dict[str, str]]) -> None:
        """Ask the engine to load tables again; messages tell how it goes."""

    def kill(self) -> None:
        """End the engine now, if it still runs."""

    def wait(self, timeout_s: float) -> bool:
        """Whether the engine has ended and its last message was delivered within the time."""


class TaskRunner(Protocol):
    """Starts engines; the last message of each is `stopped` or `failed`, whatever happens to it."""

    def start(self, spec: dict[str, Any], on_message: OnMessage) -> TaskHandle: ...

    def make_ready(self) -> None:
        """Have an engine wait for the next start, if none does."""

    def dismiss(self) -> None:
        """End the engine that waits, if one does."""


class ProcessTaskRunner:
    """Runs engines as child processes that log to `logs/<task>.log`."""

    def __init__(
        self,
        logs: Path,
        *,
        stored_checkpoint: StoredCheckpoint,
        command: Sequence[str] = ENGINE,
    ) -> None:
        """Keep the logs in a folder that only its owner can read."""
        self._logs = logs
        self._stored_checkpoint = stored_checkpoint
        self._command = command
        self._changing = threading.Lock()
        self._waiting: subprocess.Popen[str] | None = None
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)

    def start(self, spec: dict[str, Any], on_message: OnMessage) -> TaskHandle:
        path = log_path(self._logs, spec["task_name"])
        # Before the engine writes to it, so that nobody else can read it.
        path.touch(mode=0o600)
        child = self._take_waiting()
        if child is None or child.poll() is not None:
            _end(child)
            child = self._new_child()
        logger.info("engine of task %s runs as process %d", spec["task_name"], child.pid)
        handle = _ProcessHandle(child, on_message, lambda: self._stored_checkpoint(spec))
        handle.send(spec | {"log": str(path)})
        return handle

    def make_ready(self) -> None:
        with self._changing:
            if self._waiting is not None and self._waiting.poll() is None:
                return
            _end(self._waiting)
            self._waiting = None
            try:
                self._waiting = self._new_child()
            except OSError as error:
                # The start of a task tries again, and tells the user.
                logger.warning("no engine can be made ready: %s", error)

    def dismiss(self) -> None:
        _end(self._take_waiting())

    def _take_waiting(self) -> "subprocess.Popen[str] | None":
        with self._changing:
            child, self._waiting = self._waiting, None
        return child

    def _new_child(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Of numpy only what needs no threads is used.
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            # A Ctrl-C in the terminal is for this process, which then stops the engines in order.
            start_new_session=True,
        )


def _end(child: "subprocess.Popen[str] | None") -> None:
    if child is not None:
        child.kill()
        child.communicate()


class _ProcessHandle:
    def __init__(
        self,
        child: subprocess.Popen[str],
        on_message: OnMessage,
        stored_checkpoint: Callable[[], str | None],
    ) -> None:
        self._child = child
        self._on_message = on_message
        self._stored_checkpoint = stored_checkpoint
        self._writing = threading.Lock()
        self._reader = threading.Thread(target=self._read, name=f"engine-{child.pid}", daemon=True)
        self._reader.start()

    def send(self, document: dict[str, Any]) -> None:
        assert self._child.stdin is not None
        with self._writing:
            try:
                self._child.stdin.write(json.dumps(document) + "\n")
                self._child.stdin.flush()
            except (BrokenPipeError, ValueError):
                # It has ended already, which the reader reports.
                logger.info("engine process %d takes no more input", self._child.pid)

    def stop(self) -> None:
        self.send({"stop": True})

    def reload(self, tables: Sequence[dict[str, str]]) -> None:
        self.send({"reload": list(tables)})

    def kill(self) -> None:
        if self._child.poll() is None:
            self._child.kill()

    def wait(self, timeout_s: float) -> bool:
        self._reader.join(timeout_s)
        return not self._reader.is_alive()

    def _read(self) -> None:
        assert self._child.stdout is not None
        ended = False
        for line in self._child.stdout:
            message = _parsed(line)
            if message is None:
                logger.warning("engine process %d wrote a line that is no message", self._child.pid)
            elif not ended:
                ended = message["type"] in ("stopped", "failed")
                self._deliver(message)
        status = self._child.wait()
        self._child.stdout.close()
        self._close_stdin()
        if not ended:
            text = f"the engine process ended with status {status}"
            for message in last_messages(self._stored_checkpoint, text=text, reason="FATAL_ERROR"):
                self._deliver(message)

    def _deliver(self, message: Message) -> None:
        try:
            self._on_message(message)
        except Exception:  # the outermost loop of this thread: the next message must still be read
            logger.exception(
                "a %s message of engine process %d was lost", message["type"], self._child.pid
            )

    def _close_stdin(self) -> None:
        assert self._child.stdin is not None
        with self._writing:
            try:
                self._child.stdin.close()
            except BrokenPipeError:
                logger.debug("engine process %d left its input unread", self._child.pid)


def _parsed(line: str) -> Message | None:
    try:
        message = json.loads(line)
    except ValueError:
        return None
    return message if isinstance(message, dict) and isinstance(message.get("type"), str) else None
