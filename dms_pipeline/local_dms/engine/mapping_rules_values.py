"""The values that rules of a table mapping are read into."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.mapping_rules_filters import SourceFilter
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.type_mapping.changed_type import DataType
from dms_pipeline.local_dms.engine.type_mapping.dms_types import dms_type

RuleTarget = Literal["schema", "table", "column"]

RENAMES: dict[str, Callable[[str, str, str], str]] = {
    "rename": lambda name, value, old: value,
    "convert-lowercase": lambda name, value, old: name.lower(),
    "convert-uppercase": lambda name, value, old: name.upper(),
    "add-prefix": lambda name, value, old: value + name,
    "add-suffix": lambda name, value, old: name + value,
    "remove-prefix": lambda name, value, old: name.removeprefix(value),
    "remove-suffix": lambda name, value, old: name.removesuffix(value),
    "replace-prefix": lambda name, value, old: (
        value + name.removeprefix(old) if name.startswith(old) else name
    ),
    "replace-suffix": lambda name, value, old: (
        name.removesuffix(old) + value if old and name.endswith(old) else name
    ),
}


@dataclass(frozen=True, slots=True)
class SelectionRule:
    """One selection rule; ``explicit`` ones have patterns without wildcards.

    ``locator`` has the patterns as they were given.
    """

    locator: TableId
    schema: re.Pattern[str]
    table: re.Pattern[str]
    includes: bool
    load_order: int
    filters: tuple[SourceFilter, ...] = ()

    def matches(self, table: TableId) -> bool:
        return bool(self.schema.fullmatch(table.schema) and self.table.fullmatch(table.table))


@dataclass(frozen=True, slots=True)
class TransformationRule:
    """One transformation. ``source_type`` narrows it to columns of that DMS type, if given."""

    target: RuleTarget
    action: str
    schema: re.Pattern[str]
    table: re.Pattern[str]
    column: re.Pattern[str]
    value: str = ""
    old_value: str = ""
    source_type: str | None = None
    expression: str = ""
    data_type: DataType | None = None
    key_columns: tuple[str, ...] = ()

    def matches(self, table: TableId, column: Column | None = None) -> bool:
        return bool(
            self.schema.fullmatch(table.schema)
            and (self.target == "schema" or self.table.fullmatch(table.table))
            and (column is None or self._matches_column(column))
        )

    def _matches_column(self, column: Column) -> bool:
        return bool(
            self.column.fullmatch(column.name)
            and self.source_type in (None, dms_type(column.data_type, column.is_unsigned))
        )
