"""Change capture over one pair of connections: puts the parts together and runs them."""

from collections.abc import Callable
from typing import Any

from pymysql.connections import Connection

from dms_pipeline.binlog.connection import ConnectionSettings
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline.local_dms.engine.change_applier import ChangeApplier
from dms_pipeline.local_dms.engine.change_capture import ChangeCapture
from dms_pipeline.local_dms.engine.change_log import ChangeLog
from dms_pipeline.local_dms.engine.checkpoint_codec import Checkpoint
from dms_pipeline.local_dms.engine.control_tables import ControlTables
from dms_pipeline.local_dms.engine.ddl_replication import DdlReplication
from dms_pipeline.local_dms.engine.definition_records import DefinitionRecords
from dms_pipeline.local_dms.engine.error_handling import ErrorHandler
from dms_pipeline.local_dms.engine.reporter import Reporter
from dms_pipeline.local_dms.engine.schema_history import SchemaHistory
from dms_pipeline.local_dms.engine.start_position import CaptureStart
from dms_pipeline.local_dms.engine.stop_condition import StopCondition
from dms_pipeline.local_dms.engine.table_catalogue import TableCatalogue
from dms_pipeline.local_dms.engine.table_statistics import TableStatistics
from dms_pipeline.local_dms.engine.target_tables import TargetConnection
from dms_pipeline.local_dms.engine.task_settings import TaskSettings
from dms_pipeline.local_dms.engine.task_spec import StopReason
from dms_pipeline.local_dms.engine.transaction_state import TransactionState

_LOG_SHARE = 8
"""Python values take several times the memory of what the log counts."""


class CaptureSession:
    """Used once, first ``prepare``, then ``run``.

    After an error a new one goes on from the stored checkpoint.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        target: TargetConnection,
        *,
        catalogue: TableCatalogue,
        task_settings: TaskSettings,
        state: TransactionState,
        control: ControlTables,
        statistics: TableStatistics,
        reporter: Reporter,
        records: DefinitionRecords,
    ) -> None:
        self._source_settings = settings
        self._target = target
        self._catalogue = catalogue
        self._settings = task_settings
        self._statistics = statistics
        self._reporter = reporter
        self._control = control
        self._records = records
        self._history = SchemaHistory(settings, catalogue.rules.selects)
        self._errors = ErrorHandler(target, task_settings.policies, control)
        self._applier = ChangeApplier(target, state=state, control=control, errors=self._errors)

    def prepare(self, source: "Connection[Any]", position: BinlogPosition) -> None:
        """Learn what the tables were at the position where capture begins, now or in a later run.

        The checkpoint of the run before must still be there.
        """
        self._records.create()
        noted = self._records.known_at(position)
        changed = self._catalogue.changed_since(noted)
        if changed:
            self._history.read_ahead(source, position, changed)
            self._catalogue.go_back_to(self._history, position, changed)
        self._records.take_over(position, self._catalogue.known_tables())

    def run(
        self,
        *,
        start: CaptureStart,
        checkpoint: Checkpoint,
        stop: StopCondition,
        stop_requested: Callable[[], bool],
    ) -> StopReason:
        for table in self._statistics.suspended():
            self._errors.state.suspended[table] = "suspended in an earlier run"
        self._reporter.statistics(self._statistics, now=True)
        with (
            ChangeLog(self._settings.memory_mb * 1024 * 1024 // _LOG_SHARE) as log,
            BinlogStream(
                self._source_settings, start=start.position, include=self._catalogue.rules.selects
            ) as stream,
        ):
            capture = ChangeCapture(
                stream,
                catalogue=self._catalogue,
                history=self._history,
                applier=self._applier,
                ddl=self._ddl(),
                errors=self._errors,
                statistics=self._statistics,
                reporter=self._reporter,
                log=log,
                stop=stop,
                stop_requested=stop_requested,
                checkpoint=checkpoint,
                not_before=start.not_before,
            )
            try:
                reason = capture.run()
            finally:
                self._errors.log.log_totals()
        self._control.write_status(
            self._target, "NOT RUNNING", position=str(stream.safe_position), applied_until=None
        )
        for plan in self._catalogue.plans.values():
            plan.losses.log_totals()
        return reason

    def _ddl(self) -> DdlReplication:
        return DdlReplication(
            catalogue=self._catalogue,
            history=self._history,
            applier=self._applier,
            records=self._records,
            statistics=self._statistics,
            settings=self._settings,
            connect_source=self._source_settings.connect,
        )
