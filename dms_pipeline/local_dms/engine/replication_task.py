"""One run of a replication task: full load, cached changes, change capture, in that order.

``run`` either returns the reason for stopping or raises one of our errors; in both cases the
final statistics and checkpoint have been reported before.
"""

import logging
import threading
from functools import partial
from typing import Any

import pymysql
from pymysql.connections import Connection

from dms_pipeline.binlog.connection import describe_error
from dms_pipeline.binlog.position import BinlogPosition, parse_checkpoint
from dms_pipeline.binlog.snapshot import consistent_snapshot, current_position
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import LoadError, SourceError
from dms_pipeline.local_dms.engine.batch_applier import BatchApplier
from dms_pipeline.local_dms.engine.change_capture import ChangeCapture
from dms_pipeline.local_dms.engine.checkpoint_codec import Checkpoint
from dms_pipeline.local_dms.engine.full_load import (
    LoadInterruptedError,
    load_table,
    open_unload_connection,
)
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules
from dms_pipeline.local_dms.engine.model import StopReason, TaskSpec
from dms_pipeline.local_dms.engine.reporter import Reporter
from dms_pipeline.local_dms.engine.start_position import CaptureStart, resolve_start
from dms_pipeline.local_dms.engine.stop_condition import StopCondition
from dms_pipeline.local_dms.engine.table_catalogue import TableCatalogue
from dms_pipeline.local_dms.engine.table_statistics import TableStatistics
from dms_pipeline.local_dms.engine.target_tables import TargetConnection, connect_target
from dms_pipeline.local_dms.engine.task_settings import TaskSettings
from dms_pipeline.local_dms.engine.transaction_state import TransactionState

logger = logging.getLogger(__name__)

NO_TABLES = (
    "No tables were found at task initialization. Either the selected table(s) or schemas(s) no"
    " longer exist or no match was found for the table selection pattern(s). If you would like to"
    " start a Task that does not initially capture any tables, set Task Setting"
    " FailOnNoTablesCaptured to false and restart task."
)


class ReplicationTask:
    """Runs once, in the calling thread; ``stop_requested`` may be set from any other."""

    def __init__(self, spec: TaskSpec, reporter: Reporter, stop_requested: threading.Event) -> None:
        self._spec = spec
        self._reporter = reporter
        self._stop_requested = stop_requested
        self._settings = TaskSettings.from_message(spec.task_settings)
        self._stop = StopCondition.from_text(spec.stop_position)
        self._catalogue = TableCatalogue(
            MappingRules.from_message(spec.table_mappings), self._settings.target_schema
        )
        self._statistics = TableStatistics((), state="Before load")
        self._state = TransactionState(
            self._settings.control_schema,
            server_name=f"{spec.source.host}:{spec.source.port}",
            task_name=spec.task_id,
        )

    def run(self) -> StopReason:
        source = self._spec.source.connect()
        try:
            with connect_target(self._spec.target) as target:
                return self._run(source, target)
        except pymysql.MySQLError as error:
            raise SourceError(f"{self._spec.source}: {describe_error(error)}") from error
        finally:
            source.close()
            self._reporter.statistics(self._statistics, now=True)

    @property
    def _captures_changes(self) -> bool:
        return self._spec.migration_type != "full-load"

    def _run(self, source: "Connection[Any]", target: TargetConnection) -> StopReason:
        self._catalogue.read(source)
        if not self._catalogue.plans and self._settings.fail_on_no_tables:
            raise LoadError(NO_TABLES)
        if self._captures_changes:
            self._catalogue.require_primary_keys()
            self._state.create(target)
        checkpoint = self._resume_checkpoint(target)
        loads = self._spec.migration_type != "cdc" and not (self._spec.resume and checkpoint)
        self._statistics = TableStatistics(
            self._catalogue.plans,
            state="Before load" if loads else "Table completed",
            prior=self._spec.counters if self._spec.resume else (),
        )
        if loads:
            return self._load_and_capture(source, target)
        start = resolve_start(self._spec.source, source, checkpoint, time=self._spec.start_time)
        self._reporter.running()
        resumed = Checkpoint.resuming(checkpoint or "", start.position)
        return self._capture(target, start, resumed, stop=self._stop)

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
        try:
            position = self._load(target)
        except LoadInterruptedError:
            return "NORMAL"
        if not self._captures_changes:
            return "FULL_LOAD_ONLY_FINISHED"
        checkpoint = Checkpoint.at(position)
        with target.transaction():
            self._state.write(target, checkpoint.encode())
        self._reporter.checkpoint(checkpoint.encode())
        if self._settings.stop_before_cached_changes:
            return "STOPPED_AFTER_FULL_LOAD"
        stop = self._stop
        if self._settings.stop_after_cached_changes:
            stop = StopCondition(cached_changes_end=current_position(source))
        return self._capture(target, CaptureStart(position), checkpoint, stop=stop)

    def _load(self, target: TargetConnection) -> BinlogPosition:
        """Load every table from one snapshot; returns where in the log the snapshot lies."""
        unload = open_unload_connection(self._spec.source)
        try:
            position = (
                consistent_snapshot(unload)
                if self._captures_changes
                else BinlogPosition("none.0", 0)
            )
            logger.info(
                "full load of %d tables from a snapshot at %s", len(self._catalogue.plans), position
            )
            for table, plan in self._catalogue.plans.items():
                self._statistics.full_load_started(table)
                try:
                    rows = load_table(
                        unload,
                        target,
                        plan,
                        prep_mode=self._settings.prep_mode,
                        on_rows=partial(self._loaded, table),
                        should_stop=self._stop_requested.is_set,
                    )
                except (LoadError, SourceError):
                    self._statistics.failed(table)
                    raise
                self._statistics.full_load_rows(table, rows)
                self._statistics.full_load_finished(table)
                self._reporter.statistics(self._statistics)
            self._reporter.statistics(self._statistics, now=True)
        finally:
            unload.close()
        return position

    def _loaded(self, table: TableId, rows: int) -> None:
        self._statistics.full_load_rows(table, rows)
        self._reporter.statistics(self._statistics)

    def _capture(
        self,
        target: TargetConnection,
        start: CaptureStart,
        checkpoint: Checkpoint,
        *,
        stop: StopCondition,
    ) -> StopReason:
        self._catalogue.find_missing_on(target)
        self._reporter.statistics(self._statistics, now=True)
        with BinlogStream(
            self._spec.source, start=start.position, include=self._catalogue.rules.selects
        ) as stream:
            capture = ChangeCapture(
                stream,
                catalogue=self._catalogue,
                applier=BatchApplier(target, self._state),
                statistics=self._statistics,
                reporter=self._reporter,
                connect_source=self._spec.source.connect,
                target=target,
                stop=stop,
                stop_requested=self._stop_requested.is_set,
                checkpoint=checkpoint,
                not_before=start.not_before,
                apply_truncate=self._settings.apply_truncate,
            )
            return capture.run()
