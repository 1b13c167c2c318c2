"""One run of a replication task: full load, cached changes, change capture, in that order.

Tables that are to be reloaded interrupt the capture; it goes on behind their new load.

``run`` either returns the reason for stopping or raises one of our errors; in both cases the
final statistics and checkpoint have been reported before. A connection that is lost while changes
are captured is tried again, from the checkpoint stored on the target, as the settings say.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg
import pymysql
from pymysql.connections import Connection

from dms_pipeline.binlog.connection import source_error
from dms_pipeline.binlog.foreign_keys import unlogged_rules
from dms_pipeline.binlog.position import BinlogPosition, parse_checkpoint
from dms_pipeline.binlog.snapshot import current_position
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import (
    DmsPipelineError,
    LoadError,
    SourceUnavailableError,
    TargetError,
    TargetUnavailableError,
)
from dms_pipeline.local_dms.engine.capture_session import CaptureSession
from dms_pipeline.local_dms.engine.checkpoint_codec import Checkpoint
from dms_pipeline.local_dms.engine.control_tables import ControlTables
from dms_pipeline.local_dms.engine.definition_records import DefinitionRecords
from dms_pipeline.local_dms.engine.error_handling import ErrorHandler
from dms_pipeline.local_dms.engine.error_policies import RecoveryAttempts
from dms_pipeline.local_dms.engine.full_load_progress import FullLoadProgress
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules
from dms_pipeline.local_dms.engine.parallel_load import FullLoad, Replan
from dms_pipeline.local_dms.engine.reload_requests import ReloadRequests
from dms_pipeline.local_dms.engine.reporter import Reporter
from dms_pipeline.local_dms.engine.source_access import check_access
from dms_pipeline.local_dms.engine.start_position import CaptureStart, resolve_start
from dms_pipeline.local_dms.engine.stop_condition import StopCondition
from dms_pipeline.local_dms.engine.stored_checkpoint import read_stored
from dms_pipeline.local_dms.engine.table_catalogue import TableCatalogue, VaryingColumns
from dms_pipeline.local_dms.engine.table_plan import TablePlan
from dms_pipeline.local_dms.engine.table_statistics import TableStatistics
from dms_pipeline.local_dms.engine.target_errors import target_error
from dms_pipeline.local_dms.engine.target_tables import TargetConnection, connect_target
from dms_pipeline.local_dms.engine.task_settings import TaskSettings
from dms_pipeline.local_dms.engine.task_spec import StopReason, TaskSpec
from dms_pipeline.local_dms.engine.transaction_state import TransactionState
from dms_pipeline.local_dms.engine.unload import LoadInterruptedError

logger = logging.getLogger(__name__)

NO_TABLES = (
    "No tables were found at task initialization. Either the selected table(s) or schemas(s) no"
    " longer exist or no match was found for the table selection pattern(s). If you would like to"
    " start a Task that does not initially capture any tables, set Task Setting"
    " FailOnNoTablesCaptured to false and restart task."
)
_UNLOGGED = "what the source changes by its foreign key {} is not in the log, and is not replicated"
_PRIVILEGE = "An account sees only tables on which it has a privilege: does {} have SELECT?"

Step = Callable[["Connection[Any]", TargetConnection], StopReason]
"""A part of the run that needs both servers."""


class ReplicationTask:
    """Runs once, in the calling thread.

    Any other may set ``stop_requested`` and add to ``reloads``.
    """

    def __init__(
        self,
        spec: TaskSpec,
        reporter: Reporter,
        stop_requested: threading.Event,
        reloads: ReloadRequests,
    ) -> None:
        self._spec = spec
        self._reporter = reporter
        self._stop_requested = stop_requested
        self._reloads = reloads
        self._settings = replace(
            TaskSettings.from_message(spec.task_settings),
            skips_partition_ddl=spec.skips_partition_ddl,
        )
        self._stop = StopCondition.from_text(spec.stop_position)
        self._rules = MappingRules.from_message(spec.table_mappings)
        self._warned_of: VaryingColumns = set()
        self._catalogue = self._new_catalogue()
        self._statistics = TableStatistics((), state="Before load")
        self._state = TransactionState.of_task(spec, self._settings.control_schema)
        self._control = ControlTables(
            self._settings, server_name=spec.server_name, task_name=spec.task_id
        )
        self._not_before = 0.0
        self._begun_at: str | None = None
        self._captures = False

    def run(self) -> StopReason:
        try:
            return self._run_with_retries()
        except TargetUnavailableError:
            self._report_stored()
            raise
        finally:
            self._reporter.statistics(self._statistics, now=True)

    def _run_with_retries(self) -> StopReason:
        attempts = RecoveryAttempts(self._settings.policies.retries)
        step: Step = self._begin
        while True:
            try:
                reason = self._connected(step)
            except (SourceUnavailableError, TargetUnavailableError) as error:
                if self._begun_at is None:
                    raise
                delay_s = attempts.lost_at(self._reporter.last_checkpoint)
                if delay_s is None:
                    raise self._given_up(error, attempts.count) from error
                logger.warning(
                    "%s; attempt %d of %d in %.0f s", error, attempts.count, attempts.most, delay_s
                )
                if self._stop_requested.wait(delay_s):
                    self._report_stored()
                    return "NORMAL"
                step = self._continue
            else:
                if not self._is_interrupted(reason):
                    return reason
                step = self._reload

    def _is_interrupted(self, reason: StopReason) -> bool:
        """Whether it was tables to reload that ended the capture, and not the task."""
        waiting = self._reloads.waiting()
        if not waiting:
            return False
        if reason in ("NORMAL", "FULL_LOAD_ONLY_FINISHED") and not self._stop_requested.is_set():
            return True
        names = ", ".join(map(str, waiting))
        logger.warning("the task stops before it has reloaded %s; a resume does it", names)
        return False

    def _report_stored(self) -> None:
        """A target that was lost during a commit may have carried it out."""
        if not self._captures:
            return
        try:
            stored = read_stored(self._spec, self._state)
        except TargetError as error:
            logger.warning(
                "the checkpoint may be behind the data, as the target is away: %s", error
            )
        else:
            if stored is not None:
                self._reporter.checkpoint(stored)

    def _given_up(self, error: DmsPipelineError, attempts: int) -> DmsPipelineError:
        if not attempts:
            return error
        # These are the words of AWS.
        return type(error)(
            f"{error}. Task '{self._spec.task_name}' was stopped after {attempts} recovery attempts"
        )

    def _connected(self, step: Step) -> StopReason:
        source = self._spec.source.connect()
        try:
            with connect_target(self._spec.target) as target:
                return step(source, target)
        except pymysql.MySQLError as error:
            raise source_error(str(self._spec.source), error) from error
        except psycopg.Error as error:
            raise target_error(str(self._spec.target), error, self._spec.target) from error
        finally:
            source.close()

    @property
    def _captures_changes(self) -> bool:
        return self._spec.migration_type != "full-load"

    def _new_catalogue(self) -> TableCatalogue:
        return TableCatalogue(
            self._rules, self._settings.target_schema, self._settings.lobs, self._warned_of
        )

    def _begin(self, source: "Connection[Any]", target: TargetConnection) -> StopReason:
        self._catalogue.read(source)
        if not self._catalogue.plans and self._settings.fail_on_no_tables:
            raise LoadError(f"{NO_TABLES} {_PRIVILEGE.format(self._spec.source.user)}")
        for name in self._rules.unmatched(self._catalogue.plans):
            logger.warning("the selection of %s matches no table of the source", name)
        check_access(source, self._spec.source.user, self._rules, self._catalogue.plans)
        if self._captures_changes:
            for table, rules in unlogged_rules(source, self._catalogue.plans).items():
                logger.warning("table %s: %s", table, _UNLOGGED.format(" and ".join(rules)))
            self._state.create(target)
            self._state.own(target)
            self._control.create(target)
        checkpoint = self._resume_checkpoint(target)
        loads = self._spec.migration_type != "cdc" and not (self._spec.resume and checkpoint)
        self._statistics = TableStatistics(
            self._catalogue.plans,
            state="Before load" if loads else "Table completed",
            prior=self._spec.counters if self._spec.resume else (),
        )
        if loads:
            return self._load_and_capture(source, target)
        self._reloads.add(self._statistics.being_reloaded())
        start = resolve_start(self._spec.source, source, checkpoint, time=self._spec.start_time)
        self._reporter.running()
        resumed = Checkpoint.resuming(checkpoint or "", start.position)
        return self._capture(source, target, start, resumed)

    def _continue(self, source: "Connection[Any]", target: TargetConnection) -> StopReason:
        """Capture again after an interruption, from what this run has stored if it has."""
        self._read_catalogue(source)
        self._state.own(target)
        return self._capture(source, target, *self._reached(source, target))

    def _read_catalogue(self, source: "Connection[Any]") -> None:
        """The tables as the source has them now."""
        self._catalogue = self._new_catalogue()
        self._catalogue.read(source)

    def _reached(
        self, source: "Connection[Any]", target: TargetConnection
    ) -> tuple[CaptureStart, Checkpoint]:
        stored = self._state.read(target) if self._captures else self._begun_at
        if stored is None:
            raise LoadError("the checkpoint on the target is gone while the task was running")
        start = resolve_start(self._spec.source, source, stored, time=None)
        checkpoint = Checkpoint.resuming(stored, start.position)
        return CaptureStart(start.position, self._not_before), checkpoint

    def _reload(self, source: "Connection[Any]", target: TargetConnection) -> StopReason:
        """Load the tables that wait for it, then go on.

        With change capture all tables are first brought to where the snapshot for the load lies,
        those to reload as well. So data and checkpoint agree in every moment, and whatever ends the
        load leaves the tables as they were.
        """
        tables = self._reloads.waiting()
        self._statistics.reload_begun(tables)
        self._reporter.statistics(self._statistics, now=True)
        self._reporter.reloading(tables)
        reason: StopReason = "NORMAL"

        def replan(position: BinlogPosition | None) -> list[TablePlan]:
            nonlocal reason
            if position is not None:
                reason = self._catch_up(source, target, position)
                if reason != "STOPPED_AFTER_CACHED_EVENTS":
                    raise LoadInterruptedError
            self._read_catalogue(source)
            plans = self._plans_of(tables)
            self._records(target).forget_tables(plans)
            return plans

        try:
            self._load(target, self._plans_of(tables), replan)
        except LoadInterruptedError:
            return "NORMAL" if self._stop_requested.is_set() else reason
        for table in self._statistics.being_reloaded():
            logger.error("table %s is not reloaded: the source has no such table", table)
            self._statistics.failed(table)
        self._reloads.done(tables)
        if not self._captures_changes:
            return "FULL_LOAD_ONLY_FINISHED"
        return self._continue(source, target)

    def _plans_of(self, tables: Iterable[TableId]) -> list[TablePlan]:
        plans = self._catalogue.plans
        return [plans[table] for table in tables if table in plans]

    def _catch_up(
        self, source: "Connection[Any]", target: TargetConnection, position: BinlogPosition
    ) -> StopReason:
        """Capture up to a position that the source has reached already."""
        self._read_catalogue(source)
        self._state.own(target)
        start, checkpoint = self._reached(source, target)
        return self._capture_until(
            source,
            target,
            start,
            checkpoint,
            stop=replace(self._stop, cached_changes_end=position),
            stop_requested=self._stop_requested.is_set,
        )

    def _resume_checkpoint(self, target: TargetConnection) -> str | None:
        """The checkpoint to start from; on resume the target may know a later one than the caller.

        The caller's was reported after the commit, and the engine may have died in between.
        """
        given = self._spec.start_position
        if not (self._spec.resume and self._captures_changes):
            return given
        stored = self._state.read(target)
        if stored is None or given is None:
            return stored or given
        return max(given, stored, key=parse_checkpoint)

    def _load_and_capture(self, source: "Connection[Any]", target: TargetConnection) -> StopReason:
        self._reporter.running()
        self._reporter.statistics(self._statistics, now=True)
        if self._captures_changes:
            self._state.forget(target)
        plans = list(self._catalogue.plans.values())
        self._records(target).forget(plans)
        try:
            position = self._load(target, plans, self._plans_to_load)
        except LoadInterruptedError:
            return "NORMAL"
        if position is None:
            return "FULL_LOAD_ONLY_FINISHED"
        checkpoint = Checkpoint.at(position)
        with target.transaction():
            self._state.write(target, checkpoint.encode())
        self._reporter.checkpoint(checkpoint.encode())
        if self._settings.stop_before_cached_changes:
            self._session(target).prepare(source, position)
            return "STOPPED_AFTER_FULL_LOAD"
        if self._settings.stop_after_cached_changes:
            self._stop = StopCondition(cached_changes_end=current_position(source))
        start = CaptureStart(position)
        return self._capture(source, target, start, checkpoint)

    def _load(
        self, target: TargetConnection, plans: Sequence[TablePlan], replan: Replan
    ) -> BinlogPosition | None:
        """Load tables from one snapshot; returns where in the log the snapshot lies."""
        logger.info("full load of %d tables", len(plans))
        errors = ErrorHandler(target, self._settings.policies, self._control)
        load = FullLoad(
            self._spec.source,
            connect_target=lambda: connect_target(self._spec.target),
            prep_mode=self._settings.prep_mode,
            observer=FullLoadProgress(self._statistics, self._reporter, errors),
            should_stop=self._stop_requested.is_set,
            subtasks=self._settings.full_load_subtasks,
            with_position=self._captures_changes,
        )
        try:
            position = load.run(plans, replan=replan)
        finally:
            errors.log.log_totals()
        self._reporter.statistics(self._statistics, now=True)
        return position

    def _plans_to_load(self, position: BinlogPosition | None) -> list[TablePlan]:
        """The source's definitions may have changed since the task was started."""
        with closing(self._spec.source.connect()) as source:
            self._read_catalogue(source)
        for table in self._catalogue.plans:
            self._statistics.add_table(table)
        return list(self._catalogue.plans.values())

    def _capture(
        self,
        source: "Connection[Any]",
        target: TargetConnection,
        start: CaptureStart,
        checkpoint: Checkpoint,
    ) -> StopReason:
        return self._capture_until(
            source,
            target,
            start,
            checkpoint,
            stop=self._stop,
            stop_requested=lambda: self._stop_requested.is_set() or bool(self._reloads.waiting()),
        )

    def _capture_until(
        self,
        source: "Connection[Any]",
        target: TargetConnection,
        start: CaptureStart,
        checkpoint: Checkpoint,
        *,
        stop: StopCondition,
        stop_requested: Callable[[], bool],
    ) -> StopReason:
        self._not_before = start.not_before
        self._begun_at = self._begun_at or checkpoint.encode()
        session = self._session(target)
        session.prepare(source, start.position)
        # A later attempt reads on from what is stored, so that has to be this run's from the start.
        with target.transaction():
            self._state.write(target, checkpoint.encode())
        self._captures = True
        return session.run(
            start=start,
            checkpoint=checkpoint,
            stop=stop,
            stop_requested=stop_requested,
        )

    def _session(self, target: TargetConnection) -> CaptureSession:
        return CaptureSession(
            self._spec.source,
            target,
            catalogue=self._catalogue,
            task_settings=self._settings,
            state=self._state,
            control=self._control,
            statistics=self._statistics,
            reporter=self._reporter,
            records=self._records(target),
        )

    def _records(self, target: TargetConnection) -> DefinitionRecords:
        return DefinitionRecords(
            target,
            self._settings.control_schema,
            server_name=self._spec.server_name,
            task_name=self._spec.task_id,
        )
