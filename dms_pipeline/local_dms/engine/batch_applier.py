"""Net changes into the target, together with the checkpoint, in one PostgreSQL transaction.

Either the changes and the checkpoint that stands behind them are both there, or neither is: killed
anywhere and started again from the stored checkpoint, the target ends with the same content.
"""

import logging
from collections.abc import Iterable

import psycopg
from psycopg import sql

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import LoadError, TargetError
from dms_pipeline.local_dms.engine.change_batch import EncodedRow, TableChanges
from dms_pipeline.local_dms.engine.full_load import copy_line
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn, TablePlan
from dms_pipeline.local_dms.engine.target_errors import describe_target_error
from dms_pipeline.local_dms.engine.target_tables import (
    TargetConnection,
    names,
    qualified,
    truncate_table,
)
from dms_pipeline.local_dms.engine.transaction_state import TransactionState

logger = logging.getLogger(__name__)

_STAGING_SCHEMA = "pg_temp"


class BatchApplier:
    """Applies to one target over one connection; staging tables live as long as the connection."""

    def __init__(self, target: TargetConnection, state: TransactionState) -> None:
        self._target = target
        self._state = state
        self._staging: dict[tuple[TableId, str], sql.Identifier] = {}

    def apply(self, changes: Iterable[tuple[TablePlan, TableChanges]], checkpoint: str) -> None:
        """Commit the changes and the checkpoint."""
        with self._target.transaction():
            for plan, table_changes in changes:
                try:
                    self._apply_table(plan, table_changes)
                except psycopg.Error as error:
                    # A lost connection may come back; a refused row is refused again.
                    lost = isinstance(error, psycopg.OperationalError)
                    raise (TargetError if lost else LoadError)(
                        f"applying changes to table {plan.table_id}: {describe_target_error(error)}"
                    ) from error
            self._state.write(self._target, checkpoint)

    def truncate(self, plan: TablePlan, checkpoint: str) -> None:
        with self._target.transaction():
            truncate_table(self._target, plan)
            self._state.write(self._target, checkpoint)

    def _apply_table(self, plan: TablePlan, changes: TableChanges) -> None:
        if deletes := changes.deletes():
            self._delete(plan, deletes)
        if upserts := changes.upserts():
            self._upsert(plan, upserts)

    def _delete(self, plan: TablePlan, keys: list[EncodedRow]) -> None:
        staging = self._stage(plan, "keys", plan.key_columns, keys)
        matches = sql.SQL(" AND ").join(
            sql.SQL("target.{0} = staging.{0}").format(sql.Identifier(column.target_name))
            for column in plan.key_columns
        )
        self._target.execute(
            sql.SQL("DELETE FROM {} AS target USING {} AS staging WHERE {}").format(
                qualified(plan), staging, matches
            )
        )
        self._target.execute(sql.SQL("TRUNCATE TABLE {}").format(staging))

    def _upsert(self, plan: TablePlan, rows: list[EncodedRow]) -> None:
        staging = self._stage(plan, "rows", plan.columns, rows)
        key = set(plan.key)
        assignments = [
            sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(column.target_name))
            for place, column in enumerate(plan.columns)
            if place not in key
        ]
        on_conflict = (
            sql.SQL("DO UPDATE SET {}").format(sql.SQL(", ").join(assignments))
            if assignments
            else sql.SQL("DO NOTHING")
        )
        columns = names(plan.columns)
        self._target.execute(
            sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ON CONFLICT ({}) {}").format(
                qualified(plan), columns, columns, staging, names(plan.key_columns), on_conflict
            )
        )
        self._target.execute(sql.SQL("TRUNCATE TABLE {}").format(staging))

    def _stage(
        self,
        plan: TablePlan,
        purpose: str,
        columns: tuple[PlannedColumn, ...],
        rows: list[EncodedRow],
    ) -> sql.Identifier:
        """Rows in a temporary table that has the types of the target's columns."""
        staging = self._staging_table(plan, purpose, columns)
        with self._target.cursor() as cursor:
            statement = sql.SQL("COPY {} FROM STDIN").format(staging)
            with cursor.copy(statement) as copy:
                copy.write(b"".join([copy_line(row) for row in rows]))
        return staging

    def _staging_table(
        self, plan: TablePlan, purpose: str, columns: tuple[PlannedColumn, ...]
    ) -> sql.Identifier:
        known = self._staging.get((plan.table_id, purpose))
        if known is not None:
            return known
        name = f"local_dms_{len(self._staging)}"
        self._target.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} AS SELECT {} FROM {} WITH NO DATA").format(
                sql.Identifier(name), names(columns), qualified(plan)
            )
        )
        staging = sql.Identifier(_STAGING_SCHEMA, name)
        self._staging[plan.table_id, purpose] = staging
        return staging
