"""A detached server process: spawned, found again later, stopped without ever hitting a stranger.

The process id is written by the spawned process itself before it becomes the server, so that no
server can run unrecorded, whatever happens to the process that started it. A recorded id counts
only while that process still carries the server's own arguments: a stale file and a process id that
the system gave to somebody else both read as "stopped".
"""

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import SystemRandom

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
# Below the ranges from which Linux and macOS take the ports of outgoing connections: a port kept
# while the server is stopped is not lost to a browser tab in the meantime.
_SERVER_PORTS = range(20_000, 32_000)
_POLL_INTERVAL_S = 0.02
_KILL_TIMEOUT_S = 10.0
_RECORD_PID_THEN_BECOME = 'umask 077; echo $$ > "$1"; shift; exec "$@"'

# Kept for the life of this process: a child that was never waited for stays a zombie, and dropping
# its Popen warns.
_children: dict[Path, subprocess.Popen[bytes]] = {}


class DetachedProcess:
    """One server process, known by its pid file and by arguments that no other process has.

    Args:
        pid_file: where the process records its id.
        log_file: receives standard output and error of the process; private to this user.
        signature: arguments of the command line (each a whole argument) by which the process is
            recognized.
    """

    def __init__(self, pid_file: Path, log_file: Path, *, signature: tuple[str, ...]) -> None:
        self.log_file = log_file
        self._pid_file = pid_file
        self._signature = signature
        self._log_start = 0

    def pid(self) -> int | None:
        """The id of the running process, or None."""
        child = _children.get(self._pid_file)
        if child is not None and child.poll() is None:
            return child.pid
        pid = self._recorded_pid()
        if pid is None or not _has_arguments(pid, self._signature):
            return None
        return pid

    def spawn(self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        """Start the process; it outlives this command and a Ctrl-C in the terminal."""
        self._pid_file.unlink(missing_ok=True)
        log = os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._log_start = os.fstat(log).st_size
            _children[self._pid_file] = subprocess.Popen(
                ["/bin/sh", "-c", _RECORD_PID_THEN_BECOME, "sh", str(self._pid_file), *argv],
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        finally:
            os.close(log)

    def stop(self, stop_signal: signal.Signals, *, timeout_s: float) -> None:
        """End the process and wait until it is gone; killed with its children when late."""
        pid = self.pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, stop_signal)
            if not self._wait_gone(timeout_s):
                logger.warning("process %d did not stop within %.0f s, killing it", pid, timeout_s)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
                self._wait_gone(_KILL_TIMEOUT_S)
        self._pid_file.unlink(missing_ok=True)

    def log_tail(self, lines: int = 15) -> str:
        """The last lines that the process of the latest `spawn` has logged."""
        try:
            with self.log_file.open("rb") as log:
                log.seek(self._log_start)
                text = log.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def _wait_gone(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while self.pid() is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_INTERVAL_S)
        return True

    def _recorded_pid(self) -> int | None:
        try:
            return int(self._pid_file.read_text())
        except (FileNotFoundError, ValueError):
            return None


def port_is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Connections in TIME_WAIT of the server's last run do not make its port taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_port() -> int:
    """A free port, at random so that servers started at the same time do not choose the same."""
    random = SystemRandom()
    while True:
        port = random.choice(_SERVER_PORTS)
        if port_is_free(port):
            return port


def _has_arguments(pid: int, expected: tuple[str, ...]) -> bool:
    """Whether the process is alive and has all of these arguments; a zombie has none."""
    if sys.platform != "linux":
        shown = subprocess.run(
            ["ps", "-ww", "-o", "command=", "-p", str(pid)],
            capture_output=True,
            text=True,
            check=False,
        )
        return all(argument in shown.stdout for argument in expected)
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return all(os.fsencode(argument) in arguments for argument in expected)
