"""The rules of a table mapping document, read into values; everything unknown is refused."""

from collections.abc import Iterable
from typing import Any

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import ConfigError
from dms_pipeline.local_dms.engine.mapping_rules_filters import SourceFilter
from dms_pipeline.local_dms.engine.mapping_rules_values import (
    RENAMES,
    SelectionRule,
    TransformationRule,
)
from dms_pipeline.local_dms.engine.mapping_rules_wildcards import (
    compile_exact,
    compile_wildcard,
    has_wildcard,
)
from dms_pipeline.local_dms.engine.type_mapping.changed_type import DataType

_WITHOUT_EFFECT = frozenset({"validation", "post-processing", "table-settings"})
_COLUMN_ACTIONS = frozenset({"remove-column", "include-column", "add-column", "change-data-type"})


def in_rule_order(mappings: dict[str, Any]) -> list[dict[str, Any]]:
    """All rules, the lowest rule-id first; of several that fit, AWS takes that one."""
    rules = sorted(mappings.get("rules") or (), key=_rule_order)
    for rule in rules:
        if rule.get("rule-type") not in ("selection", "transformation", *_WITHOUT_EFFECT):
            raise _unsupported(rule, f"rule-type {rule.get('rule-type')!r}")
    return rules


def parse_selections(rules: Iterable[dict[str, Any]]) -> tuple[SelectionRule, ...]:
    return tuple(_selection(rule) for rule in _of_type(rules, "selection"))


def parse_transformations(rules: Iterable[dict[str, Any]]) -> tuple[TransformationRule, ...]:
    return tuple(_transformation(rule) for rule in _of_type(rules, "transformation"))


def parse_lob_settings(rules: Iterable[dict[str, Any]]) -> dict[TableId, dict[str, Any]]:
    """The lob-settings of table-settings rules, by table."""
    return dict(_lob_settings(rule) for rule in _of_type(rules, "table-settings"))


def _of_type(rules: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [rule for rule in rules if rule.get("rule-type") == kind]


def _rule_order(rule: dict[str, Any]) -> tuple[int, str]:
    identifier = str(rule.get("rule-id", ""))
    return (int(identifier) if identifier.isdecimal() else 0, identifier)


def _selection(rule: dict[str, Any]) -> SelectionRule:
    action = rule.get("rule-action")
    if action not in ("include", "exclude", "explicit"):
        raise _unsupported(rule, f"rule-action {action!r}")
    locator = _locator(rule)
    if locator.get("table-type", "table") == "view":
        raise _unsupported(rule, "table-type 'view'")
    compile_name = compile_exact if action == "explicit" else compile_wildcard
    return SelectionRule(
        locator=TableId(locator["schema-name"], locator["table-name"]),
        schema=compile_name(locator["schema-name"]),
        table=compile_name(locator["table-name"]),
        includes=action != "exclude",
        load_order=int(rule.get("load-order") or 0),
        filters=_filters(rule),
    )


def _filters(rule: dict[str, Any]) -> tuple[SourceFilter, ...]:
    filters = rule.get("filters") or ()
    if filters and rule.get("rule-action") == "exclude":
        raise _malformed(rule, "filters belong to include rules")
    try:
        return tuple(SourceFilter.from_rule(document) for document in filters)
    except ConfigError as error:
        raise _malformed(rule, str(error)) from None


def _transformation(rule: dict[str, Any]) -> TransformationRule:
    action, target = rule.get("rule-action"), rule.get("rule-target")
    known = (
        action in RENAMES
        or (target == "column" and action in _COLUMN_ACTIONS)
        or (target == "table" and action == "define-primary-key")
    )
    if not known or target not in ("schema", "table", "column"):
        raise _unsupported(rule, f"rule-action {action!r} on rule-target {target!r}")
    locator = _locator(rule)
    source_type = locator.get("data-type")
    return TransformationRule(
        target=target,
        action=str(action),
        schema=compile_wildcard(locator.get("schema-name", "%")),
        table=compile_wildcard(locator.get("table-name", "%")),
        column=compile_wildcard(locator.get("column-name", "%")),
        value=_value(rule),
        old_value=rule.get("old-value") or "",
        source_type=str(source_type).lower() if source_type else None,
        expression=_expression(rule),
        data_type=_data_type(rule),
        key_columns=_key_columns(rule),
    )


def _value(rule: dict[str, Any]) -> str:
    value = str(rule.get("value") or "")
    if not value and rule["rule-action"] in ("rename", "add-column"):
        raise _malformed(rule, "value cannot be empty")
    return value


def _expression(rule: dict[str, Any]) -> str:
    text = rule.get("expression")
    if rule["rule-action"] == "add-column" and not text:
        raise _malformed(rule, "add-column needs an expression")
    return str(text or "")


def _data_type(rule: dict[str, Any]) -> DataType | None:
    if rule["rule-action"] not in ("add-column", "change-data-type"):
        return None
    document = rule.get("data-type")
    if document is None and rule["rule-action"] == "add-column":
        return DataType.from_rule({"type": "string"})
    try:
        return DataType.from_rule(document)
    except ConfigError as error:
        raise _malformed(rule, str(error)) from None


def _key_columns(rule: dict[str, Any]) -> tuple[str, ...]:
    if rule["rule-action"] != "define-primary-key":
        return ()
    locator = _locator(rule)
    if any(has_wildcard(str(locator.get(name, "%"))) for name in ("schema-name", "table-name")):
        raise _malformed(rule, "define-primary-key needs exact schema and table names")
    definition = rule.get("primary-key-def")
    columns = definition.get("columns") if isinstance(definition, dict) else None
    if not isinstance(columns, list) or not columns:
        raise _malformed(rule, "primary-key-def needs columns")
    return tuple(map(str, columns))


def _lob_settings(rule: dict[str, Any]) -> tuple[TableId, dict[str, Any]]:
    locator = _locator(rule)
    table = TableId(str(locator.get("schema-name", "")), str(locator.get("table-name", "")))
    return table, rule.get("lob-settings") or {}


def _locator(rule: dict[str, Any]) -> dict[str, Any]:
    locator = rule.get("object-locator")
    if not isinstance(locator, dict):
        raise _malformed(rule, "object locator cannot be null")
    return locator


def _malformed(rule: dict[str, Any], problem: str) -> ConfigError:
    return ConfigError(
        "Error in mapping rules. Rule with ruleId ="
        f" {rule.get('rule-id')} failed validation. {problem}"
    )


def _unsupported(rule: dict[str, Any], what: str) -> ConfigError:
    return ConfigError(
        f"table mapping rule {rule.get('rule-id')!r} asks for {what}, which the local DMS does not"
        " carry out; remove the rule, or run this task on AWS DMS"
    )
