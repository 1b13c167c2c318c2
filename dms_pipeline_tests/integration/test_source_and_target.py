"""What the two databases say of themselves, asked on real servers."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from dms_pipeline.aws.secrets import DatabaseCredentials
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import SourceError
from dms_pipeline.resources.source import MySQLSource
from dms_pipeline.resources.target import PostgresTarget
from dms_pipeline_tests.two_sides import credentials

_TABLES = [TableId("granted", "t"), TableId("granted", "missing")]


@pytest.fixture
def source(mysql: Any) -> MySQLSource:
    return MySQLSource(credentials(mysql.dsn))


def _on(source: MySQLSource, *statements: str) -> None:
    with source.connect() as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        connection.commit()


def test_binary_logs_are_kept_as_long_as_the_server_says(source):
    assert source.server().retention_s == 7 * 86400


@pytest.mark.parametrize(("hours", "kept_s"), [("'24'", 86400.0), ("NULL", 0.0)])
def test_on_rds_its_own_setting_counts(source, hours, kept_s):
    _on(
        source,
        "CREATE TABLE mysql.rds_configuration (name varchar(64), value varchar(64))",
        f"INSERT INTO mysql.rds_configuration VALUES ('binlog retention hours', {hours})",
    )
    try:
        assert source.server().retention_s == kept_s
    finally:
        _on(source, "DROP TABLE mysql.rds_configuration")


def test_account_that_gets_no_binary_log_is_told_what_it_lacks(source_server):
    source = MySQLSource(credentials(source_server.dsn))
    _on(
        source,
        "CREATE USER lame@'%' IDENTIFIED BY 'secret'",
        "GRANT SELECT, REPLICATION CLIENT ON *.* TO lame@'%'",
    )
    lame = MySQLSource(replace(source.credentials, username="lame", password="secret"))
    end = lame.server().end
    assert end is not None
    try:
        with pytest.raises(
            SourceError, match=r"(?s)\(1227\).*REPLICATION SLAVE on \*\.\*"
        ) as error:
            lame.try_to_read_log(end)
        assert "secret" not in str(error.value)
        _on(source, "GRANT REPLICATION SLAVE ON *.* TO lame@'%'")
        lame.try_to_read_log(end)
    finally:
        _on(source, "DROP USER lame@'%'")


@pytest.mark.parametrize("abbreviated", [False, True])
def test_position_can_be_read_from_only_in_the_logs_that_are_there(source, abbreviated):
    server = source.server()
    file, offset = server.end.file, server.end.offset
    base, _, number = file.rpartition(".")
    name = f"${file.removeprefix(base)}" if abbreviated else file
    assert server.why_not_from(BinlogPosition(name, offset)) == ""
    assert "where the source's binary log ends" in server.why_not_from(
        BinlogPosition(name, offset + 1)
    )
    purged = replace(server, binary_logs=(f"{base}.{int(number) + 1}",))
    assert f"binary log {file} is gone" in purged.why_not_from(BinlogPosition(name, 4))


@pytest.fixture
def target_of(postgres: Any) -> Iterator[Callable[[str], PostgresTarget]]:
    """A target with one table, seen by another user after it was granted something."""
    admin = credentials(postgres.dsn)
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        connection.execute("CREATE ROLE loader LOGIN PASSWORD 'x'")
        connection.execute("CREATE SCHEMA granted")
        connection.execute("CREATE TABLE granted.t (id int)")

        def granted(statement: str) -> PostgresTarget:
            connection.execute(statement)
            return PostgresTarget(
                DatabaseCredentials(admin.host, admin.port, "loader", "x", admin.dbname)
            )

        yield granted
        connection.execute("DROP SCHEMA granted CASCADE")
        connection.execute("DROP ROLE loader")


@pytest.mark.parametrize(
    ("statement", "recreated", "denied"),
    [
        ("GRANT USAGE ON SCHEMA granted TO loader", False, ["write granted.t: GRANT"]),
        ("GRANT INSERT, SELECT ON granted.t TO loader", False, ["write granted.t"]),
        ("ALTER TABLE granted.t OWNER TO loader", False, ["write granted.t"]),
        ("GRANT pg_read_all_data, pg_write_all_data TO loader", False, []),
        ("GRANT pg_read_all_data, pg_write_all_data TO loader", True, ["drop granted.t"]),
        (
            "ALTER TABLE granted.t OWNER TO loader; GRANT USAGE ON SCHEMA granted TO loader",
            True,
            [],
        ),
    ],
)
def test_what_the_target_s_user_may_not_do_is_named(target_of, statement, recreated, denied):
    found = target_of(statement).denied(_TABLES, recreated=recreated)
    assert len(found) == len(denied)
    assert all(said.startswith(words) for said, words in zip(found, denied, strict=True))


def test_connection_is_encrypted_where_the_server_can_be(mysql_server):
    source = MySQLSource(credentials(mysql_server.dsn))
    with source.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_cipher'")
        ((_, cipher),) = cursor.fetchall()
    assert cipher
