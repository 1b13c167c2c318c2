"""Change data capture: reads the binary log, applies whole transactions in batches, stops on time.

The checkpoint only ever names a place between transactions, moves only forward, and is
reported only after the target has committed it together with the changes before it.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from pymysql.connections import Connection

from dms_pipeline.binlog.events import (
    BinlogEvent,
    QueryEvent,
    RowsEvent,
    TransactionBegin,
    TransactionEnd,
)
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import BinlogError, LoadError
from dms_pipeline.local_dms.engine.batch_applier import BatchApplier
from dms_pipeline.local_dms.engine.change_collector import ChangeCollector
from dms_pipeline.local_dms.engine.checkpoint_codec import Checkpoint
from dms_pipeline.local_dms.engine.ddl import DdlStatement, changes_rows_of, parse_ddl
from dms_pipeline.local_dms.engine.model import StopReason
from dms_pipeline.local_dms.engine.reporter import Reporter
from dms_pipeline.local_dms.engine.stop_condition import StopCondition
from dms_pipeline.local_dms.engine.table_catalogue import TableCatalogue
from dms_pipeline.local_dms.engine.table_statistics import TableStatistics
from dms_pipeline.local_dms.engine.target_tables import TargetConnection

logger = logging.getLogger(__name__)

_POLL_S = 0.05
_BATCH_ROWS = 20_000
_BATCH_AGE_S = 1.0
_IDLE_CHECKPOINT_S = 1.0


class ChangeCapture:
    """One run over one stream, from its start position to a stop condition or request."""

    def __init__(
        self,
        stream: BinlogStream,
        *,
        catalogue: TableCatalogue,
        applier: BatchApplier,
        statistics: TableStatistics,
        reporter: Reporter,
        connect_source: Callable[[], "Connection[Any]"],
        target: TargetConnection,
        stop: StopCondition,
        stop_requested: Callable[[], bool],
        checkpoint: Checkpoint,
        not_before: float = 0.0,
        apply_truncate: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._stream = stream
        self._catalogue = catalogue
        self._applier = applier
        self._statistics = statistics
        self._reporter = reporter
        self._connect_source = connect_source
        self._target = target
        self._stop = stop
        self._stop_requested = stop_requested
        self._not_before = not_before
        self._apply_truncate = apply_truncate
        self._clock = clock
        self._collector = ChangeCollector(catalogue)
        self._reached = checkpoint
        self._applied = checkpoint
        self._begin = checkpoint
        self._committed_at = clock()
        self._commit_time_passed = False

    def run(self) -> StopReason:
        """Capture until there is a reason to stop; then everything read in full is applied."""
        self._report_checkpoint()
        while (reason := self._stop_reason()) is None:
            event = self._stream.poll(_POLL_S)
            if event is not None:
                self._handle(event)
            self._follow_position()
            if self._is_batch_due(idle=event is None):
                self._commit()
            self._reporter.statistics(self._statistics)
        self._collector.discard_transaction()
        self._commit()
        logger.info("change capture ends at %s: %s", self._applied.position, reason)
        return reason

    def _stop_reason(self) -> StopReason | None:
        stop = self._stop
        if self._stop_requested():
            return "NORMAL"
        if stop.server_time is not None and self._clock() >= stop.server_time:
            return "STOPPED_AT_SERVER_TIME"
        if self._commit_time_passed:
            return "STOPPED_AT_COMMIT_TIME"
        if stop.cached_changes_end and self._reached.position >= stop.cached_changes_end:
            return "STOPPED_AFTER_CACHED_EVENTS"
        return None

    def _is_batch_due(self, *, idle: bool) -> bool:
        age_s = self._clock() - self._committed_at
        if self._collector.row_count:
            return idle or self._collector.row_count >= _BATCH_ROWS or age_s >= _BATCH_AGE_S
        return age_s >= _IDLE_CHECKPOINT_S and self._reached != self._applied

    def _follow_position(self) -> None:
        """Rotations and events of no interest move the place to resume at as well."""
        position = self._stream.safe_position
        if not self._commit_time_passed and position > self._reached.position:
            reached = Checkpoint.at(position)
            self._reached = reached.with_counts_of(self._reached)

    def _commit(self) -> None:
        self._committed_at = self._clock()
        if self._reached == self._applied and not self._collector.row_count:
            self._report_checkpoint()
            return
        checkpoint = self._reached.confirmed()
        self._applier.apply(self._collector.changes(), checkpoint.encode())
        self._reached = self._applied = checkpoint
        for (table, kind), count in self._collector.clear().items():
            self._statistics.applied(table, kind, count)
        self._report_checkpoint()

    def _report_checkpoint(self) -> None:
        self._reporter.checkpoint(self._applied.encode())

    def _handle(self, event: BinlogEvent) -> None:
        if isinstance(event, RowsEvent):
            self._collector.add(event)
        elif isinstance(event, TransactionBegin):
            self._begin = Checkpoint(
                event.position, event.start, event.start, event.position.offset
            )
        elif isinstance(event, TransactionEnd):
            self._end_transaction(event)
        elif isinstance(event, QueryEvent):
            self._query(event)

    def _end_transaction(self, event: TransactionEnd) -> None:
        if self._is_outside_time(event.timestamp):
            self._collector.discard_transaction()
            return
        if self._collector.has_open_rows and event.outcome != "commit":
            raise BinlogError(
                f"transaction before {event.position} changes mapped tables and ends with"
                f" {event.outcome.upper()} in the log; XA and partly rolled back transactions are"
                " not applied. Run a full load after it has ended"
            )
        for (table, kind), count in self._collector.complete_transaction().items():
            self._statistics.captured(table, kind, count)
        self._reached = Checkpoint(
            position=event.position,
            last_event=event.start,
            begin=self._begin.begin,
            first_event=self._begin.first_event,
            source_id=self._reached.source_id + 1,
            target_id=self._reached.target_id,
        )

    def _is_outside_time(self, timestamp: int) -> bool:
        """Whether a transaction lies before the start time or after the commit time to stop at."""
        if self._stop.commit_time is not None and timestamp > self._stop.commit_time:
            self._commit_time_passed = True
        return self._commit_time_passed or timestamp < self._not_before

    def _query(self, event: QueryEvent) -> None:
        if self._is_outside_time(event.timestamp):
            return
        rules = self._catalogue.rules
        changed = changes_rows_of(event.statement, event.schema, rules.selects)
        if changed is not None:
            raise BinlogError(
                f"a change of table {changed} before {event.position} was logged as a statement;"
                " set binlog_format=ROW on the source and run a full load"
            )
        ddl = parse_ddl(event.statement, event.schema)
        if ddl is None or not ddl.changes_rows:
            return
        if ddl.kind == "drop_schema":
            tables = [t for t in self._catalogue.plans if t.schema == ddl.tables[0].schema]
        else:
            tables = [table for table in ddl.tables if rules.selects(table)]
        if tables:
            self._apply_ddl(ddl, tables[0], event)

    def _apply_ddl(self, ddl: DdlStatement, table: TableId, event: QueryEvent) -> None:
        if ddl.kind == "create":
            self._create(table)
        elif ddl.kind == "truncate":
            self._truncate(table, event)
        else:
            raise LoadError(
                f"{ddl.kind.replace('_', ' ').upper()} of table {table} before {event.position}:"
                " the local DMS does not apply this change of definition; run a full load"
            )

    def _create(self, table: TableId) -> None:
        source = self._connect_source()
        try:
            created = self._catalogue.table_created(table, source, self._target)
        finally:
            source.close()
        if created:
            self._statistics.add_table(table)
            self._statistics.captured_ddl(table)
            self._statistics.applied_ddl(table)

    def _truncate(self, table: TableId, event: QueryEvent) -> None:
        plan = self._catalogue.plan_for_change(table)
        self._statistics.captured_ddl(table)
        if not self._apply_truncate:
            return
        # What was changed before must not come back after the truncation.
        self._commit()
        checkpoint = Checkpoint.at(event.position).with_counts_of(self._reached).confirmed()
        self._applier.truncate(plan, checkpoint.encode())
        self._reached = self._applied = checkpoint
        self._statistics.applied_ddl(table)
        self._report_checkpoint()
