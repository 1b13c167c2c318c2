"""Change data capture: reads the binary log, applies whole transactions in batches, stops on time.

The checkpoint only ever names a place between transactions, moves only forward, and is
reported only after the target has committed it together with the changes before it.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from dms_pipeline.binlog.events import (
    BinlogEvent,
    FormatEvent,
    QueryEvent,
    RotateEvent,
    RowsEvent,
    TransactionBegin,
    TransactionEnd,
)
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.binlog.xa import XaDecision, xa_decision
from dms_pipeline.errors import BinlogError
from dms_pipeline.local_dms.engine.change_applier import ChangeApplier
from dms_pipeline.local_dms.engine.change_batch import Counts
from dms_pipeline.local_dms.engine.change_log import ChangeLog
from dms_pipeline.local_dms.engine.checkpoint_codec import Checkpoint
from dms_pipeline.local_dms.engine.ddl import changes_rows_of, logged_ddl, mentions
from dms_pipeline.local_dms.engine.ddl_replication import DdlReplication
from dms_pipeline.local_dms.engine.error_handling import ErrorHandler
from dms_pipeline.local_dms.engine.reading_progress import ReadingProgress
from dms_pipeline.local_dms.engine.reporter import Reporter
from dms_pipeline.local_dms.engine.schema_history import SchemaHistory
from dms_pipeline.local_dms.engine.sql_words import UnreadableStatementError
from dms_pipeline.local_dms.engine.stop_condition import StopCondition
from dms_pipeline.local_dms.engine.table_catalogue import TableCatalogue, UnusableTableError
from dms_pipeline.local_dms.engine.table_statistics import TableStatistics
from dms_pipeline.local_dms.engine.task_spec import StopReason
from dms_pipeline.local_dms.engine.transaction_gathering import TransactionGathering

logger = logging.getLogger(__name__)

_POLL_S = 0.05
_BATCH_AGE_S = 1.0
_IDLE_CHECKPOINT_S = 1.0


@dataclass(frozen=True, slots=True)
class _InFlight:
    """What is being applied, and the checkpoint behind it."""

    log: ChangeLog
    checkpoint: Checkpoint
    result: "Future[tuple[Counts, Counts]]"


class ChangeCapture:
    """One run over one stream, from its start position to a stop condition or request."""

    def __init__(
        self,
        stream: BinlogStream,
        *,
        catalogue: TableCatalogue,
        history: SchemaHistory,
        applier: ChangeApplier,
        ddl: DdlReplication,
        errors: ErrorHandler,
        statistics: TableStatistics,
        reporter: Reporter,
        log: ChangeLog,
        stop: StopCondition,
        stop_requested: Callable[[], bool],
        checkpoint: Checkpoint,
        not_before: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._stream = stream
        self._catalogue = catalogue
        self._history = history
        self._applier = applier
        self._ddl = ddl
        self._errors = errors
        self._statistics = statistics
        self._reporter = reporter
        self._stop = stop
        self._stop_requested = stop_requested
        self._not_before = not_before
        self._clock = clock
        self._gathering = TransactionGathering(log)
        self._progress = ReadingProgress(checkpoint)
        self._applied = checkpoint
        self._handed_over = checkpoint
        self._in_flight: _InFlight | None = None
        self._known_suspended = set(errors.state.suspended)
        self._end: StopReason | None = None
        self._before_prepared: tuple[int, Checkpoint] | None = None
        self._handed_over_at = clock()
        self._passed_over: set[TableId] = set()
        self._doubtful: dict[TableId, str] = {}

    def run(self) -> StopReason:
        """Capture until there is a reason to stop; then everything read in full is applied."""
        self._report_checkpoint()
        with ThreadPoolExecutor(1, "apply") as pool:
            self._pool = pool
            try:
                reason = self._read()
                self._gathering.discard()
                self._give_back_undecided()
                self._commit()
            finally:
                # Whatever ends the reading: what was committed is told.
                self._settle()
                self._gathering.log.clear()
        logger.info("change capture ends at %s: %s", self._applied.position, reason)
        return reason

    def _read(self) -> StopReason:
        handle: dict[type[BinlogEvent], Callable[[Any], None]] = {
            RowsEvent: self._rows,
            TransactionBegin: self._begin_transaction,
            TransactionEnd: self._end_transaction,
            QueryEvent: self._query,
            # A server that was killed leaves its last transaction in the file without an end.
            RotateEvent: lambda _: self._gathering.discard(),
            FormatEvent: lambda _: None,
        }
        while (reason := self._end or self._stop_reason()) is None:
            idle = True
            for event in self._stream.arrived(_POLL_S):
                idle = False
                handle[type(event)](event)
                if self._end is not None:
                    break
            self._follow_position()
            if self._in_flight is not None and self._in_flight.result.done():
                self._settle()
            if self._is_batch_due(idle=idle):
                self._hand_over()
            self._reporter.statistics(self._statistics)
        return reason

    def _stop_reason(self) -> StopReason | None:
        stop = self._stop
        if self._stop_requested():
            return "NORMAL"
        if stop.server_time is not None and self._clock() >= stop.server_time:
            return "STOPPED_AT_SERVER_TIME"
        end = stop.cached_changes_end
        if end is not None and self._progress.checkpoint.position >= end:
            return "STOPPED_AFTER_CACHED_EVENTS"
        return None

    @property
    def _commit_time_passed(self) -> bool:
        return self._end == "STOPPED_AT_COMMIT_TIME"

    def _is_batch_due(self, *, idle: bool) -> bool:
        if self._gathering.has_open_rows or self._gathering.waits:
            return False
        age_s = self._clock() - self._handed_over_at
        if self._gathering.complete:
            return idle or self._gathering.is_full or age_s >= _BATCH_AGE_S
        return age_s >= _IDLE_CHECKPOINT_S and self._progress.checkpoint != self._handed_over

    def _follow_position(self) -> None:
        """Rotations and events of no interest move the place to resume at as well."""
        position = self._stream.safe_position
        if not self._commit_time_passed and position > self._progress.checkpoint.position:
            self._progress.move_to(position)

    def _commit(self) -> None:
        """Apply every complete transaction; an open one stays."""
        self._hand_over()
        self._settle()

    def _hand_over(self) -> None:
        """Complete transactions go to the target while more is read; two batches at most."""
        self._handed_over_at = self._clock()
        if self._progress.checkpoint == self._handed_over and not self._gathering.complete:
            return
        log, length = self._gathering.hand_over()
        plan_of = self._catalogue.plans.get
        batch = self._applier.prepare(log, length, plan_of)
        self._settle()
        if self._applier.is_stale(batch):
            batch = self._applier.prepare(log, length, plan_of)
        self._handed_over = reached = self._progress.confirm()
        result = self._pool.submit(
            self._applier.apply,
            batch,
            checkpoint=reached.encode(),
            position=str(reached.position),
            committed_at=self._progress.committed_at,
        )
        self._in_flight = _InFlight(log, reached, result)
        self._end_if_due()

    def _end_if_due(self) -> None:
        """What has arrived is not read to its end if the target took until after the stop."""
        self._end = self._end or self._stop_reason()

    def _settle(self) -> None:
        """Wait for what was handed over, and tell of it."""
        if self._in_flight is None:
            return
        in_flight, self._in_flight = self._in_flight, None
        captured, applied = in_flight.result.result()
        in_flight.log.clear()
        self._applied = in_flight.checkpoint
        for (table, kind), count in captured.items():
            self._statistics.captured(table, kind, count)
        for (table, kind), count in applied.items():
            self._statistics.applied(table, kind, count)
        for table in set(self._errors.state.suspended) - self._known_suspended:
            self._statistics.failed(table)
        self._known_suspended = set(self._errors.state.suspended)
        self._report_checkpoint()

    def _report_checkpoint(self) -> None:
        self._reporter.checkpoint(self._applied.encode())

    def _begin_transaction(self, event: TransactionBegin) -> None:
        self._progress.begin = event
        self._doubtful.clear()
        end = self._stop.cached_changes_end
        # What begins behind the end is not to be applied.
        if end is not None and event.position.at(event.start) >= end:
            self._end = "STOPPED_AFTER_CACHED_EVENTS"

    def _rows(self, event: RowsEvent) -> None:
        if self._catalogue.is_checked(event.table_map):
            self._gathering.log.append(event)
            return
        if self._catalogue.is_sequence(event):
            return
        table = event.table
        try:
            self._catalogue.plan_for_rows(event)
        except UnusableTableError as error:
            if self._progress.begin.timestamp < self._not_before:
                # Whether the transaction counts shows at its end.
                self._doubtful[table] = str(error)
                return
            if self._errors.is_suspended(table) or table in self._passed_over:
                return
            if self._history.is_dropped_after(table, event.position):
                logger.warning("passed over, as the table is gone by now: %s", error)
                self._passed_over.add(table)
            else:
                self._suspend(table, str(error))
            return
        self._gathering.log.append(event)

    def _suspend(self, table: TableId, problem: str) -> None:
        # What was complete before is not to be lost with the table.
        if self._gathering.waits:
            self._settle()
        else:
            self._commit()
        self._applier.table_error(table, problem)
        self._statistics.failed(table)

    def _end_transaction(self, event: TransactionEnd) -> None:
        if event.outcome == "xa_prepare":
            self._prepare(event)
            return
        if event.outcome == "rollback" or self._is_outside_time(event.timestamp):
            self._gathering.discard()
            return
        for table, problem in self._doubtful.items():
            self._suspend(table, problem)
        self._doubtful.clear()
        self._complete(event)

    def _complete(self, end: TransactionEnd) -> None:
        self._gathering.commit()
        self._progress.transaction_ends(end)
        if self._gathering.is_full and not self._gathering.waits:
            self._hand_over()

    def _prepare(self, event: TransactionEnd) -> None:
        if not self._gathering.waits:
            self._before_prepared = (self._gathering.complete, self._progress.checkpoint)
        self._gathering.prepare(event.xid or "")

    def _decide(self, decision: XaDecision, event: QueryEvent) -> None:
        commits = decision.outcome == "commit"
        outside = self._is_outside_time(event.timestamp)
        if not self._gathering.decide(decision.xid, commit=commits and not outside):
            if commits and not outside:
                raise BinlogError(
                    f"XA transaction {decision.xid} is committed before {event.position}, and was"
                    " prepared before the place where reading began: its changes were not read."
                    " Run a full load"
                )
            return
        position = event.position
        self._complete(TransactionEnd(position.offset, position, position.offset, event.timestamp))

    def _give_back_undecided(self) -> None:
        """Reading must begin again in front of a transaction that is still prepared."""
        if self._gathering.waits and self._before_prepared is not None:
            self._gathering.prepared.clear()
            self._gathering.complete, reached = self._before_prepared
            self._progress.set_to(reached)
            self._gathering.discard()

    def _is_outside_time(self, timestamp: int) -> bool:
        """Whether a transaction lies before the start time or after the commit time to stop at."""
        if self._stop.commit_time is not None and timestamp > self._stop.commit_time:
            self._end = "STOPPED_AT_COMMIT_TIME"
        return self._commit_time_passed or timestamp < self._not_before

    def _query(self, event: QueryEvent) -> None:
        decision = xa_decision(event.statement)
        if decision is not None:
            self._decide(decision, event)
            return
        if event.in_transaction and self._gathering.statement(event.statement):
            return
        if self._is_outside_time(event.timestamp):
            if not self._commit_time_passed:
                self._definition(event, applies=False)
            return
        rules = self._catalogue.rules
        changed = changes_rows_of(
            event.statement,
            event.schema,
            rules.selects,
            backslash_escapes=event.backslash_escapes,
            ansi_quotes=event.ansi_quotes,
        )
        if changed is not None:
            raise BinlogError(
                f"a change of table {changed} before {event.position} was logged as a statement;"
                " set binlog_format=ROW on the source and run a full load"
            )
        self._definition(event)

    def _definition(self, event: QueryEvent, *, applies: bool = True) -> None:
        try:
            ddl = logged_ddl(event)
        except UnreadableStatementError as error:
            table = mentions(event.statement, self._catalogue.plans)
            if table is not None:
                raise BinlogError(
                    f"a statement before {event.position} that names table {table} cannot be read"
                    f" ({error}); run a full load"
                ) from error
            return
        if ddl is None or not self._ddl.affected(ddl):
            return
        if not applies:
            self._settle()
            self._ddl.follow(ddl, event)
            return
        if self._gathering.waits:
            raise BinlogError(
                f"{ddl.shown!r} before {event.position} comes while an XA transaction is prepared"
                " and not decided on; decide on it, then start again"
            )
        # What was changed before belongs to the table as it was.
        self._commit()
        if not event.in_transaction:
            self._progress.move_to(event.position)
            self._progress.confirm()
        suspended = set(self._errors.state.suspended)
        self._ddl.carry_out(ddl, event, self._progress.checkpoint.encode())
        self._passed_over.difference_update(ddl.tables)
        for table in set(self._errors.state.suspended) - suspended:
            self._statistics.failed(table)
        self._end_if_due()
