"""Which tables a table mapping selects, and which columns it changes. Pure.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.SelectionTransformation.Selections.html
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from dms_pipeline.binlog.table_id import TableId

_TABLE = ("schema-name", "table-name")


@dataclass(frozen=True, slots=True)
class _Rule:
    names: re.Pattern[str]
    includes: bool
    is_filtered: bool

    def matches(self, table: TableId) -> bool:
        return self.names.fullmatch(str(table)) is not None


@dataclass(frozen=True, slots=True)
class TableSelection:
    """The selection rules of a mapping."""

    rules: tuple[_Rule, ...]

    @classmethod
    def of(cls, mappings: Mapping[str, Any]) -> Self:
        """The rules of a document that is known to have the form of a mapping."""
        return cls(
            tuple(
                _Rule(
                    _pattern(rule["object-locator"], _TABLE),
                    includes=rule["rule-action"] != "exclude",
                    is_filtered=bool(rule.get("filters")),
                )
                for rule in mappings["rules"]
                if rule["rule-type"] == "selection"
            )
        )

    def selects(self, table: TableId) -> bool:
        """Whether a table takes part; an exclusion wins wherever it stands."""
        matching = [rule.includes for rule in self.rules if rule.matches(table)]
        return bool(matching) and all(matching)

    def filters(self, table: TableId) -> bool:
        """Whether a rule leaves out rows of the table."""
        return any(rule.is_filtered and rule.matches(table) for rule in self.rules)


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """The transformation rules for columns: what becomes of a column is theirs to say.

    https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.SelectionTransformation.Transformations.html
    """

    columns: tuple[re.Pattern[str], ...]
    added: tuple[tuple[re.Pattern[str], str], ...]

    @classmethod
    def of(cls, mappings: Mapping[str, Any]) -> Self:
        rules = [
            rule
            for rule in mappings["rules"]
            if rule["rule-type"] == "transformation" and rule.get("rule-target") == "column"
        ]
        return cls(
            tuple(_pattern(rule["object-locator"], (*_TABLE, "column-name")) for rule in rules),
            tuple(
                (_pattern(rule["object-locator"], _TABLE), str(rule.get("value", "")))
                for rule in rules
                if rule["rule-action"] == "add-column"
            ),
        )

    def change(self, table: TableId, column: str) -> bool:
        """Whether a rule is about this column of the source."""
        return any(pattern.fullmatch(f"{table}.{column}") for pattern in self.columns)

    def add(self, table: TableId, column: str) -> bool:
        """Whether a rule gives the target a column of this name."""
        return any(name == column and table_.fullmatch(str(table)) for table_, name in self.added)


def _pattern(locator: Mapping[str, Any], parts: Sequence[str]) -> re.Pattern[str]:
    """``%`` stands for any text, ``_`` for one sign, ``[_]`` for an underscore."""
    names = (_readable(str(locator.get(part, "%"))) for part in parts)
    return re.compile(r"\.".join(names), re.DOTALL)


def _readable(name: str) -> str:
    signs = re.findall(r"\[_\]|.", name, re.DOTALL)
    known = {"%": ".*", "_": ".", "[_]": "_"}
    return "".join(known.get(sign) or re.escape(sign) for sign in signs)
