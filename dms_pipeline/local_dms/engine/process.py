"""The engine's process: a task specification on standard input, messages on standard output.

The first line holds the task with its passwords, which therefore are in no argument list, and as
``log`` the file to write the log to. It may come late: no task comes if the input ends. A later
line ``{"reload": [{"SchemaName": ..., "TableName": ...}]}`` asks to load tables again,
``{"stop": true}`` asks to stop, and so does the end of the input: the parent is gone.
"""

import gc
import json
import logging
import os
import signal
import sys
import threading
from typing import BinaryIO

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import (
    ConfigError,
    DmsPipelineError,
    SourceUnavailableError,
    TargetUnavailableError,
)
from dms_pipeline.local_dms.engine.reload_requests import ReloadRequests
from dms_pipeline.local_dms.engine.replication_task import ReplicationTask
from dms_pipeline.local_dms.engine.reporter import Reporter
from dms_pipeline.local_dms.engine.task_spec import FailureReason, TaskSpec

logger = logging.getLogger(__name__)

_TURN_S = 0.0005
_OBJECTS_BETWEEN_COLLECTIONS = 100_000


def main() -> int:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    # Rows come and go by the hundred thousand, none of them in a cycle: to look for cycles as often
    # as Python does by itself takes as long as all the rest.
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    gc.enable()
    # The thread that applies waits for the target many times in a batch, and after each answer for
    # its turn: Python's usual interval is longer than most answers take.
    sys.setswitchinterval(_TURN_S)
    # Ctrl-C in a terminal reaches every process of it; the parent decides and closes our input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reporter = Reporter(sys.stdout)
    try:
        # Unbuffered: a thread that waits inside the buffer of sys.stdin can abort the interpreter's
        # exit.
        with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as commands:
            _run(commands, reporter)
    except BrokenPipeError:
        logger.warning("nobody reads the messages any more; ending")
        return 1
    except Exception as error:
        logger.exception("the engine met an error it does not know")
        reporter.failed(
            "FATAL_ERROR", f"internal error: {type(error).__name__}; see the task's log"
        )
        return 1
    return 0


def _run(commands: BinaryIO, reporter: Reporter) -> None:
    stop_requested = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop_requested.set())
    first = commands.readline()
    if not first:
        return
    try:
        message = _parsed(first)
        if "log" in message:
            _log_to(str(message["log"]))
        spec = TaskSpec.from_message(message)
        reloads = ReloadRequests()
        threading.Thread(
            target=_follow_commands,
            args=(commands, stop_requested, reloads),
            name="commands",
            daemon=True,
        ).start()
        reason = ReplicationTask(spec, reporter, stop_requested, reloads).run()
    except DmsPipelineError as error:
        logger.error("the task failed: %s", error)
        reporter.failed(_failure_reason(error), str(error))
    else:
        reporter.stopped(reason)


def _log_to(path: str) -> None:
    """Whatever this process writes to stderr, also when it breaks down, goes to the file."""
    with open(path, "ab", buffering=0) as log:
        os.dup2(log.fileno(), sys.stderr.fileno())


def _parsed(first: bytes) -> dict[str, object]:
    try:
        message = json.loads(first)
    except ValueError:
        raise ConfigError("the task specification is not a line of JSON") from None
    if not isinstance(message, dict):
        raise ConfigError("the task specification is not a JSON object")
    return message


def _follow_commands(
    commands: BinaryIO, stop_requested: threading.Event, reloads: ReloadRequests
) -> None:
    try:
        for line in commands:
            command = json.loads(line) if line.strip() else {}
            if command.get("stop"):
                break
            named = command.get("reload", ())
            reloads.add(TableId(table["SchemaName"], table["TableName"]) for table in named)
    finally:
        stop_requested.set()


def _failure_reason(error: DmsPipelineError) -> FailureReason:
    """A server that is away may come back; nothing else gets better by itself."""
    unavailable = isinstance(error, SourceUnavailableError | TargetUnavailableError)
    return "RECOVERABLE_ERROR" if unavailable else "FATAL_ERROR"
