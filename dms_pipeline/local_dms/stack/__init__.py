"""The local stack: source server, target server and local AWS endpoint, up and down together.

All state is in one folder and survives restarts and `kill -9`. Every method may be called at any
time and by several processes at once: a file lock lets one work while the others wait. When
something does not come up, what the call had started is stopped again before the error is raised.
"""

import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pymysql

from dms_pipeline.errors import ConfigError, StackError
from dms_pipeline.local_dms.servers import MySQLServer, PostgresServer, PrivateServer
from dms_pipeline.local_dms.servers.process import LOOPBACK
from dms_pipeline.local_dms.servers.settings import make_private_folder
from dms_pipeline.local_dms.stack.endpoint import AwsEndpoint
from dms_pipeline.local_dms.stack.info import (
    ComponentName,
    ComponentStatus,
    Login,
    StackInfo,
    StackStatus,
)
from dms_pipeline.local_dms.stack.lock import exclusive

__all__ = ["ComponentStatus", "LocalStack", "Login", "StackInfo", "StackStatus"]

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]

_MARKER = ".dms-pipeline-local"
_MARKER_TEXT = "The local stack of dms_pipeline made this folder and deletes it on reset.\n"
_CONNECT_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which servers are ours to run, and the user's own in place of the others."""

    mysql_dsn: str | None = field(repr=False)
    postgres_dsn: str | None = field(repr=False)

    @classmethod
    def decide(
        cls, mysql_dsn: str | None, postgres_dsn: str | None, *, saved: StackInfo | None
    ) -> "_Plan":
        """What is given counts, else what an earlier call was given."""
        if saved is not None and saved.source_is_external:
            mysql_dsn = mysql_dsn or saved.mysql_dsn
        if saved is not None and saved.target_is_external:
            postgres_dsn = postgres_dsn or saved.postgres_dsn
        return cls(mysql_dsn, postgres_dsn)


class LocalStack:
    """The stack in one folder.

    Args:
        home: the folder; `up` makes it and marks it as ours.
    """

    def __init__(self, home: Path) -> None:
        self.home = home.expanduser().absolute()
        self.source = MySQLServer(self.home / "source")
        self.target = PostgresServer(self.home / "target")
        self.aws = AwsEndpoint(self.home / "aws")

    def up(
        self,
        mysql_dsn: str | None = None,
        postgres_dsn: str | None = None,
        *,
        on_progress: Progress = logger.info,
    ) -> StackInfo:
        """Make every part answer; quick when they already do.

        A server named by a DSN is the user's: it is used as it is, never started or stopped, and
        remembered until `reset`.

        Raises:
            ConfigError: a DSN is malformed.
            StackError: a part does not come up, or the user's own server does not answer.
        """
        self._claim_home()
        with self._lock(on_progress):
            plan = _Plan.decide(mysql_dsn, postgres_dsn, saved=StackInfo.load(self.home))
            source, target = _external_logins(plan)
            self._stop_replaced(plan, on_progress)
            self._start(list(self._own_parts(plan)), on_progress)
            info = StackInfo(
                home=self.home,
                endpoint_url=self.aws.url,
                mysql_dsn=plan.mysql_dsn or self.source.dsn,
                postgres_dsn=plan.postgres_dsn or self.target.dsn,
                source=source or _own_login(self.source),
                target=target or _own_login(self.target, dbname=self.target.dbname),
                source_is_external=source is not None,
                target_is_external=target is not None,
            )
            if info != StackInfo.load(self.home):
                info.save()
            return info

    def down(self, *, on_progress: Progress = logger.info) -> None:
        """Stop what we run; data stays. Does nothing when nothing runs."""
        if not self._is_ours():
            return
        with self._lock(on_progress):
            self._stop_all()

    def reset(self, *, on_progress: Progress = logger.info) -> None:
        """Stop everything and delete the folder with all its data; the user's own servers stay.

        Raises:
            StackError: the folder was not made by `up`; nothing is deleted.
        """
        if not self.home.exists():
            return
        if not self._is_ours():
            raise StackError(
                f"{self.home} was not made by the local stack (no {_MARKER}): not deleting it. "
                "Delete it by hand if that is what you want."
            )
        with self._lock(on_progress):
            self._stop_all()
            _delete_contents(self.home, last=(_MARKER, "lock"))
        self.home.rmdir()

    def status(self) -> StackStatus:
        """What runs right now; waits for nobody and changes nothing."""
        info = StackInfo.load(self.home)
        own_source = info.source if info and info.source_is_external else None
        own_target = info.target if info and info.target_is_external else None
        return StackStatus(
            home=self.home,
            components=(
                _status("source", self.source, external=own_source),
                _status("target", self.target, external=own_target),
                _status("aws", self.aws),
            ),
        )

    def info(self) -> StackInfo:
        """Addresses and logins as of the latest `up`.

        Raises:
            StackError: there was none.
        """
        info = StackInfo.load(self.home)
        if info is None:
            raise StackError(
                f"There is no local stack in {self.home}. Start it with: dms-pipeline local up"
            )
        return info

    def _is_ours(self) -> bool:
        return (self.home / _MARKER).exists()

    def _claim_home(self) -> None:
        if self._is_ours():
            return
        if self.home.exists() and not self.home.is_dir():
            raise StackError(
                f"{self.home} is a file; the local stack needs a folder. "
                "Name another one with DMS_LOCAL_HOME."
            )
        if self.home.exists() and any(self.home.iterdir()):
            raise StackError(
                f"{self.home} holds files that are not the local stack's. "
                "Name an empty or new folder with DMS_LOCAL_HOME."
            )
        # PostgreSQL of root runs as another user, who has to walk through.
        try:
            make_private_folder(self.home, passable=os.geteuid() == 0)
            (self.home / _MARKER).write_text(_MARKER_TEXT)
        except OSError as error:
            raise StackError(
                f"The folder {self.home} cannot be made ({error.strerror}). "
                "Name another one with DMS_LOCAL_HOME."
            ) from error

    @contextmanager
    def _lock(self, on_progress: Progress) -> Iterator[None]:
        with exclusive(self.home / "lock", on_progress=on_progress):
            yield

    def _own_parts(self, plan: _Plan) -> Iterator[PrivateServer]:
        if plan.mysql_dsn is None:
            yield self.source
        if plan.postgres_dsn is None:
            yield self.target
        yield self.aws

    def _stop_replaced(self, plan: _Plan, on_progress: Progress) -> None:
        own = list(self._own_parts(plan))
        for server in (self.source, self.target):
            if server not in own and server.pid is not None:
                on_progress(f"{server.title}: stopping it, yours is used instead")
                server.stop()

    def _start(self, servers: Sequence[PrivateServer], on_progress: Progress) -> None:
        """Start them side by side; the first failure stops those that this call started."""
        cancelled = threading.Event()
        pids_before = {server: server.pid for server in servers}
        with ThreadPoolExecutor(len(servers)) as pool:
            starts = {}
            for server in servers:
                server.notice = on_progress
                if server.pid is None:
                    on_progress(f"{server.title}: starting")
                starts[server] = pool.submit(server.start, cancelled=cancelled)
            try:
                started = [server for server, start in starts.items() if start.result()]
            except BaseException:
                cancelled.set()
                pool.shutdown(wait=True)
                _stop([server for server in servers if server.pid != pids_before[server]])
                raise
        for server in started:
            on_progress(f"{server.title}: running on {LOOPBACK}:{server.port}")

    def _stop_all(self) -> None:
        # The endpoint first: its tasks hold connections to both servers.
        _stop([self.aws])
        _stop([self.source, self.target])


def _stop(servers: Sequence[PrivateServer]) -> None:
    with ThreadPoolExecutor(len(servers) or 1) as pool:
        for stop in [pool.submit(server.stop) for server in servers]:
            stop.result()


def _own_login(server: MySQLServer | PostgresServer, *, dbname: str = "") -> Login:
    return Login(LOOPBACK, server.port, server.dms_user, server.dms_password, dbname)


def _status(
    name: ComponentName, server: PrivateServer, *, external: Login | None = None
) -> ComponentStatus:
    if external is not None:
        return ComponentStatus(name, "external", None, external.port)
    pid = server.pid
    return ComponentStatus(name, "stopped" if pid is None else "running", pid, server.known_port)


def _external_logins(plan: _Plan) -> tuple[Login | None, Login | None]:
    """The logins of the user's own servers, each tried out."""
    source = target = None
    if plan.mysql_dsn is not None:
        source = Login.from_dsn(plan.mysql_dsn, scheme="mysql", default_port=3306)
        _try_mysql(source)
    if plan.postgres_dsn is not None:
        target = Login.from_dsn(plan.postgres_dsn, scheme="postgresql", default_port=5432)
        _try_postgres(plan.postgres_dsn, target)
    return source, target


def _try_mysql(login: Login) -> None:
    try:
        pymysql.connect(
            host=login.host,
            port=login.port,
            user=login.username,
            password=login.password,
            connect_timeout=_CONNECT_TIMEOUT_S,
        ).close()
    except pymysql.err.MySQLError as error:
        raise _unusable("MySQL", login, str(error)) from error


def _try_postgres(dsn: str, login: Login) -> None:
    try:
        psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        # The text of the error may hold a piece of the password.
        raise ConfigError(
            "The postgresql DSN is not one that PostgreSQL reads: an option in it is unknown, or "
            "a sign in it has to be written as %XX"
        ) from error
    try:
        psycopg.connect(dsn, connect_timeout=_CONNECT_TIMEOUT_S).close()
    except psycopg.Error as error:
        raise _unusable("PostgreSQL", login, " ".join(str(error).split())) from error


def _unusable(kind: str, login: Login, why: str) -> StackError:
    return StackError(
        f"Your {kind} server at {login.host}:{login.port} cannot be used as {login.username}: "
        f"{why.rstrip('.?')}. "
        "Check the server and the DSN, then try again."
    )


def _delete_contents(folder: Path, *, last: tuple[str, ...]) -> None:
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name in last)
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
