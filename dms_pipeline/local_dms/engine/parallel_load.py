"""Full load of all tables: several at a time, all from the same snapshot of the source."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import psycopg
from pymysql.connections import Connection

from dms_pipeline.binlog.connection import ConnectionSettings
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.errors import DmsPipelineError, SourceError
from dms_pipeline.local_dms.engine.full_load import load_table
from dms_pipeline.local_dms.engine.snapshots import Snapshot, open_snapshot
from dms_pipeline.local_dms.engine.table_plan import TablePlan, ValueDoesNotFitError
from dms_pipeline.local_dms.engine.target_errors import target_error
from dms_pipeline.local_dms.engine.target_tables import TargetConnection, create_schema
from dms_pipeline.local_dms.engine.task_settings import PrepMode
from dms_pipeline.local_dms.engine.unload import LoadInterruptedError

Replan = Callable[[BinlogPosition | None], Sequence[TablePlan]]
"""Given where the snapshot lies in the log, the tables to load from it."""


class LoadObserver(Protocol):
    """Told what happens, from whichever thread it happens in, but never twice at a time."""

    def snapshot_opened(self, position: BinlogPosition | None, connections: int) -> None: ...

    def table_started(self, plan: TablePlan) -> None: ...

    def rows_loaded(self, plan: TablePlan, rows: int) -> None:
        """``rows`` so far."""

    def table_loaded(self, plan: TablePlan, rows: int) -> None: ...

    def value_does_not_fit(self, plan: TablePlan, error: ValueDoesNotFitError) -> None:
        """Return to leave the row out; raise to give up the table."""

    def table_failed(self, plan: TablePlan, error: DmsPipelineError) -> None:
        """Return to go on with the other tables; raise to give up the load."""


@dataclass(frozen=True, slots=True)
class FullLoad:
    """One full load. ``subtasks`` is how many tables may be loaded at a time.

    Tables are begun in the given order. ``connect_target`` gives each worker a connection of its
    own.
    """

    source: ConnectionSettings
    connect_target: Callable[[], TargetConnection]
    prep_mode: PrepMode
    observer: LoadObserver
    should_stop: Callable[[], bool]
    subtasks: int = 1
    with_position: bool = True

    def run(self, plans: Sequence[TablePlan], *, replan: Replan) -> BinlogPosition | None:
        """Load every table; returns where in the log the snapshot lies, if that was asked for.

        Args:
            plans: the tables as they were before the snapshot.
            replan: the tables as they are, asked when the snapshot is open. A table that changes
                afterwards cannot be read from the snapshot, which the server says.

        Raises:
            LoadInterruptedError: a stop was asked for; complete tables stay.
            DmsPipelineError: what the observer raised or let through.
        """
        self._create_schemas({plan.target_schema for plan in plans})
        count = max(1, min(self.subtasks, len(plans)))
        with open_snapshot(self.source, count, with_position=self.with_position) as snapshot:
            self.observer.snapshot_opened(snapshot.position, len(snapshot.connections))
            _Run(self, deque(replan(snapshot.position))).work(snapshot)
            return snapshot.position

    def _create_schemas(self, schemas: set[str]) -> None:
        """Before the workers do, who would get into each other's way."""
        with self.connect_target() as target:
            for schema in sorted(schemas):
                try:
                    create_schema(target, schema)
                except psycopg.Error as error:
                    raise target_error(f"target schema {schema}", error, target) from error


class _Run:
    """The state that the workers of one load share."""

    def __init__(self, load: FullLoad, waiting: deque[TablePlan]) -> None:
        self._load = load
        self._waiting = waiting
        self._lock = threading.Lock()
        self._failed = threading.Event()

    def work(self, snapshot: Snapshot) -> None:
        with ThreadPoolExecutor(len(snapshot.connections), "full-load") as pool:
            workers = [pool.submit(self._work, source) for source in snapshot.connections]
        errors = [error for worker in workers if (error := worker.exception()) is not None]
        # The others stopped only because one failed.
        errors.sort(key=lambda error: isinstance(error, LoadInterruptedError))
        if errors:
            raise errors[0]

    def _work(self, source: "Connection[Any]") -> None:
        try:
            with self._load.connect_target() as target:
                while (plan := self._next()) is not None:
                    self._load_table(source, target, plan)
        except BaseException:
            self._failed.set()
            raise

    def _next(self) -> TablePlan | None:
        if self._should_stop():
            raise LoadInterruptedError
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _should_stop(self) -> bool:
        return self._failed.is_set() or self._load.should_stop()

    def _load_table(
        self, source: "Connection[Any]", target: TargetConnection, plan: TablePlan
    ) -> None:
        observer = self._load.observer
        self._tell(observer.table_started, plan)
        try:
            rows = load_table(
                source,
                target,
                plan,
                prep_mode=self._load.prep_mode,
                on_rows=partial(self._tell, observer.rows_loaded, plan),
                should_stop=self._should_stop,
                on_unfit=partial(self._tell, observer.value_does_not_fit, plan),
            )
        except DmsPipelineError as error:
            self._tell(observer.table_failed, plan, error)
            if isinstance(error, SourceError):
                # The snapshot of this connection is gone, and with it what it could still load.
                raise
        else:
            self._tell(observer.table_loaded, plan, rows)

    def _tell(self, what: Callable[..., None], *about: Any) -> None:
        with self._lock:
            what(*about)
