"""Statements in the log that change tables, carried out as AWS DMS documents it.

Tables that match the rules are created, altered and emptied; they are not dropped and not renamed
on the target. Every batch before a statement is committed first; the statement's effect and the
checkpoint behind it are one target transaction.
"""

import logging
from collections.abc import Callable
from typing import Any

from pymysql.connections import Connection

from dms_pipeline.binlog.events import QueryEvent
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import DmsPipelineError, LoadError
from dms_pipeline.local_dms.engine.change_applier import ChangeApplier
from dms_pipeline.local_dms.engine.column_defaults import timestamp_literals
from dms_pipeline.local_dms.engine.column_layout import UnknownLayoutError
from dms_pipeline.local_dms.engine.computed_columns import uses_default
from dms_pipeline.local_dms.engine.ddl import DdlStatement, exchanged_with, renamed_to
from dms_pipeline.local_dms.engine.ddl_applier import (
    TableChange,
    alter_target,
    create_on_target,
)
from dms_pipeline.local_dms.engine.ddl_clauses import (
    ColumnAdded,
    DefaultChanged,
    PartitionsChanged,
)
from dms_pipeline.local_dms.engine.definition_records import DefinitionRecords
from dms_pipeline.local_dms.engine.past_table import PastTable, carried_on, created
from dms_pipeline.local_dms.engine.schema_history import SchemaHistory, UnknownTableError
from dms_pipeline.local_dms.engine.statement_times import StatementTimes, read_times, utc_time
from dms_pipeline.local_dms.engine.table_catalogue import TableCatalogue
from dms_pipeline.local_dms.engine.table_plan import TablePlan
from dms_pipeline.local_dms.engine.table_statistics import TableStatistics
from dms_pipeline.local_dms.engine.target_columns import read_target_columns
from dms_pipeline.local_dms.engine.target_tables import (
    TargetConnection,
    table_exists,
    truncate_table,
)
from dms_pipeline.local_dms.engine.task_settings import TaskSettings

logger = logging.getLogger(__name__)


class DdlReplication:
    """Follows the definitions of a task's tables along the log."""

    def __init__(
        self,
        *,
        catalogue: TableCatalogue,
        history: SchemaHistory,
        applier: ChangeApplier,
        records: DefinitionRecords,
        statistics: TableStatistics,
        settings: TaskSettings,
        connect_source: Callable[[], "Connection[Any]"],
    ) -> None:
        self._catalogue = catalogue
        self._history = history
        self._applier = applier
        self._records = records
        self._statistics = statistics
        self._settings = settings
        self._connect_source = connect_source

    def affected(self, ddl: DdlStatement) -> list[TableId]:
        """The tables of the task that a statement is about."""
        if ddl.kind == "drop_schema":
            return [t for t in self._catalogue.plans if t.schema == ddl.tables[0].schema]
        if ddl.kind == "alter" and not (ddl.ignores_errors or self._matters(ddl)):
            return []
        if ddl.kind == "drop":
            # With IF EXISTS it may name what never was.
            return [table for table in ddl.tables if table in self._catalogue.plans]
        named = dict.fromkeys(ddl.tables)
        named |= dict.fromkeys(exchanged_with(ddl))
        if (renamed := renamed_to(ddl)) is not None:
            named[renamed] = None
        return [table for table in named if self._catalogue.rules.selects(table)]

    def _matters(self, ddl: DdlStatement) -> bool:
        """Defaults alone matter where a column is computed from them."""
        past = self._catalogue.past(ddl.tables[0])
        return any(
            not isinstance(clause, DefaultChanged)
            or (past is not None and uses_default(past, clause.name))
            for clause in ddl.clauses
        )

    def carry_out(self, ddl: DdlStatement, event: QueryEvent, checkpoint: str) -> None:
        """Everything before the statement has been committed."""
        for table in self.affected(ddl):
            logger.info("before %s: %s", event.position, ddl.shown)
            self._statistics.captured_ddl(table)
            if ddl.kind == "truncate":
                self._truncate(table, checkpoint)
            elif ddl.kind == "create":
                self._create(table, ddl, event, checkpoint)
            elif ddl.kind == "rename" or renamed_to(ddl) is not None:
                self._renamed(table, ddl, event, checkpoint)
            elif ddl.kind == "alter":
                self._alter(table, ddl, event, checkpoint)
            else:
                self._dropped(table, ddl, event)

    def follow(self, ddl: DdlStatement, event: QueryEvent) -> None:
        """Only learn what tables look like behind a statement before the start time."""
        for table in self.affected(ddl):
            if ddl.kind not in ("create", "alter") or renamed_to(ddl) is not None:
                continue
            self._read_ahead(table, event)
            try:
                self._replan(table, ddl, event)
            except (UnknownTableError, UnknownLayoutError, DmsPipelineError) as error:
                self._forget(table, str(error), event)

    def _read_ahead(self, table: TableId, event: QueryEvent) -> None:
        if not self._history.knows(table, event.position):
            with self._connect_source() as source:
                self._history.read_ahead(source, event.position, [table])

    def _replan(
        self, table: TableId, ddl: DdlStatement, event: QueryEvent
    ) -> tuple[PastTable, TablePlan]:
        """A table that was read ahead, and its plan, behind a CREATE or ALTER.

        Raises:
            UnknownTableError: the table cannot be told.
            UnknownLayoutError: neither can what the statement did to it.
            DmsPipelineError: it has a type or key that cannot be applied.
        """
        if ddl.kind == "create":
            charset = self._history.charset_at(table, event.position)
            known = created(table, ddl.created, charset)
        else:
            before = self._catalogue.past(table)
            known = None if before is None else carried_on(before, ddl.clauses)
        past = self._history.table_at(
            table, event.position, known=known, behind=ddl.created or ddl.clauses
        )
        plan = self._catalogue.replan(table, past)
        self._records.note(plan, past, event.position)
        return past, plan

    def _forget(self, table: TableId, reason: str, event: QueryEvent) -> None:
        self._catalogue.forget(table, reason)
        if (plan := self._catalogue.plans.get(table)) is not None:
            self._records.note(plan, None, event.position)

    def _truncate(self, table: TableId, checkpoint: str) -> None:
        if self._settings.policies.fail_on_truncation_ddl:
            raise LoadError(
                f"Truncation DDL detected. Table {table} was truncated on the source, and"
                " ErrorBehavior.ApplyErrorFailOnTruncationDdl asks to fail then; switch it off, or"
                " run a full load"
            )
        plan = self._catalogue.plans.get(table)
        if plan is None or not self._settings.apply_truncate:
            return
        if self._applier.change_table(
            lambda target: truncate_table(target, plan), table, checkpoint=checkpoint
        ):
            self._statistics.applied_ddl(table)

    def _dropped(self, table: TableId, ddl: DdlStatement, event: QueryEvent) -> None:
        logger.warning(
            "Cannot drop table '%s'. DROP TABLE is not currently supported: the target table stays",
            table,
        )
        self._forget(table, f"it was dropped by {ddl.shown!r} before {event.position}", event)

    def _renamed(
        self, table: TableId, ddl: DdlStatement, event: QueryEvent, checkpoint: str
    ) -> None:
        reason = (
            f"tables were renamed by {ddl.shown!r} before {event.position}, and renamed tables are"
            " not followed"
        )
        self._forget(table, reason, event)
        self._applier.table_error(
            table, f"{reason}; run a full load of the table", checkpoint=checkpoint
        )

    def _create(
        self, table: TableId, ddl: DdlStatement, event: QueryEvent, checkpoint: str
    ) -> None:
        if ddl.if_not_exists and self._catalogue.past(table) is not None:
            self._create_missing(self._catalogue.plans[table], checkpoint)
            return
        self._read_ahead(table, event)
        try:
            _, plan = self._replan(table, ddl, event)
        except UnknownTableError as error:
            self._forget(table, str(error), event)
            logger.warning("table %s is not created on the target: %s", table, error)
            return
        except DmsPipelineError as error:
            self._forget(table, str(error), event)
            self._applier.table_error(table, str(error), checkpoint=checkpoint)
            return
        if self._applier.change_table(
            lambda target: create_on_target(target, plan), table, checkpoint=checkpoint
        ):
            self._statistics.applied_ddl(table)

    def _create_missing(self, plan: TablePlan, checkpoint: str) -> None:
        """Behind CREATE TABLE IF NOT EXISTS the table is there, and as it is known.

        The log does not tell whether it was there before. If so, the target has it.
        """

        def create(target: TargetConnection) -> None:
            if not table_exists(target, plan):
                create_on_target(target, plan)

        if self._applier.change_table(create, plan.table_id, checkpoint=checkpoint):
            self._statistics.applied_ddl(plan.table_id)

    def _alter(self, table: TableId, ddl: DdlStatement, event: QueryEvent, checkpoint: str) -> None:
        before, old = self._catalogue.past(table), self._catalogue.plans.get(table)
        if (problem := self._unfollowed(table, ddl)) is not None:
            self._applier.table_error(
                table,
                f"{problem} by {ddl.shown!r} before {event.position}, which is not replicated; run"
                " a full load of the table",
                checkpoint=checkpoint,
            )
            return
        self._read_ahead(table, event)
        try:
            after, new = self._replan(table, ddl, event)
        except UnknownTableError as error:
            # Rows that follow are refused, with this as the reason; maybe none do.
            self._forget(table, str(error), event)
            logger.warning("table %s: %s", table, error)
            return
        except (UnknownLayoutError, DmsPipelineError) as error:
            self._forget(table, str(error), event)
            self._applier.table_error(
                table, f"{ddl.shown!r} before {event.position}: {error}", checkpoint=checkpoint
            )
            return
        if old is None or before is None:
            self._applier.table_error(
                table,
                f"what it was before {ddl.shown!r} before {event.position} is not known; run a full"
                " load of the table",
                checkpoint=checkpoint,
            )
            return
        if not self._settings.apply_alter:

            def restrict(target: TargetConnection) -> None:
                self._catalogue.restrict(table, read_target_columns(target, new))

            self._applier.change_table(restrict, table, checkpoint=checkpoint)
            return
        change = TableChange(
            before=before,
            after=after,
            old=old,
            new=new,
            clauses=ddl.clauses,
            times=self._times(event, ddl, new),
            is_strict=event.is_strict and not ddl.ignores_errors,
            pads_char=event.pads_char,
            target_name=lambda column: self._catalogue.target_name(table, column),
        )
        if self._applier.change_table(
            lambda target: alter_target(target, change), table, checkpoint=checkpoint
        ):
            self._statistics.applied_ddl(table)

    def _times(self, event: QueryEvent, ddl: DdlStatement, new: TablePlan) -> StatementTimes:
        added = [c.default for c in ddl.clauses if isinstance(c, ColumnAdded)]
        literals = list(timestamp_literals(new.columns, ddl.clauses))
        if literals or any(default is not None and default.current for default in added):
            with self._connect_source() as source:
                return read_times(source, event, literals)
        return StatementTimes(utc_time(event.timestamp))

    def _unfollowed(self, table: TableId, ddl: DdlStatement) -> str | None:
        """What a statement did to rows that only the source knows."""
        if any(isinstance(clause, PartitionsChanged) for clause in ddl.clauses):
            if not self._settings.skips_partition_ddl:
                return "its partitions were changed"
            logger.warning(
                "table %s: rows that %r moved or removed are not followed, as endpoint setting"
                " skipTableSuspensionForPartitionDdl asks",
                table,
                ddl.shown,
            )
        if ddl.ignores_errors:
            return "rows with equal keys may have been removed"
        return None
