"""Which tables a table mapping selects, and which columns it changes. Pure.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.SelectionTransformation.Selections.html
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.row_filter import ColumnFilter

_TABLE = ("schema-name", "table-name")
_RENAMES: Mapping[str, Callable[[str, str, str], str]] = {
    "rename": lambda _name, value, _old: value,
    "convert-lowercase": lambda name, _value, _old: name.lower(),
    "convert-uppercase": lambda name, _value, _old: name.upper(),
    "add-prefix": lambda name, value, _old: f"{value}{name}",
    "add-suffix": lambda name, value, _old: f"{name}{value}",
    "remove-prefix": lambda name, value, _old: name.removeprefix(value),
    "remove-suffix": lambda name, value, _old: name.removesuffix(value),
    "replace-prefix": lambda name, value, old: re.sub(f"^{re.escape(old)}", lambda _: value, name),
    "replace-suffix": lambda name, value, old: re.sub(f"{re.escape(old)}$", lambda _: value, name),
}
_NAMING = frozenset({*_RENAMES, "include-column", "remove-column", "add-column"})
"""What rules do with columns but for their values: whether they are there, and under which name."""


@dataclass(frozen=True, slots=True)
class _Rule:
    names: re.Pattern[str]
    includes: bool
    filters: tuple[ColumnFilter, ...]

    def matches(self, table: TableId) -> bool:
        return self.names.fullmatch(str(table)) is not None


@dataclass(frozen=True, slots=True)
class TableSelection:
    """The selection rules of a mapping."""

    rules: tuple[_Rule, ...]

    @classmethod
    def of(cls, mappings: Mapping[str, Any]) -> Self:
        """The rules of a document that is known to have the form of a mapping.

        Raises ValueError, in words, if a filter has not the form of one.
        """
        return cls(
            tuple(
                _Rule(
                    _pattern(rule["object-locator"], _TABLE),
                    includes=rule["rule-action"] != "exclude",
                    filters=tuple(map(ColumnFilter.of, rule.get("filters") or ())),
                )
                for rule in mappings["rules"]
                if rule["rule-type"] == "selection"
            )
        )

    def selects(self, table: TableId) -> bool:
        """Whether a table takes part; an exclusion wins wherever it stands."""
        matching = [rule.includes for rule in self.rules if rule.matches(table)]
        return bool(matching) and all(matching)

    def filters(self, table: TableId) -> tuple[tuple[ColumnFilter, ...], ...]:
        """The filters of each rule that includes the table."""
        return tuple(rule.filters for rule in self.rules if rule.includes and rule.matches(table))


@dataclass(frozen=True, slots=True)
class _ColumnRule:
    """One rule; ``of_one_type`` if it means only columns of a type of DMS."""

    names: re.Pattern[str]
    table: re.Pattern[str]
    action: str
    value: str
    old_value: str
    of_one_type: bool

    def matches(self, table: TableId, column: str) -> bool:
        return self.names.fullmatch(f"{table}.{column}") is not None

    def renamed(self, name: str) -> str:
        return _RENAMES[self.action](name, self.value, self.old_value)


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """The transformation rules for columns: what becomes of a column is theirs to say.

    https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TableMapping.SelectionTransformation.Transformations.html
    """

    columns: tuple[_ColumnRule, ...]
    added: tuple[tuple[re.Pattern[str], str], ...]

    @classmethod
    def of(cls, mappings: Mapping[str, Any]) -> Self:
        rules = [
            rule
            for rule in mappings["rules"]
            if rule["rule-type"] == "transformation" and rule.get("rule-target") == "column"
        ]
        return cls(
            tuple(
                _ColumnRule(
                    _pattern(rule["object-locator"], (*_TABLE, "column-name")),
                    _pattern(rule["object-locator"], _TABLE),
                    str(rule["rule-action"]),
                    str(rule.get("value") or ""),
                    str(rule.get("old-value") or ""),
                    of_one_type="data-type" in rule["object-locator"],
                )
                for rule in sorted(rules, key=_rule_order)
            ),
            tuple(
                (_pattern(rule["object-locator"], _TABLE), str(rule.get("value", "")))
                for rule in rules
                if rule["rule-action"] == "add-column"
            ),
        )

    def retype(self, table: TableId, column: str) -> bool:
        """Whether a rule may give the target other values or another type of this column."""
        return any(
            rule.action not in _NAMING and rule.matches(table, column) for rule in self.columns
        )

    def may_make_others(self, table: TableId) -> bool:
        """Whether rules may give the target columns whose names cannot be told here."""
        return any(
            (rule.of_one_type or rule.action == "add-before-image-columns")
            and rule.table.fullmatch(str(table))
            for rule in self.columns
        )

    def target_name(self, table: TableId, column: str) -> str | None:
        """What the target calls a column; None if the rules leave it out, or nobody can tell."""
        rules = [rule for rule in self.columns if rule.matches(table, column)]
        actions = {rule.action for rule in rules}
        if "remove-column" in actions or any(
            rule.of_one_type and rule.action in _RENAMES for rule in rules
        ):
            return None
        if "include-column" not in actions and any(
            rule.action == "include-column" and rule.table.fullmatch(str(table))
            for rule in self.columns
        ):
            return None
        # Of several for one object, AWS takes the one with the lowest id.
        renaming = next((rule for rule in rules if rule.action in _RENAMES), None)
        return renaming.renamed(column) if renaming else column

    def add(self, table: TableId, column: str) -> bool:
        """Whether a rule gives the target a column of this name."""
        return any(name == column and table_.fullmatch(str(table)) for table_, name in self.added)


NO_RULES = ColumnRules((), ())


def _rule_order(rule: Mapping[str, Any]) -> tuple[int, str]:
    """By id, as numbers where they are numbers."""
    text = str(rule["rule-id"])
    return (int(text) if text.isdecimal() else 0, text)


def _pattern(locator: Mapping[str, Any], parts: Sequence[str]) -> re.Pattern[str]:
    """``%`` stands for any text, ``_`` for one sign, ``[_]`` for an underscore."""
    names = (_readable(str(locator.get(part, "%"))) for part in parts)
    return re.compile(r"\.".join(names), re.DOTALL)


def _readable(name: str) -> str:
    signs = re.findall(r"\[_\]|.", name, re.DOTALL)
    known = {"%": ".*", "_": ".", "[_]": "_"}
    return "".join(known.get(sign) or re.escape(sign) for sign in signs)
