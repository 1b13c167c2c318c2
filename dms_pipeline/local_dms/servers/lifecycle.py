"""What all private servers have in common: start, wait until it answers, stop, recover.

`start` is idempotent and leaves either an answering server or nothing: when the server does not
come up, what was spawned is stopped again and the error shows the end of the server's log.
"""

import logging
import os
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from dms_pipeline.errors import StackError
from dms_pipeline.local_dms.servers.process import DetachedProcess, choose_port, port_is_free
from dms_pipeline.local_dms.servers.settings import ServerSettings, make_private_folder

logger = logging.getLogger(__name__)

_POLL_INTERVAL_S = 0.03
_START_ATTEMPTS = 20
_RETRY_PAUSE_S = 0.5

Notice = Callable[[str], None]


class NotReady(Exception):
    """The server does not answer yet; the cause says how."""


class PrivateServer(ABC):
    """A server process whose data, log, pid and settings live in one folder of this user.

    Args:
        home: the server's folder; made at the first start.
        on_notice: told about what the user should know (a changed port).
    """

    title: ClassVar[str]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    start_timeout_s: ClassVar[float] = 90.0
    stop_timeout_s: ClassVar[float] = 30.0
    # What the log says when the remains of a killed server are still going away.
    passing_trouble: ClassVar[tuple[str, ...]] = ()

    def __init__(self, home: Path, *, on_notice: Notice = logger.info) -> None:
        self.home = home.absolute()
        self.notice = on_notice
        self.process = DetachedProcess(
            self.home / "server.pid", self.home / "server.log", signature=self.signature()
        )
        self._settings_file = self.home / "settings.json"

    @abstractmethod
    def signature(self) -> tuple[str, ...]:
        """Arguments that only this server's command line has."""

    @abstractmethod
    def initialize(self) -> None:
        """Create the data folder when there is none; an interrupted try leaves none."""

    @abstractmethod
    def command(self) -> list[str]:
        """The command line of the server, free of secrets."""

    @abstractmethod
    def check_ready(self) -> None:
        """Return when the server answers.

        Raises:
            NotReady: it does not answer yet.
        """

    def working_folder(self) -> Path:
        return self.home

    def before_spawn(self) -> None:  # noqa: B027 - most servers need nothing
        """Remove what a killed server left in the way."""

    def after_start(self) -> None:  # noqa: B027 - most servers need nothing
        """Make accounts and the like; runs at every start and changes nothing the second time."""

    @property
    def pid(self) -> int | None:
        """The id of the running server, None when it does not run."""
        return self.process.pid()

    @property
    def port(self) -> int:
        return self.settings.port

    @property
    def settings(self) -> ServerSettings:
        settings = ServerSettings.load(self._settings_file)
        if settings is None:
            raise StackError(f"{self.title} in {self.home} was never started. Start it first.")
        return settings

    @property
    def known_port(self) -> int | None:
        """The port of the last start, None before the first."""
        settings = ServerSettings.load(self._settings_file)
        return None if settings is None else settings.port

    def start(self, *, cancelled: threading.Event | None = None) -> bool:
        """Make the server answer; True when this call had to start it.

        Raises:
            StackError: it cannot be started; nothing of it runs.
        """
        cancelled = cancelled or threading.Event()
        make_private_folder(self.home, passable=self._runs_as_other_user())
        started = not self._is_up(cancelled)
        try:
            if started:
                self._keep_settings()
                self.initialize()
                self._bring_up(cancelled)
            self.after_start()
        except BaseException:
            if started:
                self.stop()
            raise
        return started

    def stop(self) -> None:
        """Stop the server if it runs; afterwards the data is complete on disk."""
        self.process.stop(self.stop_signal, timeout_s=self.stop_timeout_s)

    def run_tool(self, argv: list[str], *, what: str, input_text: str | None = None) -> str:
        """Run a program of the server to its end.

        Raises:
            StackError: it failed; with the end of what it said.
        """
        done = subprocess.run(
            argv,
            input=input_text,
            stdin=subprocess.DEVNULL if input_text is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            cwd=self.home,
            env=server_environment(),
        )
        if done.returncode != 0:
            tail = "\n".join(done.stdout.splitlines()[-15:])
            raise StackError(f"{self.title}: {what} failed (exit {done.returncode}):\n{tail}")
        return done.stdout

    def _runs_as_other_user(self) -> bool:
        return False

    def _is_up(self, cancelled: threading.Event) -> bool:
        """Whether the server already runs, waiting for one that is just starting."""
        if self.pid is None:
            return False
        try:
            self._wait_ready(cancelled)
        except StackError:
            # A process that was killed a moment ago still looks alive until the system has cleared
            # it away.
            if self.pid is None and not cancelled.is_set():
                return False
            raise
        return True

    def _keep_settings(self) -> None:
        settings = ServerSettings.load(self._settings_file)
        if settings is None:
            ServerSettings.new(choose_port()).save(self._settings_file)

    def _free_the_port(self) -> None:
        settings = self.settings
        if port_is_free(settings.port):
            return
        moved = ServerSettings(choose_port(), settings.admin_password, settings.dms_password)
        moved.save(self._settings_file)
        self.notice(
            f"{self.title}: port {settings.port} is taken by another program, using {moved.port}"
        )

    def _bring_up(self, cancelled: threading.Event) -> None:
        for attempts_left in reversed(range(_START_ATTEMPTS)):
            self._free_the_port()
            self.before_spawn()
            self.process.spawn(self.command(), cwd=self.working_folder(), env=server_environment())
            try:
                return self._wait_ready(cancelled)
            except StackError:
                if not attempts_left or cancelled.is_set() or not self._may_pass():
                    raise
                self.stop()
                time.sleep(_RETRY_PAUSE_S)
        raise AssertionError("unreachable")

    def _may_pass(self) -> bool:
        if self.pid is not None:
            return False
        tail = self.process.log_tail()
        lost_port = not port_is_free(self.port)
        return lost_port or any(words in tail for words in self.passing_trouble)

    def _wait_ready(self, cancelled: threading.Event) -> None:
        deadline = time.monotonic() + self.start_timeout_s
        while True:
            # Looked at before the probe: a server that ended must not be mistaken for another one
            # on its port.
            alive = self.pid is not None
            try:
                if alive:
                    return self.check_ready()
            except NotReady as trouble:
                if time.monotonic() > deadline:
                    raise self._not_up(
                        f"did not answer in {self.start_timeout_s:.0f} s"
                    ) from trouble
            if not alive:
                raise self._not_up("ended while starting")
            if cancelled.wait(_POLL_INTERVAL_S):
                raise StackError(f"{self.title}: start was interrupted")

    def _not_up(self, how: str) -> StackError:
        tail = self.process.log_tail() or "(it logged nothing)"
        return StackError(
            f"{self.title} on port {self.port} {how}. "
            f"The last lines of {self.process.log_file}:\n{tail}"
        )


def server_environment() -> dict[str, str]:
    """This process's environment without what would steer a database server or its tools."""
    steering = ("PG", "MYSQL", "MARIADB", "LC_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
    return kept | {"LC_ALL": "C"}
