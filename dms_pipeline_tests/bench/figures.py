"""All figures by name. Each is a context manager: it makes its workload, and removes it again."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from statistics import median

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.pipeline_config import ReplicatedTable
from dms_pipeline.resources.source import MySQLSource
from dms_pipeline.resources.target import PostgresTarget
from dms_pipeline.row_count import count_rows
from dms_pipeline_tests.bench import orchestration
from dms_pipeline_tests.bench.agreement import check_target
from dms_pipeline_tests.bench.bench import Bench
from dms_pipeline_tests.bench.changes import BULK, HOT, SMALL, ChangeLog, Mix, change_log
from dms_pipeline_tests.bench.errors import BenchError
from dms_pipeline_tests.bench.figure import LIMIT, OURS, Figure
from dms_pipeline_tests.bench.filled import FilledTables, filled_tables
from dms_pipeline_tests.bench.limits import bare_counts, printed_log, raw_pipes
from dms_pipeline_tests.bench.peers.capture import capture_peers
from dms_pipeline_tests.bench.peers.full_load import full_load_peers
from dms_pipeline_tests.bench.pipeline import dms_dsn
from dms_pipeline_tests.bench.sample import Sample
from dms_pipeline_tests.bench.servers import Servers
from dms_pipeline_tests.bench.tables import Table, mixed, text_keyed, wide
from dms_pipeline_tests.two_sides import credentials

_ROWS = 2_000_000
_SMALL_TABLES, _SMALL_ROWS = 100, 1000
_CHANGES = 500_000
_INITIAL = 100_000
_CAPTURE_PEAK_MB, _LOAD_PEAK_MB = 150, 100
_LONGER = 10
_CALLS_AT_ONCE = 20
_REPETITIONS = 5
_FLAT = 1.1
"""A peak that is measured twice differs by some MB; growth with the work would be tenfold."""


MakeFigure = Callable[[Bench], AbstractContextManager[Figure]]


@contextmanager
def _capture(
    bench: Bench, title: str, table: Table, mix: Mix, *, target: float
) -> Iterator[Figure]:
    with _log(bench, table, mix) as log:
        yield Figure(
            title,
            {
                OURS: partial(_captured, bench, log),
                LIMIT: partial(printed_log, bench.servers, bench.clients, log.files),
                **(capture_peers(bench.peers, log) if bench.peers else {}),
            },
            target=target,
            rows=log.changes,
            size_bytes=log.size_bytes,
            peak_target_mb=_CAPTURE_PEAK_MB,
        )


def _log(
    bench: Bench, table: Table, mix: Mix, *, times: int = 1
) -> AbstractContextManager[ChangeLog]:
    changes, initial = bench.scaled(_CHANGES) * times, bench.scaled(_INITIAL)
    return change_log(bench.dms, table, mix, changes=changes, initial=initial)


def _captured(bench: Bench, log: ChangeLog) -> Sample:
    log.reset_target()
    sample = bench.dms.capture(log.table.schema, log.start_position)
    check_target(bench.servers, [(log.table, log.expected)])
    return sample


@contextmanager
def _capture_memory(bench: Bench) -> Iterator[Figure]:
    with (
        _log(bench, mixed("shortlog"), SMALL) as short,
        _log(bench, mixed("longlog"), SMALL, times=_LONGER) as long,
    ):
        yield Figure(
            f"memory: {long.changes:,} changes beside {short.changes:,}",
            {OURS: partial(_captured, bench, long), LIMIT: partial(_captured, bench, short)},
            target=_FLAT,
            kind="memory",
            rows=long.changes,
            size_bytes=long.size_bytes,
            peak_target_mb=_CAPTURE_PEAK_MB,
            most_rounds=1,
        )


def _loaded(bench: Bench, filled: FilledTables, *, subtasks: int) -> Sample:
    with bench.servers.target() as target:
        target.execute(f"DROP SCHEMA IF EXISTS {filled.schema} CASCADE")
    bench.servers.settle()
    sample = bench.dms.full_load(filled.schema, subtasks=subtasks)
    check_target(bench.servers, zip(filled.tables, filled.digests, strict=True))
    return sample


@contextmanager
def _full_load(
    bench: Bench, title: str, schema: str, *, tables: int, rows: int, subtasks: int
) -> Iterator[Figure]:
    with filled_tables(bench.servers, schema, tables=tables, rows=rows) as filled:
        loaded = filled.tables, filled.digests
        peers = full_load_peers(bench.peers, bench.servers, *loaded) if bench.peers else {}
        yield Figure(
            title,
            {
                OURS: partial(_loaded, bench, filled, subtasks=subtasks),
                LIMIT: partial(raw_pipes, bench.servers, bench.clients, filled.tables),
                **peers,
            },
            target=1.1 if tables == 1 else 1.0,
            rows=filled.rows,
            size_bytes=filled.size_bytes,
            peak_target_mb=_LOAD_PEAK_MB,
        )


def _load_big(bench: Bench) -> AbstractContextManager[Figure]:
    rows = bench.scaled(_ROWS)
    title = f"full load: {rows:,} rows, 2 sub-tasks"
    return _full_load(bench, title, "big", tables=1, rows=rows, subtasks=2)


def _load_many(bench: Bench) -> AbstractContextManager[Figure]:
    tables = _number_of_small_tables(bench)
    title = f"full load: {tables} tables of {_SMALL_ROWS:,} rows"
    return _full_load(bench, title, "many", tables=tables, rows=_SMALL_ROWS, subtasks=8)


@contextmanager
def _load_memory(bench: Bench) -> Iterator[Figure]:
    rows = bench.scaled(_ROWS)
    with (
        filled_tables(bench.servers, "shorttable", tables=1, rows=rows // _LONGER) as short,
        filled_tables(bench.servers, "longtable", tables=1, rows=rows) as long,
    ):
        yield Figure(
            f"memory: full load of {long.rows:,} rows beside {short.rows:,}",
            {
                OURS: partial(_loaded, bench, long, subtasks=2),
                LIMIT: partial(_loaded, bench, short, subtasks=2),
            },
            target=_FLAT,
            kind="memory",
            rows=long.rows,
            size_bytes=long.size_bytes,
            peak_target_mb=_LOAD_PEAK_MB,
            most_rounds=1,
        )


def _number_of_small_tables(bench: Bench) -> int:
    """Their number makes the work; few of them would measure how processes start."""
    return max(5, min(_SMALL_TABLES, round(_SMALL_TABLES * bench.scale * 10)))


@contextmanager
def _describe(bench: Bench) -> Iterator[Figure]:
    with _log(bench, mixed("described"), SMALL) as log:
        yield Figure(
            "DescribeReplicationTasks, while a task runs at full speed",
            {
                OURS: partial(_described_at_work, bench, log),
                LIMIT: partial(_described_idle, bench, log),
            },
            target=3.0,
            kind="time",
        )


def _described_at_work(bench: Bench, log: ChangeLog) -> Sample:
    schema = log.table.schema
    log.reset_target()
    with bench.dms.capturing(schema, log.start_position) as (task, _):
        bench.dms.wait_until(task, "running")
        return _median_describe(bench, at_work=lambda: not bench.dms.has_marker(schema))


def _described_idle(bench: Bench, log: ChangeLog) -> Sample:
    task = bench.dms.create_task(log.table.schema, "cdc")
    try:
        return _median_describe(bench, at_work=lambda: True)
    finally:
        bench.dms.delete_task(task)


def _median_describe(bench: Bench, *, at_work: Callable[[], bool]) -> Sample:
    """Calls one after the other, for a time or until the work is done."""
    describe = bench.dms.objects.dms.describe_replication_tasks
    durations: list[float] = []
    until = time.monotonic() + bench.describe_s
    while time.monotonic() < until and at_work():
        for _ in range(_CALLS_AT_ONCE):
            begun = time.monotonic()
            describe()
            durations.append(time.monotonic() - begun)
    if not durations:
        raise BenchError("the task was done before it could be described")
    return Sample(median(durations))


@contextmanager
def _row_count(bench: Bench) -> Iterator[Figure]:
    tables = _number_of_small_tables(bench)
    with filled_tables(bench.servers, "counted", tables=tables, rows=_SMALL_ROWS) as filled:
        bench.dms.full_load(filled.schema)
        yield Figure(
            f"row count check: {tables} tables of {_SMALL_ROWS:,} rows",
            {
                OURS: _repeated(partial(_counted, bench.servers, filled)),
                LIMIT: _repeated(partial(bare_counts, bench.servers, filled.tables)),
            },
            target=2.0,
            kind="time",
            rows=filled.rows,
        )


def _counted(servers: Servers, filled: FilledTables) -> Sample:
    ids = [TableId(table.schema, table.name) for table in filled.tables]
    source = MySQLSource(credentials(dms_dsn(servers.mysql)))
    target = PostgresTarget(credentials(dms_dsn(servers.postgres)))
    checkpoint = source.end()
    begun = time.monotonic()
    counts = count_rows(
        [ReplicatedTable(name, name) for name in ids],
        source=source,
        target=target,
        checkpoint=checkpoint,
    )
    seconds = time.monotonic() - begun
    if not all(count.matches and not count.undecided for count in counts):
        raise BenchError("the counts of source and target do not match")
    return Sample(seconds)


def _repeated(measure: Callable[[], Sample]) -> Callable[[], Sample]:
    """What takes milliseconds is measured several times in a round."""
    return lambda: Sample(median(measure().seconds for _ in range(_REPETITIONS)))


FIGURES: dict[str, MakeFigure] = {
    "cdc-small": lambda bench: _capture(
        bench, "changes, transactions of 1-10 rows", mixed("small"), SMALL, target=0.9
    ),
    "cdc-bulk": lambda bench: _capture(
        bench, "changes, transactions of 10,000 rows", mixed("bulk"), BULK, target=0.3
    ),
    "cdc-wide": lambda bench: _capture(
        bench, "changes, 20 columns", wide("wide"), SMALL, target=0.9
    ),
    "cdc-text-key": lambda bench: _capture(
        bench, "changes, keys of 200 bytes", text_keyed("textkey"), SMALL, target=0.9
    ),
    "cdc-hot": lambda bench: _capture(
        bench, "changes, 1 % of keys take 90 %", mixed("hot"), HOT, target=0.9
    ),
    "full-load-big": _load_big,
    "full-load-many": _load_many,
    "describe": _describe,
    "row-count": _row_count,
    "cdc-memory": _capture_memory,
    "full-load-memory": _load_memory,
    "run-empty": orchestration.run_empty,
    "run-asleep": orchestration.run_asleep,
    "run-calls": lambda bench: orchestration.run_calls(bench, tables=1),
    "run-calls-10": lambda bench: orchestration.run_calls(bench, tables=10),
    "run-calls-many": orchestration.run_calls_many,
    "definitions-many": orchestration.definitions_many,
    "run-many": lambda bench: orchestration.run_many(bench, storage="sqlite"),
    "run-many-postgres": lambda bench: orchestration.run_many(bench, storage="postgres"),
    "run-idle": orchestration.run_idle,
}
WITH_PEERS = ("cdc-small", "cdc-bulk", "full-load-big", "full-load-many")
"""Those whose work the peers do too."""
SLOW = (
    "cdc-memory",
    "full-load-memory",
    "run-calls-10",
    "run-calls-many",
    "run-many",
    "run-many-postgres",
    "run-idle",
)
"""Not part of a quick run: they take long, or say nothing at a small scale."""
