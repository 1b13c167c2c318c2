"""Peers of full loads. A contender creates a table, fills it, and makes its primary key."""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from dms_pipeline_tests.bench.agreement import Digest, check_target
from dms_pipeline_tests.bench.errors import BenchError, PeerError
from dms_pipeline_tests.bench.peers.environments import debian_program, python_environment, run
from dms_pipeline_tests.bench.pipeline import dms_login
from dms_pipeline_tests.bench.sample import Sample
from dms_pipeline_tests.bench.servers import Servers
from dms_pipeline_tests.bench.tables import Table

_SCHEMA = "peer"

Contender = Callable[[], Sample]


def full_load_peers(
    peers: Path, servers: Servers, tables: Sequence[Table], digests: Sequence[Digest]
) -> dict[str, Contender]:
    """By name; each raises `PeerError` where it cannot be had, fails, or loads other rows."""
    loads = {"pgloader": _pgloader, "dlt": _dlt, "sling": _sling, "connectorx + ADBC": _connectorx}
    return {
        name: partial(_checked, partial(load, peers), servers, tables, digests)
        for name, load in loads.items()
    }


def _checked(
    load: Callable[[Servers, Sequence[Table]], Sample],
    servers: Servers,
    tables: Sequence[Table],
    digests: Sequence[Digest],
) -> Sample:
    with servers.target() as target:
        target.execute(f"DROP SCHEMA IF EXISTS {_SCHEMA} CASCADE")
        target.execute(f"CREATE SCHEMA {_SCHEMA}")
    servers.settle()
    try:
        sample = load(servers, tables)
        loaded = [_in_schema(table) for table in tables]
        check_target(servers, zip(loaded, digests, strict=True))
    except PeerError:
        raise
    except BenchError as error:
        raise PeerError(f"loads other rows: {error}") from error
    finally:
        with servers.target() as target:
            target.execute(f"DROP SCHEMA IF EXISTS {_SCHEMA} CASCADE")
    return sample


def _in_schema(table: Table) -> Table:
    """The peer's table. Peers declare no scale for decimals: the values count."""
    columns = tuple(
        replace(column, target_text="{c}::numeric(12,2)") if column.name == "price" else column
        for column in table.columns
    )
    return replace(table, schema=_SCHEMA, columns=columns)


def _told(servers: Servers, tables: Sequence[Table]) -> dict[str, Any]:
    source = f"{dms_login(servers.mysql)}@127.0.0.1:{servers.mysql.port}/{tables[0].schema}"
    return {
        "source": f"mysql://{source}",
        "sqlalchemy_source": f"mysql+pymysql://{source}",
        "source_schema": tables[0].schema,
        "target": servers.postgres.dsn,
        "target_schema": _SCHEMA,
        "tables": [{"name": table.name, "key": table.columns[0].name} for table in tables],
    }


def _pgloader(peers: Path, servers: Servers, tables: Sequence[Table]) -> Sample:
    program = debian_program(peers, "pgloader")
    told = _told(servers, tables)
    # With the default of 100,000 rows prefetched its heap is full before a million are loaded.
    commands = f"""
        LOAD DATABASE FROM {told["source"]} INTO {told["target"]}
        WITH include drop, create tables, create indexes, no foreign keys, workers = 2,
             prefetch rows = 10000
        CAST type datetime to timestamp drop default
        ALTER SCHEMA '{told["source_schema"]}' RENAME TO '{_SCHEMA}';
    """
    # Only this user can read it: the commands hold the passwords.
    with tempfile.NamedTemporaryFile("w", suffix=".load") as file:
        file.write(commands)
        file.flush()
        return run([program, "--quiet", "--root-dir", tempfile.gettempdir(), file.name])


def _dlt(peers: Path, servers: Servers, tables: Sequence[Table]) -> Sample:
    return python_environment(peers, "dlt").run_program("dlt_load", _told(servers, tables))


def _connectorx(peers: Path, servers: Servers, tables: Sequence[Table]) -> Sample:
    environment = python_environment(peers, "connectorx")
    return environment.run_program("connectorx_load", _told(servers, tables))


def _sling(peers: Path, servers: Servers, tables: Sequence[Table]) -> Sample:
    folder = python_environment(peers, "sling").folder
    [program] = folder.glob("lib/*/site-packages/sling_linux_amd64/bin/sling-linux-amd64")
    told = _told(servers, tables)
    streams: dict[str, Any] = {
        f"{told['source_schema']}.{table['name']}": {"primary_key": [table["key"]]}
        for table in told["tables"]
    }
    replication = {
        "source": "BENCH_SOURCE",
        "target": "BENCH_TARGET",
        "defaults": {"mode": "full-refresh", "object": f"{_SCHEMA}.{{stream_table}}"},
        "streams": streams,
    }
    environment = {
        "BENCH_SOURCE": told["source"],
        "BENCH_TARGET": f"{told['target']}?sslmode=disable",
        "SLING_DISABLE_TELEMETRY": "TRUE",
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(replication, file)
        file.flush()
        return run([str(program), "run", "-r", file.name], environment=environment)
