"""`dms-pipeline source prepare` makes a fresh server a source: a real MariaDB and a real MySQL."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pymysql
import pytest
from click.testing import CliRunner

from dms_pipeline.cli import cli, students
from dms_pipeline.local_dms.servers import MySQLServer
from dms_pipeline_tests.e2e.local_run import LocalRun, copied_pipelines
from dms_pipeline_tests.mysql_program import NO_MYSQL, find_mysql_program

# Signs that mean something in SQL, in a URL, and to the driver.
_PASSWORD = "s'e%s cr\\et"
_USER = "dms_studentdb"
_PREPARE = ("source", "prepare", "studentdb")
_AS_ADMIN = ("--admin-secret", "studentdb-admin")
_FRESH = (
    "--binlog-row-image=MINIMAL",
    "--loose-binlog-expire-logs-seconds=7200",
)
_RDS = (
    "CREATE TABLE mysql.rds_configuration (name varchar(100) PRIMARY KEY, value varchar(100))",
    "INSERT INTO mysql.rds_configuration VALUES ('binlog retention hours', NULL)",
    """CREATE PROCEDURE mysql.rds_set_configuration(what varchar(100), hours int)
       UPDATE mysql.rds_configuration SET value = hours
        WHERE CAST(name AS BINARY) = CAST(what AS BINARY)""",
)


@dataclass(frozen=True, slots=True)
class FreshSource:
    """A server that nobody has prepared, and a local stack whose pipeline has it as its source."""

    server: MySQLServer
    run: LocalRun

    def sql(self, *statements: str) -> list[tuple[object, ...]]:
        """As the administrator; the rows of the last."""
        with students.connect(self.server.dsn) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def secret(self, name: str, **content: object) -> None:
        secrets = self.run.client("secretsmanager")
        text = json.dumps(content)
        try:
            secrets.create_secret(Name=name, SecretString=text)
        except secrets.exceptions.ResourceExistsException:
            secrets.put_secret_value(SecretId=name, SecretString=text)

    def account(self, password: str = _PASSWORD) -> None:
        """The account that the pipeline's secret names."""
        where = {"host": "127.0.0.1", "port": self.server.port}
        self.secret("studentdb-source", username=_USER, password=password, **where)

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        done = self.run.command(*arguments)
        said = done.stdout + done.stderr
        assert "Traceback" not in said
        for password in (_PASSWORD, urlsplit(self.server.dsn).password):
            assert str(password) not in said
        return done

    def succeed(self, *arguments: str) -> str:
        done = self.command(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def fail(self, *arguments: str) -> str:
        done = self.command(*arguments)
        assert done.returncode == 1, done.stdout + done.stderr
        return " ".join((done.stdout + done.stderr).split())


@pytest.fixture(scope="module", params=["mariadb", "mysql"])
def stacked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FreshSource]:
    program = find_mysql_program() if request.param == "mysql" else None
    if request.param == "mysql" and program is None:
        pytest.skip(NO_MYSQL)
    folder = tmp_path_factory.mktemp(f"prepare-{request.param}")
    server = MySQLServer(folder / "server", program=program, options=_FRESH)
    if server.program.is_mariadb != (request.param == "mariadb"):
        pytest.skip("needs MariaDB, but the server installed here is MySQL")
    run = LocalRun(folder / "local", copied_pipelines(folder))
    server.start()
    try:
        run.succeed("local", "up", "--mysql-dsn", server.dsn)
        yield FreshSource(server, run)
    finally:
        run.command("local", "down")
        run.kill_everything()
        server.stop()


@pytest.fixture
def fresh(stacked: FreshSource) -> Iterator[FreshSource]:
    """With a table to load, the secrets of the account and of an administrator, and no account."""
    with students.connect(stacked.server.dsn) as connection:
        students.create_table(connection)
    login = urlsplit(stacked.server.dsn)
    # As RDS writes it for the master users that it manages: without an address.
    stacked.secret("studentdb-admin", username=login.username, password=login.password)
    stacked.account()
    yield stacked
    stacked.sql(
        f"DROP USER IF EXISTS {_USER}@'%'",
        "SET GLOBAL binlog_row_image = 'MINIMAL'",
        "SET GLOBAL binlog_expire_logs_seconds = 7200",
        "DROP PROCEDURE IF EXISTS mysql.rds_set_configuration",
        "DROP TABLE IF EXISTS mysql.rds_configuration",
    )


def test_fresh_server_passes_preflight_once_it_is_prepared(fresh: FreshSource):
    assert "Access denied" in fresh.fail("preflight", "studentdb", "full-load")
    assert "--admin-user or --admin-secret" in fresh.fail(*_PREPARE)
    missing = fresh.fail(*_PREPARE, *_AS_ADMIN)
    assert f"CREATE USER '{_USER}'@'%' IDENTIFIED BY '...';" in missing
    assert f"GRANT SELECT ON `studentdb`.* TO '{_USER}'@'%';" in missing
    assert "binlog_row_image = 'FULL';" in missing
    assert "binlog_expire_logs_seconds = 86400;" in missing
    assert fresh.sql("SELECT @@global.binlog_row_image") == [("MINIMAL",)]
    said = fresh.succeed(*_PREPARE, *_AS_ADMIN, "--apply")
    assert "the source of studentdb is ready" in said
    assert fresh.sql("SELECT @@global.binlog_row_image, @@global.binlog_expire_logs_seconds") == [
        ("FULL", 86400)
    ]
    fresh.succeed("preflight", "studentdb", "full-load")


def test_repetition_changes_nothing_and_the_account_itself_sees_that_it_is_ready(
    fresh: FreshSource,
):
    fresh.succeed(*_PREPARE, *_AS_ADMIN, "--apply")
    before = _privileges(fresh)
    again = fresh.succeed(*_PREPARE, *_AS_ADMIN, "--apply")
    assert "GRANT" not in again
    assert _privileges(fresh) == before
    assert "is ready" in fresh.succeed(*_PREPARE)


def _privileges(source: FreshSource) -> list[tuple[object, ...]]:
    return source.sql(f"SHOW GRANTS FOR {_USER}@'%'")


def test_account_gets_nothing_but_what_dms_needs(fresh: FreshSource):
    fresh.succeed(*_PREPARE, *_AS_ADMIN, "--apply")
    fresh.sql("CREATE DATABASE IF NOT EXISTS studentXdb")
    own = students.connect(f"mysql://{_USER}:{_quoted(_PASSWORD)}@127.0.0.1:{fresh.server.port}/")
    with own as connection, connection.cursor() as cursor:
        cursor.execute("SHOW DATABASES")
        seen = {row[0] for row in cursor.fetchall()}
        assert "studentdb" in seen
        assert not seen & {"studentXdb", "mysql"}
        with pytest.raises(pymysql.MySQLError, match="denied"):
            cursor.execute("DELETE FROM studentdb.student_details")
    fresh.sql("DROP DATABASE studentXdb")


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def test_rds_keeps_its_binary_logs_by_its_own_procedure(fresh: FreshSource):
    fresh.sql(*_RDS)
    missing = fresh.fail(*_PREPARE, *_AS_ADMIN)
    assert "CALL mysql.rds_set_configuration('binlog retention hours', 24);" in missing
    assert "set binlog_row_image = FULL in the DB parameter group" in missing
    fresh.sql("SET GLOBAL binlog_row_image = 'FULL'")
    fresh.succeed(*_PREPARE, *_AS_ADMIN, "--retention-hours", "100", "--apply")
    assert fresh.sql("SELECT value FROM mysql.rds_configuration") == [("100",)]
    shown = fresh.succeed("preflight", "studentdb", "full-load")
    assert "4 days, 4:00:00" in shown
    too_long = fresh.fail(*_PREPARE, *_AS_ADMIN, "--retention-hours", "200")
    assert "RDS keeps binary logs for 168 hours at most" in too_long


def test_account_with_another_password_is_told_of_and_left_alone(fresh: FreshSource):
    fresh.succeed(*_PREPARE, *_AS_ADMIN, "--apply")
    fresh.account(password="another")
    said = fresh.fail(*_PREPARE, *_AS_ADMIN, "--apply")
    assert "is not let in with the password of the secret studentdb-source" in said
    assert "ALTER USER" in said
    fresh.account()
    assert "is ready" in fresh.succeed(*_PREPARE)


def test_password_of_the_administrator_is_asked_for(fresh: FreshSource):
    login = urlsplit(fresh.server.dsn)
    asking = ("source", "prepare", "studentdb", "--admin-user", str(login.username), "--apply")
    runner = CliRunner(env=fresh.run.environment())
    done = runner.invoke(cli, asking, input=f"{login.password}\n")
    assert done.exit_code == 0, done.output
    assert f"Password of {login.username} at 127.0.0.1" in done.output
    assert str(login.password) not in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--apply",), "--apply needs an administrator of 127.0.0.1"),
        ((*_AS_ADMIN, "--admin-user", "me"), "give one"),
        (("--admin-secret", "nobody"), "AWS refused GetSecretValue nobody"),
    ],
    ids=["nobody", "two", "no secret"],
)
def test_administrator_that_is_not_named_rightly_is_asked_for(
    fresh: FreshSource, arguments: tuple[str, ...], words: str
):
    assert words in fresh.fail(*_PREPARE, *arguments)


def test_secret_without_a_login_is_refused(fresh: FreshSource):
    fresh.secret("studentdb-admin", token="x")
    said = fresh.fail(*_PREPARE, *_AS_ADMIN)
    assert "the secret studentdb-admin is not a database secret" in said
    assert '"username" and "password"' in said


def test_servers_and_pipelines_that_are_not_there_are_one_line(fresh: FreshSource, tmp_path: Path):
    assert "there is no pipeline 'payroll'" in fresh.fail("source", "prepare", "payroll")
    nowhere = {"host": "127.0.0.1", "port": 1, "username": _USER, "password": _PASSWORD}
    fresh.secret("studentdb-source", **nowhere)
    assert "127.0.0.1:1" in fresh.fail(*_PREPARE, *_AS_ADMIN)
