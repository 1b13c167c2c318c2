"""The tables of a task: their plans as of the place in the log that is being read."""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from pymysql.connections import Connection

from dms_pipeline.binlog.events import RowsEvent
from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.binlog.table_map import TableMap
from dms_pipeline.errors import ConfigError, LoadError
from dms_pipeline.local_dms.engine.column_types import may_be_sequence, misfit, old_fractions
from dms_pipeline.local_dms.engine.lob_settings import LobSettings
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.past_table import PastTable
from dms_pipeline.local_dms.engine.schema_history import (
    NotCreatedYetError,
    SchemaHistory,
    UnknownTableError,
)
from dms_pipeline.local_dms.engine.source_schema import list_tables, read_tables
from dms_pipeline.local_dms.engine.table_plan import TablePlan
from dms_pipeline.local_dms.engine.table_planning import plan_table

logger = logging.getLogger(__name__)


class UnusableTableError(Exception):
    """Changes of a table cannot be applied; the text says why and what to do."""


VaryingColumns = set[tuple[TableId, str, str]]
"""Tables with a virtual column, and what of a session that varies by."""


class TableCatalogue:
    """Plans by table, in load order. Grows and changes with the statements in the log.

    ``warned_of`` is of all catalogues of one run, so that each column is told once.
    """

    def __init__(
        self,
        rules: MappingRules,
        target_schema: str,
        lobs: LobSettings,
        warned_of: VaryingColumns,
    ) -> None:
        self.rules = rules
        self._lobs = lobs
        self._target_schema = target_schema
        self.plans: dict[TableId, TablePlan] = {}
        self._past: dict[TableId, PastTable] = {}
        self._unknown: dict[TableId, str] = {}
        self._checked: dict[TableId, TableMap] = {}
        self._warned_of = warned_of

    def read(self, source: "Connection[Any]") -> None:
        """Plan every selected table of the source as it is today."""
        known = list_tables(source)
        selected = self.rules.in_load_order(known)
        tables = read_tables(source, {table: known[table] for table in selected})
        for table in selected:
            if table in tables:
                self._keep(table, PastTable(tables[table]))
        self._refuse_collisions()

    def changed_since(
        self, noted: Mapping[tuple[str, str], PastTable]
    ) -> dict[TableId, PastTable | None]:
        """The tables that are not today what earlier runs noted of a place in the log, with that.

        What was noted is by schema and name on the target. Of the other tables nothing has to be
        looked up in the log: they are there what they are today.
        """
        changed: dict[TableId, PastTable | None] = {}
        for table, plan in self.plans.items():
            known = noted.get((plan.target_schema, plan.target_table))
            if known != self._past[table]:
                is_of_table = known is not None and known.source.table_id == table
                changed[table] = known if is_of_table else None
        return changed

    def go_back_to(
        self,
        history: SchemaHistory,
        position: BinlogPosition,
        changed: Mapping[TableId, PastTable | None],
    ) -> None:
        """Replan tables as they were at ``position``; where that is not known, remember why.

        Args:
            history: what is known from today on back.
            position: where reading starts.
            changed: the tables, with what earlier runs noted of them.
        """
        for table, known in changed.items():
            try:
                self._keep(table, history.table_at(table, position, known=known))
            except NotCreatedYetError as error:
                # No row is in the log before that.
                self.forget(table, str(error))
            except UnknownTableError as error:
                self.forget(table, str(error))
                logger.warning("table %s at %s: %s", table, position, error)

    def known_tables(self) -> list[tuple[TablePlan, PastTable | None]]:
        """Every table with what it is at the place being read."""
        return [(plan, self.past(table)) for table, plan in self.plans.items()]

    def target_name(self, table: TableId, column: str) -> str | None:
        """What a column is called on the target of which only the name is known."""
        return self.rules.target_column(table, Column(column, "int", "int"))

    def past(self, table: TableId) -> PastTable | None:
        """The table at the place being read, as far as it is known."""
        return None if table in self._unknown else self._past.get(table)

    def replan(self, table: TableId, past: PastTable) -> TablePlan:
        """The table has this definition from here on.

        Raises:
            UnknownTableError: a column of its key is not known.
            DmsPipelineError: it has a type or key that cannot be applied.
        """
        self._keep(table, past)
        self._refuse_collisions()
        return self.plans[table]

    def restrict(self, table: TableId, target_columns: Iterable[str]) -> None:
        """Leave out what the target has no column for.

        Raises:
            LoadError: the target lacks the table, or a column of its key.
        """
        plan, known = self.plans[table], set(target_columns)
        missing = [c.source.name for c in plan.columns if c.target_name not in known]
        needed = {column.target_name for column in plan.key_columns}
        if not known or needed - known:
            raise LoadError(
                f"the target lacks table {plan.target_schema}.{plan.target_table}, or a column of"
                " its key; run a full load of the table"
            )
        if missing:
            logger.warning("table %s: the target lacks %s", table, ", ".join(missing))
            self.plans[table] = plan.without(frozenset(missing))

    def forget(self, table: TableId, reason: str) -> None:
        """The table's definition is not known from here on."""
        self._unknown[table] = reason
        self._checked.pop(table, None)

    def is_checked(self, table_map: TableMap) -> bool:
        """Whether ``plan_for_rows`` found a plan for rows laid out so, which still holds."""
        return self._checked.get(table_map.table) is table_map

    def is_sequence(self, event: RowsEvent) -> bool:
        """Whether rows are the steps of a sequence, which is no table of the source."""
        return event.table not in self._past and may_be_sequence(event.column_types)

    def plan_for_rows(self, event: RowsEvent) -> TablePlan:
        """The plan that fits these rows.

        Raises:
            UnusableTableError: there is none.
        """
        table = event.table
        reason = self._unknown.get(table)
        past = self._past.get(table)
        if reason is None and past is None:
            reason = (
                "the table is not on the source any more, or the account of the endpoint has no"
                " SELECT on it"
            )
        if reason is None and past is not None:
            reason = self._misfit(past, event)
        if reason is not None:
            raise UnusableTableError(
                f"rows of table {table} before {event.position} cannot be read: {reason}; run a"
                " full load of the table"
            )
        self._checked[table] = event.table_map
        return self.plans[table]

    def _misfit(self, past: PastTable, event: RowsEvent) -> str | None:
        reason = misfit(past, event.column_types, event.metadata)
        if reason is not None:
            return f"{reason}: its definition changed after they were written"
        if column := old_fractions(past, event.column_types):
            return (
                f"column {column} keeps fractions of seconds in the format before MySQL 5.6;"
                " ALTER TABLE ... FORCE rewrites it"
            )
        return None

    def _keep(self, table: TableId, past: PastTable) -> None:
        plan = plan_table(past.source, self.rules, self._target_schema, self._lobs)
        for column in plan.key_columns:
            if column.source.name in past.unknown:
                raise UnknownTableError(
                    f"what column {column.source.name} of its key is there cannot be told"
                )
        self.plans[table] = plan.without(past.unknown)
        self._past[table] = past
        self._unknown.pop(table, None)
        self._checked.pop(table, None)
        self._warn_of_varying(self.plans[table])

    def _warn_of_varying(self, plan: TablePlan) -> None:
        for column in plan.inputs:
            varying = (plan.table_id, column.source.name, column.source.varies_by)
            if column.source.varies_by and varying not in self._warned_of:
                self._warned_of.add(varying)
                logger.warning(
                    "table %s: the value of virtual column %s depends on the session that reads it"
                    " (%s): a captured change has the one of the session that made it, a full load"
                    " the one of its own session",
                    *varying,
                )

    def _refuse_collisions(self) -> None:
        taken: dict[tuple[str, str], TableId] = {}
        for table, plan in self.plans.items():
            other = taken.setdefault((plan.target_schema, plan.target_table), table)
            if other != table:
                raise ConfigError(
                    f"tables {other} and {table} would both be written to target table"
                    f" {plan.target_schema}.{plan.target_table}; change the transformation rules"
                )
