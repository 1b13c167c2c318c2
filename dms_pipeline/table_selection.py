"""Which tables a table mapping selects. Pure.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.SelectionTransformation.Selections.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from dms_pipeline.binlog.table_id import TableId


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
                    _pattern(rule["object-locator"]),
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


def _pattern(locator: Mapping[str, Any]) -> re.Pattern[str]:
    """``%`` stands for any text, ``_`` for one sign, ``[_]`` for an underscore."""
    parts = (str(locator.get(part, "%")) for part in ("schema-name", "table-name"))
    return re.compile(r"\.".join(map(_readable, parts)), re.DOTALL)


def _readable(name: str) -> str:
    signs = re.findall(r"\[_\]|.", name, re.DOTALL)
    known = {"%": ".*", "_": ".", "[_]": "_"}
    return "".join(known.get(sign) or re.escape(sign) for sign in signs)
