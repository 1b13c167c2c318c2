"""Peers of change capture: a library with a batch apply like ours, and Debezium, which decodes."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from dms_pipeline_tests.bench.agreement import check_target
from dms_pipeline_tests.bench.changes import ChangeLog
from dms_pipeline_tests.bench.errors import BenchError, PeerError
from dms_pipeline_tests.bench.peers.environments import python_environment
from dms_pipeline_tests.bench.sample import Sample

Contender = Callable[[], Sample]


def capture_peers(peers: Path, log: ChangeLog) -> dict[str, Contender]:
    """By name; each raises `PeerError` where it cannot be had, fails, or leaves other rows."""
    return {
        "python-mysql-replication": partial(_library, peers, log),
        "Debezium, decoding only": partial(_debezium, peers, log),
    }


def _library(peers: Path, log: ChangeLog) -> Sample:
    environment = python_environment(peers, "mysql-replication")
    log.reset_target()
    sample = environment.run_program("library_capture", _told(log))
    try:
        check_target(log.servers, [(log.table, log.expected)])
    except BenchError as error:
        raise PeerError(f"leaves other rows: {error}") from error
    return sample


def _debezium(peers: Path, log: ChangeLog) -> Sample:
    return python_environment(peers, "debezium").run_program("debezium_decode", _told(log))


def _told(log: ChangeLog) -> dict[str, Any]:
    mysql = log.servers.mysql
    return {
        "connection": {
            "host": "127.0.0.1",
            "port": mysql.port,
            "user": mysql.dms_user,
            "passwd": mysql.dms_password,
        },
        "target": log.servers.postgres.dsn,
        "schema": log.table.schema,
        "table": log.table.name,
        "key": log.table.columns[0].name,
        "file": log.files[0],
        "changes": log.changes,
    }
