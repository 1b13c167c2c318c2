"""The tables of a task: their plans, and which of them the target lacks."""

import logging
from typing import Any

from pymysql.connections import Connection

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import ConfigError, LoadError
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules
from dms_pipeline.local_dms.engine.source_schema import list_tables, read_tables
from dms_pipeline.local_dms.engine.table_plan import TablePlan, plan_table
from dms_pipeline.local_dms.engine.target_tables import (
    TargetConnection,
    add_primary_key,
    create_table,
    table_exists,
)

logger = logging.getLogger(__name__)


class TableCatalogue:
    """Plans by table, in load order. Grows when a matching table is created on the source."""

    def __init__(self, rules: MappingRules, target_schema: str) -> None:
        self.rules = rules
        self._target_schema = target_schema
        self.plans: dict[TableId, TablePlan] = {}
        self._missing: set[TableId] = set()

    def read(self, source: "Connection[Any]") -> None:
        """Plan every selected table of the source."""
        known = list_tables(source)
        selected = self.rules.in_load_order(known)
        tables = read_tables(source, {table: known[table] for table in selected})
        for table in selected:
            if table in tables:
                self.plans[table] = plan_table(tables[table], self.rules, self._target_schema)
        self._refuse_collisions()

    def require_primary_keys(self) -> None:
        """Changes are applied by key, so a table without one can only be fully loaded."""
        without = [str(table) for table, plan in self.plans.items() if not plan.key]
        if without:
            raise ConfigError(
                f"no primary key: {', '.join(without)}. Changes are applied by primary key; give"
                " the tables one, or leave them out with an exclude rule"
            )

    def find_missing_on(self, target: TargetConnection) -> None:
        """Note the tables the target lacks; that is legal until one of them gets a change."""
        self._missing = {
            table for table, plan in self.plans.items() if not table_exists(target, plan)
        }
        if self._missing:
            logger.warning("not on the target yet: %s", ", ".join(sorted(map(str, self._missing))))

    def plan_for_change(self, table: TableId) -> TablePlan:
        plan = self.plans.get(table)
        if plan is None:
            raise LoadError(
                f"the binary log holds changes of table {table}, which the mapping rules select but"
                " which is not on the source any more; run a full load"
            )
        if table in self._missing:
            raise LoadError(
                f"table {table} has changes, but its target table {plan.target_schema}."
                f"{plan.target_table} does not exist; run a full load"
            )
        return plan

    def table_created(
        self, table: TableId, source: "Connection[Any]", target: TargetConnection
    ) -> bool:
        """A selected table was created on the source: give it an empty table on the target.

        Returns False for one that is gone again by now.
        """
        if table not in self.plans:
            found = read_tables(source, {table: 0})
            if table not in found:
                logger.warning("table %s was created and is gone again", table)
                return False
            self.plans[table] = plan_table(found[table], self.rules, self._target_schema)
            self.require_primary_keys()
            self._refuse_collisions()
        plan = self.plans[table]
        if not table_exists(target, plan):
            with target.transaction():
                create_table(target, plan)
                add_primary_key(target, plan)
            logger.info("created table %s on the target", table)
        self._missing.discard(table)
        return True

    def _refuse_collisions(self) -> None:
        taken: dict[tuple[str, str], TableId] = {}
        for table, plan in self.plans.items():
            other = taken.setdefault((plan.target_schema, plan.target_table), table)
            if other != table:
                raise ConfigError(
                    f"tables {other} and {table} would both be written to target table"
                    f" {plan.target_schema}.{plan.target_table}; change the transformation rules"
                )
