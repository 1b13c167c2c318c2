"""Table mappings: which source tables take part and what they are called on the target.

Pure. A rule that the engine does not carry out is refused, never ignored: a filter that is not
applied would be wrong data.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import ConfigError

RuleTarget = Literal["schema", "table", "column"]

_RENAMES: dict[str, Callable[[str, str, str], str]] = {
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


def compile_wildcard(pattern: str) -> re.Pattern[str]:
    """DMS wildcards: ``%`` any text, ``_`` one character, ``[ab]`` and ``[a-d]`` a set."""
    parts = []
    for token in re.findall(r"\[[^\]]+\]|.", pattern, re.DOTALL):
        if token == "%":
            parts.append(".*")
        elif token == "_":
            parts.append(".")
        elif len(token) > 1:
            parts.append("[" + re.sub(r"([\\^\[])", r"\\\1", token[1:-1]) + "]")
        else:
            parts.append(re.escape(token))
    return re.compile("".join(parts), re.DOTALL)


@dataclass(frozen=True, slots=True)
class SelectionRule:
    """One selection rule; ``explicit`` ones have patterns without wildcards."""

    schema: re.Pattern[str]
    table: re.Pattern[str]
    includes: bool
    load_order: int

    def matches(self, table: TableId) -> bool:
        return bool(self.schema.fullmatch(table.schema) and self.table.fullmatch(table.table))


@dataclass(frozen=True, slots=True)
class TransformationRule:
    """One transformation of names, or the removal of columns."""

    target: RuleTarget
    action: str
    schema: re.Pattern[str]
    table: re.Pattern[str]
    column: re.Pattern[str]
    value: str
    old_value: str

    def matches(self, table: TableId, column: str | None = None) -> bool:
        return bool(
            self.schema.fullmatch(table.schema)
            and (self.target == "schema" or self.table.fullmatch(table.table))
            and (column is None or self.column.fullmatch(column))
        )


@dataclass(frozen=True, slots=True)
class MappingRules:
    """All rules of a task, transformations in the order of their ids."""

    selections: tuple[SelectionRule, ...]
    transformations: tuple[TransformationRule, ...]

    @classmethod
    def from_message(cls, mappings: dict[str, Any]) -> "MappingRules":
        rules = sorted(mappings.get("rules") or (), key=_rule_order)
        selections = tuple(_selection(r) for r in rules if r.get("rule-type") == "selection")
        transformations = tuple(
            _transformation(r) for r in rules if r.get("rule-type") == "transformation"
        )
        for rule in rules:
            if rule.get("rule-type") not in ("selection", "transformation"):
                raise _unsupported(rule, f"rule-type {rule.get('rule-type')!r}")
        return cls(selections, transformations)

    def selects(self, table: TableId) -> bool:
        """Whether a table takes part; an exclusion wins wherever it stands."""
        matching = [rule.includes for rule in self.selections if rule.matches(table)]
        return bool(matching) and all(matching)

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

    def target_column(self, table: TableId, column: str) -> str | None:
        """The column's name on the target, or None if the rules leave it out."""
        rules = [r for r in self.transformations if r.target == "column" and r.matches(table)]
        if any(r.action == "remove-column" and r.matches(table, column) for r in rules):
            return None
        includes = [r for r in rules if r.action == "include-column"]
        if includes and not any(r.matches(table, column) for r in includes):
            return None
        return self._rename("column", table, column)

    def _rename(self, target: RuleTarget, table: TableId, name: str) -> str:
        """Apply the first renaming rule: of several on one object AWS takes the lowest rule-id."""
        column = name if target == "column" else None
        for rule in self.transformations:
            if rule.target == target and rule.action in _RENAMES and rule.matches(table, column):
                return _RENAMES[rule.action](name, rule.value, rule.old_value)
        return name


def _rule_order(rule: dict[str, Any]) -> tuple[int, str]:
    identifier = str(rule.get("rule-id", ""))
    return (int(identifier) if identifier.isdecimal() else 0, identifier)


def _selection(rule: dict[str, Any]) -> SelectionRule:
    action = rule.get("rule-action")
    if action not in ("include", "exclude", "explicit"):
        raise _unsupported(rule, f"rule-action {action!r}")
    if rule.get("filters"):
        raise _unsupported(rule, "a source filter")
    locator = rule["object-locator"]
    if locator.get("table-type", "table") == "view":
        raise _unsupported(rule, "table-type 'view'")
    compile_name = _exactly if action == "explicit" else compile_wildcard
    return SelectionRule(
        schema=compile_name(locator["schema-name"]),
        table=compile_name(locator["table-name"]),
        includes=action != "exclude",
        load_order=int(rule.get("load-order") or 0),
    )


def _transformation(rule: dict[str, Any]) -> TransformationRule:
    action, target = rule.get("rule-action"), rule.get("rule-target")
    known = action in _RENAMES or (
        target == "column" and action in ("remove-column", "include-column")
    )
    if not known or target not in ("schema", "table", "column"):
        raise _unsupported(rule, f"rule-action {action!r} on rule-target {target!r}")
    locator = rule["object-locator"]
    return TransformationRule(
        target=target,
        action=str(action),
        schema=compile_wildcard(locator.get("schema-name", "%")),
        table=compile_wildcard(locator.get("table-name", "%")),
        column=compile_wildcard(locator.get("column-name", "%")),
        value=rule.get("value") or "",
        old_value=rule.get("old-value") or "",
    )


def _exactly(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name))


def _unsupported(rule: dict[str, Any], what: str) -> ConfigError:
    return ConfigError(
        f"table mapping rule {rule.get('rule-id')!r} asks for {what}, which the local DMS does not"
        " carry out; remove the rule, or run this task on AWS DMS"
    )
