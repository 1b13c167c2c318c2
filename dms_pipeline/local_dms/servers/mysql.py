"""A private MySQL or MariaDB server with the binary log set up as RDS does it.

Two accounts exist: `admin` with all privileges,
and `dms_user` with what a DMS source endpoint needs and nothing more. `root` is locked.
"""

import logging
import os
import re
import shutil
import signal
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import pymysql
from pymysql.constants import ER

from dms_pipeline.errors import StackError
from dms_pipeline.local_dms.servers.install import find_mysqld, mysql_install_advice
from dms_pipeline.local_dms.servers.lifecycle import Notice, NotReady, PrivateServer
from dms_pipeline.local_dms.servers.mysql_program import MySQLProgram
from dms_pipeline.local_dms.servers.process import LOOPBACK
from dms_pipeline.local_dms.servers.settings import write_private

logger = logging.getLogger(__name__)

ADMIN_USER = "admin"
DMS_USER = "dms_user"
# sockaddr_un holds 108 bytes on Linux and 104 on macOS.
_LONGEST_SOCKET_PATH = 100
_FIRST_ANSWER_TIMEOUT_S = 15.0
_POLL_INTERVAL_S = 0.03
_BOOTSTRAP_FILES = (
    "mysql_system_tables.sql",
    "mysql_performance_tables.sql",
    "mysql_system_tables_data.sql",
    "fill_help_tables.sql",
    "maria_add_gis_sp_bootstrap.sql",
    "mysql_sys_schema.sql",
)
# The scripts make a root of this host's name without a password.
_DROP_OPEN_ACCOUNTS = (
    "DELETE FROM mysql.global_priv WHERE User='' OR User='root' AND Host<>'localhost';\n"
    "DELETE FROM mysql.proxies_priv WHERE User='' OR User='root' AND Host<>'localhost';\n"
)
_OPTIONS = (
    f"--bind-address={LOOPBACK}",
    "--skip-name-resolve",
    "--server-id=1",
    "--log-bin=mysql-bin-changelog",
    "--binlog-format=ROW",
    "--binlog-row-image=FULL",
    "--loose-binlog-expire-logs-seconds=604800",
    "--sync-binlog=1",
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-buffer-pool-size=64M",
    "--loose-innodb-log-file-size=48M",
    "--key-buffer-size=8M",
    "--max-allowed-packet=64M",
    "--performance-schema=OFF",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_unicode_ci",
    "--default-time-zone=+00:00",
    # MySQL's second protocol would listen on a port of its own; MariaDB logs that it has none.
    "--loose-mysqlx=OFF",
)
# MySQL refuses to start when the folder it was built to exchange files in does not exist; NULL
# forbids such files, which MariaDB would take for a folder's name.
_MYSQL_OPTIONS = ("--secure-file-priv=NULL",)


class MySQLServer(PrivateServer):
    """A MySQL or MariaDB server of this user on a loopback port.

    Args:
        home: the server's folder.
        program: the server to run; by default the one that is installed on this machine.
        options: further options for its command line.
        on_notice: told about what the user should know.
    """

    title: ClassVar[str] = "source server (MySQL/MariaDB)"
    stop_timeout_s: ClassVar[float] = 60.0

    def __init__(
        self,
        home: Path,
        *,
        program: MySQLProgram | None = None,
        options: tuple[str, ...] = (),
        on_notice: Notice = logger.info,
    ) -> None:
        super().__init__(home, on_notice=on_notice)
        self._chosen_program = program
        self._options = options

    @property
    def dsn(self) -> str:
        """The administrator's DSN."""
        return f"mysql://{ADMIN_USER}:{self.settings.admin_password}@{LOOPBACK}:{self.port}/"

    @property
    def dms_user(self) -> str:
        return DMS_USER

    @property
    def dms_password(self) -> str:
        return self.settings.dms_password

    def signature(self) -> tuple[str, ...]:
        return (f"--datadir={self._data}",)

    def initialize(self) -> None:
        if self._data.exists():
            return
        draft = self.home / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if self.program.is_mariadb:
            self._bootstrap_mariadb(draft)
        else:
            self._run_initialize(draft)
        draft.rename(self._data)

    def command(self) -> list[str]:
        return self.program.command(
            f"--datadir={self._data}",
            f"--port={self.port}",
            f"--socket={self._socket()}",
            f"--pid-file={self._data / 'mysqld.pid'}",
            f"--tmpdir={self._private_tmpdir()}",
            f"--init-file={self._accounts_file}",
            *_OPTIONS,
            *(() if self.program.is_mariadb else _MYSQL_OPTIONS),
            *self._options,
        )

    def before_spawn(self) -> None:
        # A killed server leaves its socket's lock file with a process id that may be somebody
        # else's by now.
        for left in (self._socket(), self._socket().with_name("mysqld.sock.lock")):
            left.unlink(missing_ok=True)
        write_private(self._accounts_file, self._account_statements())

    def check_ready(self) -> None:
        settings = self.settings
        try:
            pymysql.connect(
                host=LOOPBACK,
                port=settings.port,
                user=ADMIN_USER,
                password=settings.admin_password,
                connect_timeout=5,
                ssl_disabled=True,
            ).close()
        except pymysql.err.OperationalError as error:
            self._judge(error)

    def stop(self) -> None:
        # MariaDB hangs for good when it is told to stop while it starts: it must have answered
        # once. Killing it is the way out for one that never does; it recovers at its next start.
        if self.pid is not None and not self._answers_within(_FIRST_ANSWER_TIMEOUT_S):
            self.process.stop(signal.SIGKILL, timeout_s=self.stop_timeout_s)
        super().stop()
        socket = self._socket(create=False)
        if socket.parent != self.home:
            shutil.rmtree(socket.parent, ignore_errors=True)

    def _answers_within(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while self.pid is not None and time.monotonic() < deadline:
            try:
                self.check_ready()
            except StackError:
                return True
            except NotReady:
                time.sleep(_POLL_INTERVAL_S)
            else:
                return True
        return False

    def _judge(self, error: pymysql.err.OperationalError) -> None:
        """What a failed login says: the server is there, not there yet, or has other accounts."""
        code = error.args[0]
        if code == ER.CON_COUNT_ERROR:
            return
        if code == ER.ACCESS_DENIED_ERROR:
            raise StackError(
                f"{self.title} on port {self.port} does not accept the password of {ADMIN_USER} "
                f"in {self.home / 'settings.json'}. Was it changed? "
                "Stop the server and start it again: that sets the password of the file."
            ) from error
        raise NotReady(str(error)) from error

    @property
    def _data(self) -> Path:
        return self.home / "data"

    @property
    def _scratch(self) -> Path:
        return self.home / "tmp"

    @property
    def _accounts_file(self) -> Path:
        return self.home / "accounts.sql"

    @cached_property
    def program(self) -> MySQLProgram:
        """The server program, whether it was chosen or is the machine's."""
        if self._chosen_program is not None:
            return self._chosen_program
        found = find_mysqld()
        if found is None:
            raise StackError(mysql_install_advice())
        return MySQLProgram(found)

    def _socket(self, *, create: bool = True) -> Path:
        at_home = self.home / "mysqld.sock"
        if len(os.fsencode(at_home)) < _LONGEST_SOCKET_PATH:
            return at_home
        pointer = self.home / "socket-folder"
        folder = Path(pointer.read_text()) if pointer.exists() else None
        if folder is not None and _is_ours(folder):
            return folder / "mysqld.sock"
        if not create:
            return at_home
        folder = Path(tempfile.mkdtemp(prefix="dms-pipeline-", dir="/tmp"))
        write_private(pointer, str(folder))
        return folder / "mysqld.sock"

    def _private_tmpdir(self) -> Path:
        """A server that starts removes all temporary tables there, whosever they are."""
        self._scratch.mkdir(mode=0o700, exist_ok=True)
        return self._scratch

    def _bootstrap_mariadb(self, data: Path) -> None:
        share = self.program.bootstrap_folder()
        # Each statement on a line of its own: the bootstrap reader splits at line ends.
        opening = "create database if not exists mysql;\nuse mysql;\nSET @auth_root_socket=NULL;\n"
        scripts = [
            (share / name).read_text(encoding="utf-8")
            for name in _BOOTSTRAP_FILES
            if (share / name).exists()
        ]
        self.run_tool(
            self.program.command(
                "--bootstrap",
                f"--datadir={data}",
                f"--tmpdir={self._private_tmpdir()}",
                "--loose-innodb-log-file-size=48M",
            ),
            what="creating its system tables",
            input_text=opening + "\n".join([*scripts, _DROP_OPEN_ACCOUNTS]),
        )

    def _run_initialize(self, data: Path) -> None:
        self.run_tool(
            self.program.command(
                "--initialize-insecure", f"--datadir={data}", f"--tmpdir={self._private_tmpdir()}"
            ),
            what="creating its data folder",
        )

    def _account_statements(self) -> str:
        settings = self.settings
        accounts = (
            (ADMIN_USER, settings.admin_password, "ALL PRIVILEGES", " WITH GRANT OPTION"),
            (DMS_USER, settings.dms_password, "REPLICATION CLIENT, REPLICATION SLAVE, SELECT", ""),
        )
        # Accounts are this server's own affair: nothing of them belongs into the change stream.
        lines = ["SET SESSION sql_log_bin=0;"]
        for user, password, privileges, option in accounts:
            if not re.fullmatch(r"[0-9a-f]+", password):
                raise StackError(f"{self.home / 'settings.json'}: a password is not hexadecimal.")
            lines += [
                f"CREATE USER IF NOT EXISTS '{user}'@'%' IDENTIFIED BY '{password}';",
                f"ALTER USER '{user}'@'%' IDENTIFIED BY '{password}';",
                f"GRANT {privileges} ON *.* TO '{user}'@'%'{option};",
            ]
        # Kept, locked: views and routines of the system schemas may name it as their definer.
        lines += ["ALTER USER IF EXISTS 'root'@'localhost' ACCOUNT LOCK;"]
        return "\n".join(lines) + "\n"


def _is_ours(folder: Path) -> bool:
    return folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.geteuid()
