"""What AWS checks of a single rule of a table mapping before it accepts a task.

Each check answers with what is wrong, or None; the caller puts AWS's own words around it.
"""

import re
from collections.abc import Mapping
from typing import Any

_NAMES = {"rename", "convert-lowercase", "convert-uppercase", "add-prefix", "add-suffix"}
_NAMES |= {"remove-prefix", "remove-suffix", "replace-prefix", "replace-suffix"}
_COLUMNS = {"include-column", "remove-column", "add-column", "change-data-type"}
_COLUMNS |= {"add-before-image-columns", "data-masking-digits-mask"}
_COLUMNS |= {"data-masking-digits-randomize", "data-masking-hash-mask"}
_ACTIONS = {
    "schema": _NAMES,
    "table": _NAMES | {"define-primary-key"},
    "column": _NAMES | _COLUMNS,
    "table-tablespace": {"rename", "remove-prefix", "remove-suffix", "convert-lowercase"},
    "index-tablespace": {"rename", "remove-prefix", "remove-suffix", "convert-lowercase"},
}
_NEED_VALUE = {"rename", "add-prefix", "add-suffix", "remove-prefix", "remove-suffix"}
_NEED_VALUE |= {"replace-prefix", "replace-suffix", "add-column"}
_OPERATORS = {"lte", "ste", "gte", "eq", "noteq", "between", "notbetween", "null", "notnull"}
_LARGEST_LOAD_ORDER = 2147483647


def wrong_selection(rule: Mapping[str, Any]) -> str | None:
    """Of a selection rule whose action and names have been looked at."""
    names = [str(rule["object-locator"].get(name)) for name in ("schema-name", "table-name")]
    if rule.get("rule-action") == "explicit" and any(map(has_wildcard, names)):
        return "explicit rules take exact schema and table names"
    order = str(rule.get("load-order", 1))
    if not order.isdecimal() or not 0 < int(order) <= _LARGEST_LOAD_ORDER:
        return f"load-order {order!r} is not a number from 1 to {_LARGEST_LOAD_ORDER}"
    filters = rule.get("filters") or []
    if not isinstance(filters, list):
        return "filters must be a list"
    if filters and rule.get("rule-action") == "exclude":
        return "filters belong to include rules"
    return next((wrong for item in filters if (wrong := _wrong_filter(item))), None)


def wrong_transformation(rule: Mapping[str, Any]) -> str | None:
    target, action = rule.get("rule-target"), rule.get("rule-action")
    if target not in _ACTIONS:
        return f"rule-target {target!r} is unknown"
    if action not in _ACTIONS[target]:
        return f"rule-action {action!r} is unknown for rule-target {target}"
    missing = _missing_part(str(action), rule)
    if missing is not None:
        return f"{missing} cannot be empty"
    return _wrong_key(rule) if action == "define-primary-key" else None


def _missing_part(action: str, rule: Mapping[str, Any]) -> str | None:
    needed = {
        "value": action in _NEED_VALUE,
        "old-value": action in ("replace-prefix", "replace-suffix"),
        "expression": action == "add-column",
        "data-type": action == "change-data-type",
    }
    return next(
        (part for part, is_needed in needed.items() if is_needed and not rule.get(part)), None
    )


def has_wildcard(name: str) -> bool:
    return "%" in name or bool(re.search(r"\[[^\]]+\]", name))


def _wrong_key(rule: Mapping[str, Any]) -> str | None:
    locator, definition = rule["object-locator"], rule.get("primary-key-def")
    if any(has_wildcard(str(locator.get(n, "%"))) for n in ("schema-name", "table-name")):
        return "define-primary-key takes exact schema and table names"
    if not isinstance(definition, dict) or not definition.get("columns"):
        return "primary-key-def needs columns"
    return None


def _wrong_filter(item: Any) -> str | None:
    if not isinstance(item, dict) or item.get("filter-type") != "source":
        return "filter-type must be source"
    conditions = item.get("filter-conditions")
    if not item.get("column-name") or not isinstance(conditions, list) or not conditions:
        return "a filter needs a column-name and filter-conditions"
    for condition in conditions:
        operator = condition.get("filter-operator") if isinstance(condition, dict) else None
        if operator not in _OPERATORS:
            return f"filter-operator {operator!r} is unknown"
    return None
