"""The figures of whole runs: what a load costs beside the work that DMS does for it."""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

from dms_pipeline.deployments import deployment
from dms_pipeline.local_dms.control_plane.lifecycle import REALISTIC_S, ObjectKind
from dms_pipeline_tests.aws_proxy import aws_proxy
from dms_pipeline_tests.bench.bench import Bench
from dms_pipeline_tests.bench.calls import CallLog
from dms_pipeline_tests.bench.dagster_floor import TABLES
from dms_pipeline_tests.bench.dagster_jobs import DagsterHome, dagster_home
from dms_pipeline_tests.bench.figure import LIMIT, OURS, Figure
from dms_pipeline_tests.bench.filled import filled_tables
from dms_pipeline_tests.bench.pipeline import Pipeline, make_pipeline
from dms_pipeline_tests.bench.sample import Sample
from dms_pipeline_tests.bench.servers import Servers
from dms_pipeline_tests.local_endpoint import endpoint

Storage = Literal["sqlite", "postgres"]

_ROWS = 3
_FEW_TABLES, _MANY_TABLES = 10, 1000
_LOADING_S = 3.0
_CALLS, _CALLS_A_MINUTE = 60, 2
_TABLES_A_WRITE = 25
"""BatchWriteItem takes 25 items at most, and a load writes an item a table."""
_ON_AWS = {"DMS_POLL_INTERVAL_S": "15", "DMS_DRAIN_WINDOW_S": "90"}
_FLOOR, _TEN_OPS = "dms_pipeline_tests.bench.dagster_floor", "dms_pipeline_tests.bench.ten_ops"
_WHILE_BILLED: tuple[tuple[ObjectKind, str], ...] = (
    ("instance", "creating"),
    ("connection", "testing"),
    ("task", "creating"),
    ("task", "deleting"),
)
"""What has to be waited for while the instance is billed, beside the task."""


@contextmanager
def run_empty(bench: Bench) -> Iterator[Figure]:
    """A load of nothing beside ten ops of nothing."""
    with _pipeline(bench, "empty", tables=1) as (pipeline, home):
        alone = dagster_home(home / "alone")
        yield Figure(
            "an incremental load of nothing, beside a job of ten empty ops",
            {
                OURS: lambda: Sample(pipeline.load().seconds),
                LIMIT: lambda: Sample(alone.execute(_TEN_OPS, "ten_ops").seconds),
            },
            target=2.5,
            kind="time",
        )


@contextmanager
def run_asleep(bench: Bench) -> Iterator[Figure]:
    """How long a load of nothing sleeps for other reasons than that the task runs."""
    with _pipeline(bench, "asleep", tables=1) as (pipeline, _):

        def measured() -> tuple[Sample, Sample]:
            run = pipeline.load()
            asleep_s = max(0.0, run.slept_s - _last_task_s(pipeline))
            return Sample(asleep_s), Sample(run.seconds)

        yield Figure(
            "asleep in an incremental load of nothing, beside the whole run",
            _two_sides(measured),
            target=0.1,
            kind="time",
        )


@contextmanager
def run_idle(bench: Bench) -> Iterator[Figure]:
    """How long an instance is up and waits for us, where states last as long as on AWS."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dms-bench-")))
        _, client = stack.enter_context(endpoint(home, "--speed", "realistic"))
        url = client("dms").meta.endpoint_url
        log = CallLog()
        pipeline, _ = stack.enter_context(
            _pipeline(bench, "idle", tables=1, endpoint_url=url, log=log, settings=_ON_AWS)
        )

        def measured() -> tuple[Sample, Sample]:
            log.begin()
            pipeline.load()
            created = log.time_of("CreateReplicationInstance")
            life_s = log.time_of("DeleteReplicationInstance") - created
            dms_s = _last_task_s(pipeline) + sum(REALISTIC_S[wait] for wait in _WHILE_BILLED)
            return Sample(life_s - dms_s, calls=log.count()), Sample(life_s)

        yield Figure(
            "an idle instance, beside its life, at the speed of AWS",
            _two_sides(measured),
            target=0.05,
            kind="time",
            most_rounds=1,
        )


@contextmanager
def run_calls(bench: Bench, *, tables: int) -> Iterator[Figure]:
    """Calls of AWS, beside how many there may be."""
    log = CallLog()
    with _pipeline(bench, f"calls{tables}", tables=tables, log=log) as (pipeline, _):

        def measured() -> tuple[Sample, Sample]:
            log.begin()
            seconds = pipeline.load().seconds
            allowed = _CALLS + _CALLS_A_MINUTE * seconds / 60 + ceil(tables / _TABLES_A_WRITE) - 1
            return Sample(seconds, calls=log.count()), Sample(seconds, calls=allowed)

        yield Figure(
            f"calls of AWS in an incremental load of {tables} tables",
            _two_sides(measured),
            target=1.0,
            kind="calls",
            most_rounds=None if tables <= _FEW_TABLES else 1,
        )


def run_calls_many(bench: Bench) -> AbstractContextManager[Figure]:
    return run_calls(bench, tables=_many(bench))


@contextmanager
def definitions_many(bench: Bench) -> Iterator[Figure]:
    """What Dagster does first in every process: loading the definitions."""
    tables = _many(bench)
    with _pipeline(bench, "defined", tables=tables) as (pipeline, _):
        yield Figure(
            f"loading the definitions of {tables} tables, beside 3 s",
            {
                OURS: lambda: Sample(pipeline.dagster.run("dms_pipeline.definitions")),
                LIMIT: lambda: Sample(_LOADING_S),
            },
            target=1.0,
            kind="time",
        )


@contextmanager
def run_many(bench: Bench, *, storage: Storage) -> Iterator[Figure]:
    """A load of nothing of many tables beside the same assets and checks without any work."""
    tables = _many(bench)
    with ExitStack() as stack:
        pipeline, home = stack.enter_context(
            _pipeline(bench, f"many{storage}", tables=tables, storage=storage)
        )
        empty = dagster_home(home / "alone", **{TABLES: str(tables)})
        alone = stack.enter_context(_stored(bench.servers, empty, storage))
        yield Figure(
            f"an incremental load of {tables} tables on {storage}, beside Dagster alone",
            {
                OURS: lambda: Sample(pipeline.load().seconds),
                LIMIT: lambda: Sample(alone.execute(_FLOOR, "floor").seconds),
            },
            target=1.3,
            kind="time",
            rows=tables,
            most_rounds=2,
        )


@contextmanager
def _pipeline(
    bench: Bench,
    schema: str,
    *,
    tables: int,
    endpoint_url: str = "",
    log: CallLog | None = None,
    storage: Storage = "sqlite",
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[tuple[Pipeline, Path]]:
    """A pipeline that has been loaded once, and its home folder; its calls are told to ``log``."""
    servers = bench.servers
    url = endpoint_url or str(bench.dms.objects.dms.meta.endpoint_url)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dms-bench-")))
        filled = stack.enter_context(filled_tables(servers, schema, tables=tables, rows=_ROWS))
        bench.dms.full_load(schema)
        if log is not None:
            url = stack.enter_context(aws_proxy(url, log.answer))
        made = make_pipeline(home, servers, url, filled.tables, settings)
        dagster = stack.enter_context(_stored(servers, made.dagster, storage))
        # New tables are many files, which the first run would else wait for at each commit.
        servers.settle()
        yield replace(made, dagster=dagster), home


@contextmanager
def _stored(servers: Servers, dagster: DagsterHome, storage: Storage) -> Iterator[DagsterHome]:
    """Dagster's records in SQLite, as by default, or in a database of the target's server."""
    if storage == "sqlite":
        yield dagster
        return
    database = f"dagster_{secrets.token_hex(4)}"
    with servers.target() as target:
        target.execute(f"CREATE DATABASE {database}")
    # Dagster speaks psycopg2, which is no longer what SQLAlchemy takes by default.
    place = urlsplit(servers.postgres.dsn)._replace(scheme="postgresql+psycopg2", path=database)
    url = place.geturl()
    yield dagster.stored_in_postgres(url)
    with servers.target() as target:
        target.execute(f"DROP DATABASE {database} WITH (FORCE)")


def _last_task_s(pipeline: Pipeline) -> float:
    """How long the task of the last load ran, by its own start and stop dates."""
    here = deployment(os.environ | pipeline.dagster.environment)
    latest = here.checkpoints().store().latest(pipeline.name)
    assert latest is not None
    return latest.active_s


def _two_sides(
    measure: Callable[[], tuple[Sample, Sample]],
) -> dict[str, Callable[[], Sample]]:
    """Contenders that are two sides of one measurement, which the first of a round makes."""
    made: dict[str, Sample] = {}

    def side(name: str) -> Sample:
        if not made:
            made.update(zip((OURS, LIMIT), measure(), strict=True))
        return made.pop(name)

    return {name: partial(side, name) for name in (OURS, LIMIT)}


def _many(bench: Bench) -> int:
    return max(10, round(_MANY_TABLES * bench.scale))
