import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest

from dms_pipeline.errors import StackError
from dms_pipeline.local_dms.servers import MySQLServer, PostgresServer, PrivateServer
from dms_pipeline.local_dms.servers import mysql as mysql_module
from dms_pipeline.local_dms.servers.lifecycle import server_environment


def mysql_query(dsn: str, query: str) -> list[tuple[object, ...]]:
    parts = urlsplit(dsn)
    connection = pymysql.connect(
        host=parts.hostname or "",
        port=parts.port or 0,
        user=parts.username,
        password=parts.password or "",
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def postgres_query(dsn: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def query(server: PrivateServer, text: str) -> list[tuple[object, ...]]:
    if isinstance(server, MySQLServer):
        return mysql_query(server.dsn, text)
    assert isinstance(server, PostgresServer)
    return postgres_query(server.dsn, text)


def write_table(server: PrivateServer) -> None:
    if isinstance(server, MySQLServer):
        query(server, "CREATE DATABASE kept")
        query(server, "CREATE TABLE kept.t (id int PRIMARY KEY)")
    else:
        query(server, "CREATE SCHEMA kept")
        query(server, "CREATE TABLE kept.t (id int PRIMARY KEY)")
    query(server, "INSERT INTO kept.t VALUES (1), (2), (3)")


def kill(server: PrivateServer) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    while server.pid is not None:
        time.sleep(0.01)


@pytest.fixture(params=[MySQLServer, PostgresServer], ids=["mysql", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[PrivateServer]:
    """A server of this test alone, not started."""
    server: PrivateServer = request.param(tmp_path / "server")
    yield server
    server.stop()


def test_source_writes_full_row_images_to_its_binary_log(mysql):
    wanted = {
        "log_bin": "ON",
        "binlog_format": "ROW",
        "binlog_row_image": "FULL",
        "bind_address": "127.0.0.1",
        "character_set_server": "utf8mb4",
        "sync_binlog": "1",
        "innodb_flush_log_at_trx_commit": "1",
    }
    shown = mysql_query(mysql.dsn, "SHOW GLOBAL VARIABLES")
    assert {str(name): value for name, value in shown if name in wanted} == wanted


def test_source_has_no_account_that_needs_no_password(mysql):
    accounts = mysql_query(mysql.dsn, "SELECT User FROM mysql.user WHERE User NOT LIKE 'm%.s%'")
    assert sorted(accounts) == [("admin",), ("dms_user",), ("root",)]
    with pytest.raises(pymysql.err.OperationalError, match="denied"):
        pymysql.connect(host="127.0.0.1", port=mysql.port, user="root", password="")


def test_dms_user_of_the_source_reads_rows_and_binary_logs_and_writes_nothing(mysql):
    dsn = f"mysql://{mysql.dms_user}:{mysql.dms_password}@127.0.0.1:{mysql.port}/"
    assert mysql_query(dsn, "SHOW BINARY LOGS")
    assert mysql_query(dsn, "SELECT COUNT(*) FROM mysql.help_topic")
    with pytest.raises(pymysql.err.OperationalError, match="denied"):
        mysql_query(dsn, "CREATE DATABASE forbidden")


def test_dms_user_of_the_target_owns_what_it_creates(postgres):
    dsn = f"postgresql://{postgres.dms_user}:{postgres.dms_password}@127.0.0.1:{postgres.port}/auroradb"
    postgres_query(dsn, "CREATE SCHEMA dms_user_schema")
    postgres_query(dsn, "CREATE TABLE public.dms_user_table (id int)")
    postgres_query(dsn, "DROP SCHEMA dms_user_schema")
    postgres_query(dsn, "DROP TABLE public.dms_user_table")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        postgres_query(dsn, "CREATE DATABASE forbidden")


def test_target_wants_the_password(postgres):
    with pytest.raises(psycopg.OperationalError, match="password"):
        postgres_query(f"postgresql://admin:wrong@127.0.0.1:{postgres.port}/auroradb", "SELECT 1")


def test_restart_keeps_data_port_and_passwords(server):
    assert server.start() is True
    before = server.settings
    write_table(server)
    server.stop()
    assert server.pid is None
    assert server.start() is True
    assert server.settings == before
    assert query(server, "SELECT COUNT(*) FROM kept.t") == [(3,)]


def test_killed_server_comes_back_with_all_that_was_committed(server):
    server.start()
    write_table(server)
    kill(server)
    server.start()
    assert query(server, "SELECT COUNT(*) FROM kept.t") == [(3,)]


def test_starting_a_running_server_leaves_it_alone(server):
    server.start()
    pid = server.pid
    assert server.start() is False
    assert type(server)(server.home).start() is False
    assert server.pid == pid


def test_files_of_a_server_are_closed_to_others(server):
    server.start()
    files = [path for path in server.home.iterdir() if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    folders = [path for path in server.home.iterdir() if path.is_dir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_no_password_is_in_the_process_arguments_or_in_the_log(server):
    server.start()
    arguments = subprocess.run(
        [
            "sh",
            "-c",
            f"tr '\\0' ' ' < /proc/{server.pid}/cmdline || ps -ww -o args= -p {server.pid}",
        ],
        capture_output=True,
        check=True,
    ).stdout.decode()
    seen = arguments + (server.home / "server.log").read_text()
    assert str(server.port) in seen
    assert server.settings.admin_password not in seen
    assert server.settings.dms_password not in seen


def test_taken_port_is_replaced_with_a_notice(server):
    notices: list[str] = []
    server.start()
    server.stop()
    taken = server.port
    with socket.create_server(("127.0.0.1", taken)):
        server.notice = notices.append
        server.start()
        assert server.port != taken
    assert any(f"port {taken} is taken" in notice for notice in notices)


def test_server_outlives_the_command_that_started_it_and_its_ctrl_c(server):
    kind = type(server)
    script = (
        f"from pathlib import Path; from {kind.__module__} import {kind.__name__} as Server; "
        f"Server(Path({str(server.home)!r})).start(); print('up', flush=True); import time; "
        "time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"up\n"
        os.killpg(command.pid, signal.SIGINT)
    assert server.pid is not None
    assert query(server, "SELECT 1") == [(1,)]


def test_server_that_cannot_start_shows_its_log_and_leaves_nothing_running(server):
    server.start()
    server.stop()
    for file in (server.home / "data").rglob("*control*"):
        file.write_bytes(b"damaged")
    for file in (server.home / "data").glob("ib*"):
        file.write_bytes(b"damaged")
    with pytest.raises(StackError, match=r"ended while starting.*server\.log:\n.*\w+"):
        server.start()
    assert server.pid is None


def test_interrupted_initialization_is_begun_anew(server):
    """A data folder counts only when it is complete."""
    (server.home / "data.new").mkdir(parents=True)
    (server.home / "data.new" / "half").touch()
    server.start()
    assert query(server, "SELECT 1") == [(1,)]


def test_stopping_a_stopped_server_does_nothing(server):
    server.stop()
    assert server.pid is None


def test_lock_file_with_the_id_of_a_stranger_does_not_keep_postgres_down(tmp_path):
    server = PostgresServer(tmp_path / "server")
    try:
        server.start()
        lock_file = server.home / "data" / "postmaster.pid"
        lines = lock_file.read_text().split("\n")
        kill(server)
        # The children of the killed server end by themselves; only the id matters here.
        lock_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
        server.start()
        assert query(server, "SELECT 1") == [(1,)]
    finally:
        server.stop()


def test_long_path_does_not_keep_mysql_down(tmp_path):
    server = MySQLServer(tmp_path / ("long" * 25) / "server")
    try:
        server.start()
        [(_, path)] = query(server, "SHOW VARIABLES LIKE 'socket'")
        folder = Path(str(path)).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    finally:
        server.stop()
    assert not folder.exists()


def test_missing_mysql_program_names_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setattr(mysql_module, "find_mysqld", lambda: None)
    server = MySQLServer(tmp_path / "server")
    with pytest.raises(StackError, match=r"(?s)No MySQL or MariaDB.*Install one with:.*install"):
        server.start()
    assert server.pid is None


@pytest.mark.parametrize("delay_s", [0.0, 0.03, 0.06])
def test_server_told_to_stop_while_it_starts_stops_soon(server, delay_s):
    """MariaDB hangs when the signal reaches it before it is ready."""
    server.start()
    server.stop()
    server.before_spawn()
    server.process.spawn(server.command(), cwd=server.working_folder(), env=server_environment())
    time.sleep(delay_s)
    began = time.monotonic()
    server.stop()
    assert server.pid is None
    assert time.monotonic() - began < 10


def test_changed_administrator_password_is_said_and_set_back_by_a_restart(tmp_path):
    server = MySQLServer(tmp_path / "server")
    try:
        server.start()
        query(server, "ALTER USER admin@'%' IDENTIFIED BY 'other'")
        with pytest.raises(StackError, match="does not accept the password of admin"):
            server.start()
        assert server.pid is not None
        server.stop()
        server.start()
        assert query(server, "SELECT 1") == [(1,)]
    finally:
        server.stop()
