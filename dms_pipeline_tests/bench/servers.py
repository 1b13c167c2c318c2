"""The two servers: a source tuned to deliver, a target that is as safe as in production.

The source does not sync its logs, since writing the workload is not measured. PostgreSQL keeps
fsync and synchronous commit, since a commit that is not durable would flatter every figure.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pymysql

from dms_pipeline.local_dms.servers import MySQLServer, PostgresServer
from dms_pipeline.local_dms.servers.mysql import ADMIN_USER

_SOURCE_OPTIONS = (
    "--innodb-flush-log-at-trx-commit=0",
    "--sync-binlog=0",
    "--innodb-buffer-pool-size=1G",
    "--innodb-log-file-size=512M",
)
_TARGET_SETTINGS = ("server_version", "fsync", "synchronous_commit", "shared_buffers")


@dataclass(frozen=True, slots=True)
class Servers:
    """Both servers, running. Statements run as their administrators."""

    mysql: MySQLServer
    postgres: PostgresServer

    @contextmanager
    def source(self, *, logged: bool = True) -> Iterator[Any]:
        """A cursor on the source; with `logged` off nothing of it is in the binary log."""
        with (
            pymysql.connect(
                host="127.0.0.1",
                port=self.mysql.port,
                user=ADMIN_USER,
                password=self.mysql.settings.admin_password,
                charset="utf8mb4",
                autocommit=True,
                ssl_disabled=True,
            ) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(f"SET SESSION sql_log_bin = {int(logged)}")
            yield cursor

    @contextmanager
    def target(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(self.postgres.dsn, autocommit=True) as connection:
            yield connection

    def drop(self, schema: str) -> None:
        with self.source() as source, self.target() as target:
            source.execute(f"DROP DATABASE IF EXISTS {schema}")
            target.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")

    def settle(self) -> None:
        """Write what an earlier measurement left to be written, so that the next does not pay."""
        with self.target() as target:
            target.execute("CHECKPOINT")

    def versions(self) -> dict[str, str]:
        with self.source() as source, self.target() as target:
            source.execute("SELECT VERSION()")
            settings = {"source": str(source.fetchone()[0])}
            for name in _TARGET_SETTINGS:
                row = target.execute(f"SHOW {name}").fetchone()
                settings[f"target {name}"] = str(row[0]) if row else ""
        return settings


@contextmanager
def running_servers(home: Path) -> Iterator[Servers]:
    mysql = MySQLServer(home / "source", options=_SOURCE_OPTIONS)
    postgres = PostgresServer(home / "target")
    try:
        mysql.start()
        postgres.start()
        yield Servers(mysql, postgres)
    finally:
        mysql.stop()
        postgres.stop()
