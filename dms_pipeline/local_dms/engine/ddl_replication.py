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
from dms_pipeline.errors import DmsPipelineError
from dms_pipeline.local_dms.engine import column_layout
from dms_pipeline.local_dms.engine.change_applier import ChangeApplier
from dms_pipeline.local_dms.engine.column_layout import UnknownLayoutError
from dms_pipeline.local_dms.engine.ddl import DdlStatement, renamed_to
from dms_pipeline.local_dms.engine.ddl_applier import (
    alter_target,
    create_on_target,
)
from dms_pipeline.local_dms.engine.ddl_clauses import PartitionsChanged
from dms_pipeline.local_dms.engine.schema_history import (
    PastTable,
    SchemaHistory,
    UnknownTableError,
)
from dms_pipeline.local_dms.engine.table_catalogue import TableCatalogue
from dms_pipeline.local_dms.engine.table_statistics import TableStatistics
from dms_pipeline.local_dms.engine.target_columns import TargetColumns
from dms_pipeline.local_dms.engine.target_tables import TargetConnection, truncate_table
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
        statistics: TableStatistics,
        settings: TaskSettings,
        connect_source: Callable[[], "Connection[Any]"],
    ) -> None:
        self._catalogue = catalogue
        self._history = history
        self._applier = applier
        self._statistics = statistics
        self._settings = settings
        self._connect_source = connect_source

    def affected(self, ddl: DdlStatement) -> list[TableId]:
        """The tables of the task that a statement is about."""
        if ddl.kind == "drop_schema":
            return [t for t in self._catalogue.plans if t.schema == ddl.tables[0].schema]
        if ddl.kind == "alter" and not ddl.clauses:
            return []
        named = dict.fromkeys(ddl.tables)
        if (renamed := renamed_to(ddl)) is not None:
            named[renamed] = None
        return [table for table in named if self._catalogue.rules.selects(table)]

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
                self._renamed(table, ddl, event)
            elif ddl.kind == "alter":
                self._alter(table, ddl, event, checkpoint)
            else:
                self._dropped(table, ddl, event)

    def follow(self, ddl: DdlStatement, event: QueryEvent) -> None:
        """Only learn what tables look like behind a statement before the start time."""
        for table in self.affected(ddl):
            if ddl.kind not in ("create", "alter") or renamed_to(ddl) is not None:
                continue
            try:
                layout = self._catalogue.layout(table)
                behind = (
                    column_layout.after(layout, ddl.clauses)
                    if layout is not None and ddl.kind == "alter"
                    else None
                )
                self._catalogue.replan(table, self._past(table, event, behind))
            except (UnknownTableError, UnknownLayoutError, DmsPipelineError) as error:
                self._catalogue.forget(table, str(error))

    def _truncate(self, table: TableId, checkpoint: str) -> None:
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
        self._catalogue.forget(table, f"it was dropped by {ddl.shown!r} before {event.position}")

    def _renamed(self, table: TableId, ddl: DdlStatement, event: QueryEvent) -> None:
        logger.warning("RENAME TABLE is not supported, the target keeps its names: %s", ddl.shown)
        self._catalogue.forget(
            table,
            f"the table of that name became another one by {ddl.shown!r} before {event.position},"
            " and renamed tables are not followed",
        )

    def _create(
        self, table: TableId, ddl: DdlStatement, event: QueryEvent, checkpoint: str
    ) -> None:
        existed = table in self._catalogue.plans and self._catalogue.layout(table) is not None
        if not (existed and ddl.if_not_exists):
            try:
                self._catalogue.replan(table, self._past(table, event))
            except UnknownTableError as error:
                self._catalogue.forget(table, str(error))
                logger.warning("table %s is not created on the target: %s", table, error)
                return
            except DmsPipelineError as error:
                self._catalogue.forget(table, str(error))
                self._applier.table_error(table, str(error), checkpoint=checkpoint)
                return
        plan = self._catalogue.plans[table]
        if existed and ddl.if_not_exists:
            # The table may have been there: then nothing happened on the source.
            return
        if self._applier.change_table(
            lambda target: create_on_target(target, plan), table, checkpoint=checkpoint
        ):
            self._statistics.applied_ddl(table)

    def _alter(self, table: TableId, ddl: DdlStatement, event: QueryEvent, checkpoint: str) -> None:
        layout, old = self._catalogue.layout(table), self._catalogue.plans.get(table)
        before = self._catalogue.past(table)
        if any(isinstance(clause, PartitionsChanged) for clause in ddl.clauses):
            self._applier.table_error(
                table,
                f"its partitions were changed by {ddl.shown!r} before {event.position}, which is"
                " not replicated; run a full load of the table",
                checkpoint=checkpoint,
            )
            return
        try:
            behind = None if layout is None else column_layout.after(layout, ddl.clauses)
            past = self._past(table, event, behind)
            new = self._catalogue.replan(table, past)
        except UnknownTableError as error:
            # Rows that follow are refused, with this as the reason; maybe none do.
            self._catalogue.forget(table, str(error))
            logger.warning("table %s: %s", table, error)
            return
        except (UnknownLayoutError, DmsPipelineError) as error:
            self._catalogue.forget(table, str(error))
            self._applier.table_error(
                table, f"{ddl.shown!r} before {event.position}: {error}", checkpoint=checkpoint
            )
            return
        if old is None or before is None or not self._settings.apply_alter:

            def restrict(target: TargetConnection) -> None:
                self._catalogue.restrict(table, TargetColumns.read(target, new).types)

            self._applier.change_table(restrict, table, checkpoint=checkpoint)
            return

        def change(target: TargetConnection) -> None:
            alter_target(
                target,
                old,
                new,
                ddl.clauses,
                timestamp=event.timestamp,
                uncertain=before.retyped_later,
            )

        if self._applier.change_table(change, table, checkpoint=checkpoint):
            self._statistics.applied_ddl(table)

    def _past(
        self, table: TableId, event: QueryEvent, layout: column_layout.Layout | None = None
    ) -> PastTable:
        if not self._history.knows(table, event.position):
            source = self._connect_source()
            try:
                self._history.read_ahead(source, event.position, [table, *self._catalogue.plans])
            finally:
                source.close()
        return self._history.table_at(table, event.position, layout)
