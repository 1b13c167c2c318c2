"""Carries out the error policies: logs, suspends tables, or stops the task; counts to escalate.

What was decided takes effect together with the data: suspensions made in a target transaction that
is rolled back are undone by putting back the state from before.
"""

import logging
from collections import Counter
from dataclasses import dataclass, field

from dms_pipeline.binlog.events import RowKind
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import LoadError
from dms_pipeline.local_dms.engine.control_tables import ControlTables
from dms_pipeline.local_dms.engine.error_policies import ErrorPolicies, EscalationAction, RowAction
from dms_pipeline.local_dms.engine.row_error_log import RowErrorLog
from dms_pipeline.local_dms.engine.table_plan import TablePlan
from dms_pipeline.local_dms.engine.target_tables import TargetConnection

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class ErrorState:
    """Which tables are suspended and why, and how often each went wrong."""

    suspended: dict[TableId, str] = field(default_factory=dict)
    data_errors: Counter[TableId] = field(default_factory=Counter)
    apply_errors: Counter[TableId] = field(default_factory=Counter)

    def copy(self) -> "ErrorState":
        return ErrorState(
            dict(self.suspended), Counter(self.data_errors), Counter(self.apply_errors)
        )


class ErrorHandler:
    """One for a task's run. Its writes belong into the caller's target transaction."""

    def __init__(
        self, target: TargetConnection, policies: ErrorPolicies, tables: ControlTables
    ) -> None:
        self._target = target
        self.policies = policies
        self._tables = tables
        self.state = ErrorState()
        self.log = RowErrorLog()

    def is_suspended(self, table: TableId) -> bool:
        return table in self.state.suspended

    def data_error(self, table: TableId, problem: str, *, is_truncation: bool = False) -> None:
        """A value that the target type cannot hold."""
        self.state.data_errors[table] += 1
        action: RowAction | EscalationAction = (
            self.policies.truncation if is_truncation else self.policies.data
        )
        count = self.policies.data_escalation_count
        if count and self.state.data_errors[table] >= count:
            action = self.policies.data_escalation
        self._act(action, table, "", problem)

    def row_refused(self, plan: TablePlan, kind: RowKind, statement: str, problem: str) -> None:
        """The target refused a row for its values, not for what it holds already."""
        if self.policies.on_apply_error(kind) in ("INSERT_RECORD", "UPDATE_RECORD"):
            self._count_apply_error(plan.table_id, self.policies.data, statement, problem)
        else:
            self.apply_error(plan, kind, statement, problem)

    def apply_error(self, plan: TablePlan, kind: RowKind, statement: str, problem: str) -> None:
        """A change that does not fit what the target holds."""
        action = self.policies.on_apply_error(kind)
        if action in ("INSERT_RECORD", "UPDATE_RECORD"):
            # What the policy asks for was tried and refused.
            action = "STOP_TASK"
        self._count_apply_error(plan.table_id, action, statement, problem)

    def table_error(self, table: TableId, problem: str) -> None:
        """A table as a whole cannot go on."""
        if self.is_suspended(table):
            return
        count = self.policies.table_escalation_count
        escalates = bool(count) and len(self.state.suspended) + 1 >= count
        self._act("STOP_TASK" if escalates else self.policies.table, table, "", problem)

    def _count_apply_error(
        self, table: TableId, action: RowAction, statement: str, problem: str
    ) -> None:
        chosen: RowAction | EscalationAction = action
        if action != "IGNORE_RECORD":
            self.state.apply_errors[table] += 1
            count = self.policies.apply_escalation_count
            if count and self.state.apply_errors[table] >= count:
                chosen = self.policies.apply_escalation
        self._act(chosen, table, statement, problem)

    def _act(
        self, action: RowAction | EscalationAction, table: TableId, statement: str, problem: str
    ) -> None:
        if action == "STOP_TASK":
            raise LoadError(problem)
        if action == "IGNORE_RECORD":
            self.log.add(table, "ignored", problem)
            return
        self.log.add(table, "logged", problem)
        self._tables.add_exception(self._target, table, statement, problem)
        if action == "SUSPEND_TABLE":
            logger.error("table %s is suspended: its changes are not applied any more", table)
            self.state.suspended[table] = problem
            self._tables.add_suspended(self._target, table, "TABLE ERROR")
