"""What a full load reports, and what becomes of rows and tables that fail in it."""

import logging

from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.errors import DmsPipelineError, SourceError, TargetError
from dms_pipeline.local_dms.engine.error_handling import ErrorHandler
from dms_pipeline.local_dms.engine.reporter import Reporter
from dms_pipeline.local_dms.engine.table_plan import TablePlan, ValueDoesNotFitError
from dms_pipeline.local_dms.engine.table_statistics import TableStatistics

logger = logging.getLogger(__name__)


class FullLoadProgress:
    """Observes one full load. ``errors`` writes over a connection that loads nothing."""

    def __init__(
        self, statistics: TableStatistics, reporter: Reporter, errors: ErrorHandler
    ) -> None:
        self._statistics = statistics
        self._reporter = reporter
        self._errors = errors

    def snapshot_opened(self, position: BinlogPosition | None, connections: int) -> None:
        logger.info("full load over %d connections, snapshot at %s", connections, position)

    def table_started(self, plan: TablePlan) -> None:
        self._statistics.full_load_started(plan.table_id)
        self._reporter.statistics(self._statistics)

    def rows_loaded(self, plan: TablePlan, rows: int) -> None:
        self._statistics.full_load_rows(plan.table_id, rows)
        self._reporter.statistics(self._statistics)

    def table_loaded(self, plan: TablePlan, rows: int) -> None:
        self._statistics.full_load_rows(plan.table_id, rows)
        self._statistics.full_load_finished(plan.table_id)
        self._reporter.statistics(self._statistics)
        plan.losses.log_totals()

    def value_does_not_fit(self, plan: TablePlan, error: ValueDoesNotFitError) -> None:
        table = plan.table_id
        self._statistics.full_load_row_failed(table)
        self._errors.data_error(table, str(error), is_truncation=error.is_truncation)
        if self._errors.is_suspended(table):
            raise error

    def table_failed(self, plan: TablePlan, error: DmsPipelineError) -> None:
        self._statistics.failed(plan.table_id)
        if isinstance(error, SourceError | TargetError):
            # Not this table's fault: the connection is gone.
            raise error
        self._errors.table_error(plan.table_id, str(error))
