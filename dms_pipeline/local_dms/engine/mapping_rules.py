"""Table mappings: which tables and rows take part, what becomes of their names and types.

Pure. A rule that the engine does not carry out is refused, never ignored: a filter that is not
applied would be wrong data.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.mapping_rules_filters import SourceFilter
from dms_pipeline.local_dms.engine.mapping_rules_parsing import (
    in_rule_order,
    parse_lob_settings,
    parse_selections,
    parse_transformations,
)
from dms_pipeline.local_dms.engine.mapping_rules_values import (
    RENAMES,
    RuleTarget,
    SelectionRule,
    TransformationRule,
)
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.type_mapping.changed_type import DataType


@dataclass(frozen=True, slots=True)
class MappingRules:
    """All rules of a task, transformations in the order of their ids."""

    selections: tuple[SelectionRule, ...]
    transformations: tuple[TransformationRule, ...]
    lob_settings: dict[TableId, dict[str, Any]] = field(default_factory=dict)
    """The lob-settings of table-settings rules."""

    @classmethod
    def from_message(cls, mappings: dict[str, Any]) -> "MappingRules":
        """Read the document.

        Raises:
            ConfigError: a rule is malformed, or asks for what is not carried out.
        """
        rules = in_rule_order(mappings)
        return cls(parse_selections(rules), parse_transformations(rules), parse_lob_settings(rules))

    def selects(self, table: TableId) -> bool:
        """Whether a table takes part; an exclusion wins wherever it stands."""
        matching = [rule.includes for rule in self.selections if rule.matches(table)]
        return bool(matching) and all(matching)

    def included_names(self) -> tuple[TableId, ...]:
        """Names and patterns of the tables that may take part, as the rules give them."""
        return tuple(dict.fromkeys(rule.locator for rule in self.selections if rule.includes))

    def unmatched(self, tables: Iterable[TableId]) -> list[TableId]:
        """Those of the ``included_names`` that mean none of these tables."""
        known = list(tables)
        rules = [rule for rule in self.selections if rule.includes]
        met = {rule.locator for rule in rules if any(map(rule.matches, known))}
        return [name for name in self.included_names() if name not in met]

    def filters(self, table: TableId) -> tuple[tuple[SourceFilter, ...], ...]:
        """The filters of every rule that includes the table: a row takes part by any of them."""
        return tuple(r.filters for r in self.selections if r.includes and r.matches(table))

    def load_order(self, table: TableId) -> int:
        return max((r.load_order for r in self.selections if r.matches(table)), default=0)

    def in_load_order(self, tables: Iterable[TableId]) -> list[TableId]:
        """The selected tables, those with the highest load-order first."""
        selected = [table for table in tables if self.selects(table)]
        return sorted(selected, key=lambda table: (-self.load_order(table), table))

    def target_schema(self, table: TableId) -> str:
        return self._rename("schema", table, table.schema)

    def target_table(self, table: TableId) -> str:
        return self._rename("table", table, table.table)

    def target_column(self, table: TableId, column: Column) -> str | None:
        """The column's name on the target, or None if the rules leave it out."""
        if any(r.matches(table, column) for r in self._of(table, "remove-column")):
            return None
        includes = list(self._of(table, "include-column"))
        if includes and not any(r.matches(table, column) for r in includes):
            return None
        return self._rename("column", table, column.name, column)

    def data_type(self, table: TableId, column: Column) -> DataType | None:
        """The type a change-data-type rule gives the column."""
        rules = self._of(table, "change-data-type")
        return next((r.data_type for r in rules if r.matches(table, column)), None)

    def added_columns(self, table: TableId) -> tuple[TransformationRule, ...]:
        """The add-column rules; of two for the same name the first."""
        named: dict[str, TransformationRule] = {}
        for rule in self._of(table, "add-column"):
            named.setdefault(rule.value, rule)
        return tuple(named.values())

    def primary_key(self, table: TableId) -> tuple[str, ...] | None:
        """The columns of a define-primary-key rule."""
        return next((r.key_columns for r in self._of(table, "define-primary-key")), None)

    def _of(self, table: TableId, action: str) -> Iterator[TransformationRule]:
        return (r for r in self.transformations if r.action == action and r.matches(table))

    def _rename(
        self, target: RuleTarget, table: TableId, name: str, column: Column | None = None
    ) -> str:
        """Apply the first renaming rule: of several on one object AWS takes the lowest rule-id."""
        for rule in self.transformations:
            if rule.target == target and rule.action in RENAMES and rule.matches(table, column):
                return RENAMES[rule.action](name, rule.value, rule.old_value)
        return name
