"""The same ends by the simplest means: what the machine could do at best."""

import os
import subprocess
import time
from collections.abc import Sequence

from dms_pipeline.local_dms.servers.mysql import ADMIN_USER
from dms_pipeline_tests.bench.clients import Clients
from dms_pipeline_tests.bench.errors import BenchError
from dms_pipeline_tests.bench.sample import Sample
from dms_pipeline_tests.bench.servers import Servers
from dms_pipeline_tests.bench.tables import Table

RAW_SCHEMA = "raw"


def printed_log(servers: Servers, clients: Clients, files: Sequence[str]) -> Sample:
    """`mariadb-binlog` reads the log from the server, decodes the rows and prints them."""
    command = [clients.mariadb_binlog, *_login(servers), "--read-from-remote-server", "-v", *files]
    begun = time.monotonic()
    done = subprocess.run(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=_source_environment(servers),
        check=False,
    )
    seconds = time.monotonic() - begun
    if done.returncode != 0:
        raise BenchError(f"mariadb-binlog failed: {done.stderr.strip()}")
    return Sample(seconds)


def raw_pipes(servers: Servers, clients: Clients, tables: Sequence[Table]) -> Sample:
    """One table after the other: `mariadb | psql COPY`, then its primary key."""
    with servers.target() as target:
        target.execute(f"DROP SCHEMA IF EXISTS {RAW_SCHEMA} CASCADE")
        target.execute(f"CREATE SCHEMA {RAW_SCHEMA}")
        for table in tables:
            target.execute(f"CREATE TABLE {RAW_SCHEMA}.{table.name} (LIKE {table})")
    servers.settle()
    begun = time.monotonic()
    for table in tables:
        _raw_pipe(servers, clients, table)
    return Sample(time.monotonic() - begun)


def _raw_pipe(servers: Servers, clients: Clients, table: Table) -> None:
    copy = f"COPY {RAW_SCHEMA}.{table.name} FROM STDIN (NULL 'NULL')"
    key = f"ALTER TABLE {RAW_SCHEMA}.{table.name} ADD PRIMARY KEY ({table.columns[0].name})"
    unload = [clients.mariadb, *_login(servers), "--quick", "-B", "-N"]
    unload += ["--default-character-set=utf8mb4", "-e", f"SELECT * FROM {table}"]
    load = [clients.psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", servers.postgres.dsn]
    with subprocess.Popen(
        unload, stdout=subprocess.PIPE, env=_source_environment(servers)
    ) as reader:
        done = subprocess.run(
            [*load, "-c", copy, "-c", key],
            stdin=reader.stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    if done.returncode != 0 or reader.returncode != 0:
        raise BenchError(f"the raw pipe of {table} failed: {done.stderr.strip()}")


def bare_counts(servers: Servers, tables: Sequence[Table]) -> Sample:
    """`count(*)` of each table, first all of the source, then all of the target."""
    begun = time.monotonic()
    with servers.source() as source:
        for table in tables:
            source.execute(f"SELECT COUNT(*) FROM {table}")
            source.fetchall()
    with servers.target() as target:
        for table in tables:
            target.execute(f"SELECT count(*) FROM {table}").fetchall()
    return Sample(time.monotonic() - begun)


def _login(servers: Servers) -> list[str]:
    # The first option of all, or the client programs would read the machine's configuration.
    return [
        "--no-defaults",
        "--host=127.0.0.1",
        f"--port={servers.mysql.port}",
        f"--user={ADMIN_USER}",
    ]


def _source_environment(servers: Servers) -> dict[str, str]:
    return os.environ | {"MYSQL_PWD": servers.mysql.settings.admin_password}
