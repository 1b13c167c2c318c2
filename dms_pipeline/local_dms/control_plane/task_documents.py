"""The texts of a task - table mappings, settings, CDC positions - checked as AWS checks them.

Messages that AWS is known to send are sent word for word, so that code which looks for them works
here too.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dms_pipeline.local_dms.control_plane.faults import invalid_value
from dms_pipeline.local_dms.control_plane.json_text import parsed_json
from dms_pipeline.local_dms.control_plane.mapping_checks import (
    has_wildcard,
    wrong_selection,
    wrong_transformation,
)
from dms_pipeline.local_dms.control_plane.task_settings_defaults import DEFAULTS

_RULE_TYPES = {
    "selection",
    "transformation",
    "table-settings",
    "object-mapping",
    "validation",
    "post-processing",
}
_SELECTION_ACTIONS = {"include", "exclude", "explicit"}
_TIME = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}"
_NATIVE_POSITION = re.compile(r"[^:#\s]+\.\d+:\d+")
_STOP_POSITION = re.compile(rf"(server_time|commit_time):\s*({_TIME})\s*")


def checked_table_mappings(text: str) -> dict[str, Any]:
    """The parsed mappings, if AWS would accept them."""
    try:
        document = parsed_json(text)
    except ValueError as error:
        # AWS parses with Gson; its class name is what clients have seen and may look for.
        raise invalid_value(
            "Invalid Table Mappings document. Invalid json "
            f"com.google.gson.stream.MalformedJsonException: {error}"
        ) from None
    rules = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(rules, list):
        raise invalid_value(
            "Invalid Table Mappings document. It must be an object with a list of rules."
        )
    ids: set[str] = set()
    for rule in rules:
        _check_rule(rule, ids)
    if not any(rule["rule-type"] == "selection" for rule in rules):
        raise _rules_error("At least one selection rule is required.")
    return dict(document)


def _check_rule(rule: Any, ids: set[str]) -> None:
    if not isinstance(rule, dict) or "rule-id" not in rule:
        raise _rules_error("Every rule must be an object with a rule-id.")
    rule_id = str(rule["rule-id"])
    failed = f"Rule with ruleId = {rule_id} failed validation."
    if rule_id in ids:
        raise _rules_error(f"{failed} Duplicate rule-id")
    ids.add(rule_id)
    kind = rule.get("rule-type")
    if kind not in _RULE_TYPES:
        raise _rules_error(f"{failed} rule-type {kind!r} is unknown")
    locator = rule.get("object-locator")
    if kind != "post-processing" and not isinstance(locator, dict):
        raise _rules_error(f"{failed} object locator cannot be null")
    if kind == "selection":
        _check_selection(rule, failed)
    if kind == "transformation" and (wrong := wrong_transformation(rule)):
        raise _rules_error(f"{failed} {wrong}")
    if kind == "table-settings" and _locates_many(rule["object-locator"]):
        raise _rules_error(
            f"{failed} Exact schema and table name required when using table settings rule."
        )


def _locates_many(locator: Mapping[str, Any]) -> bool:
    return any(has_wildcard(str(locator.get(n, "%"))) for n in ("schema-name", "table-name"))


def _check_selection(rule: Mapping[str, Any], failed: str) -> None:
    if rule.get("rule-action") not in _SELECTION_ACTIONS:
        raise _rules_error(f"{failed} rule-action {rule.get('rule-action')!r} is unknown")
    for name in ("schema-name", "table-name"):
        if not rule["object-locator"].get(name):
            raise _rules_error(f"{failed} {name} cannot be empty")
    if wrong := wrong_selection(rule):
        raise _rules_error(f"{failed} {wrong}")


def _rules_error(message: str) -> Exception:
    return invalid_value(f"Error in mapping rules. {message}")


def merged_task_settings(text: str | None, base: Mapping[str, Any] = DEFAULTS) -> str:
    """The complete settings as DMS echoes them: what was given, laid over `base`."""
    try:
        given = parsed_json(text) if text else {}
    except ValueError as error:
        raise invalid_value(
            "Task Settings document error: Invalid json "
            f"com.google.gson.stream.MalformedJsonException: {error}"
        ) from None
    if not isinstance(given, dict):
        raise invalid_value("Task Settings document error: it must be a JSON object")
    merged = dict(base)
    for section, values in given.items():
        merged[section] = _merged_section(section, merged.get(section), values)
    _check_settings(merged)
    return json.dumps(merged)


def _merged_section(name: str, base: Any, given: Any) -> Any:
    if not isinstance(base, dict):
        return given
    if not isinstance(given, dict):
        raise invalid_value(f"Task Settings document error: {name} must be a JSON object")
    return {**base, **given}


def _check_settings(settings: Mapping[str, Any]) -> None:
    logging, full_load = settings["Logging"], settings["FullLoadSettings"]
    if logging.get("CloudWatchLogGroup") or logging.get("CloudWatchLogStream"):
        raise invalid_value(
            "Task Settings CloudWatchLogGroup or CloudWatchLogStream cannot be set on create."
        )
    if logging.get("EnableLogContext") and not logging.get("EnableLogging"):
        raise invalid_value("Task Settings EnableLogContext requires EnableLogging to be true.")
    flags = ("StopTaskCachedChangesApplied", "StopTaskCachedChangesNotApplied")
    if all(full_load.get(flag) for flag in flags):
        raise invalid_value(f"Task Settings {flags[0]} and {flags[1]} cannot both be true.")


@dataclass(frozen=True, slots=True)
class CdcStart:
    """Where the engine begins: a checkpoint or native position, or a time, or neither (now)."""

    position: str | None = None
    time: float | None = None


def parsed_cdc_start(position: str | None, time: float | None) -> CdcStart:
    """The start as the engine takes it; a date is turned into a time."""
    if position is None:
        return CdcStart(time=time)
    text = position.strip()
    if text.startswith("checkpoint:V") or _NATIVE_POSITION.fullmatch(text):
        return CdcStart(position=text)
    if re.fullmatch(_TIME, text) and (moment := _utc_seconds(text)) is not None:
        return CdcStart(time=moment)
    raise invalid_value("Invalid CdcStartPosition format")


def parsed_cdc_stop(position: str | None) -> str | None:
    """The stop position without the blanks that older documentation shows after the colon."""
    if position is None:
        return None
    match = _STOP_POSITION.fullmatch(position)
    if not match or _utc_seconds(match[2]) is None:
        raise invalid_value(
            "Invalid CdcStopPosition format, use server_time:YYYY-MM-DDThh:mm:ss or "
            "commit_time:YYYY-MM-DDThh:mm:ss in UTC"
        )
    return f"{match[1]}:{match[2]}"


def _utc_seconds(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
