import json
from typing import Any

import pytest

from dms_pipeline.local_dms.control_plane.faults import Fault
from dms_pipeline.local_dms.control_plane.task_documents import (
    CdcStart,
    checked_table_mappings,
    merged_task_settings,
    parsed_cdc_start,
    parsed_cdc_stop,
)

RULE = {
    "rule-type": "selection",
    "rule-id": 1,
    "rule-action": "include",
    "object-locator": {"schema-name": "db", "table-name": "%"},
}
CHECKPOINT = "checkpoint:V1#27#mysql-bin.000002:1975:-1:2002:1:mysql-bin.000002:1876#0#0#*#0#93"


def mappings(*rules: dict[str, Any]) -> str:
    return json.dumps({"rules": list(rules)})


def test_valid_mappings_are_parsed():
    assert checked_table_mappings(mappings(RULE))["rules"] == [RULE]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Invalid Table Mappings document. Invalid json com.google.gson.stream"),
        ("[]", "Invalid Table Mappings document."),
        (mappings(), "At least one selection rule is required."),
        (mappings(RULE, {**RULE, "rule-id": "1"}), "ruleId = 1 failed validation. Duplicate"),
        (mappings({**RULE, "object-locator": None}), "object locator cannot be null"),
        (mappings({**RULE, "rule-type": "selectoin"}), "rule-type 'selectoin' is unknown"),
        (mappings({**RULE, "rule-action": "inculde"}), "rule-action 'inculde' is unknown"),
        (
            mappings(RULE, {**RULE, "rule-id": "x", "rule-type": "table-settings"}),
            "Rule with ruleId = x failed validation. Exact schema and table name required",
        ),
    ],
)
def test_wrong_mappings_are_refused_in_aws_words(text, words):
    with pytest.raises(Fault) as caught:
        checked_table_mappings(text)
    assert caught.value.code == "InvalidParameterValueException"
    assert words in caught.value.message


def transformation(target: str, action: str, **more: Any) -> dict[str, Any]:
    return {
        "rule-type": "transformation", "rule-id": "7", "rule-target": target,
        "rule-action": action, "object-locator": {"schema-name": "db", "table-name": "%"}, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (transformation("row", "rename", value="x"), "rule-target 'row' is unknown"),
        (transformation("schema", "remove-column"), "rule-action 'remove-column' is unknown"),
        (transformation("table", "rename"), "value cannot be empty"),
        (transformation("table", "replace-prefix", value="x"), "old-value cannot be empty"),
        (transformation("column", "add-column", value="x"), "expression cannot be empty"),
        (transformation("column", "change-data-type"), "data-type cannot be empty"),
        (transformation("table", "define-primary-key"), "takes exact schema and table names"),
        ({**RULE, "rule-id": "7", "rule-action": "explicit"}, "take exact schema and table names"),
        ({**RULE, "rule-id": "7", "load-order": 0}, "load-order '0' is not a number"),
        ({**RULE, "rule-id": "7", "filters": [{"filter-type": "target"}]}, "filter-type must be"),
    ],
)
def test_wrong_rule_is_named_by_its_id(rule, words):
    with pytest.raises(Fault) as caught:
        checked_table_mappings(mappings(RULE, rule))
    assert "Rule with ruleId = 7 failed validation." in caught.value.message
    assert words in caught.value.message


@pytest.mark.parametrize(
    "rule",
    [
        transformation("schema", "rename", value="x"),
        transformation("table", "convert-lowercase"),
        transformation("column", "add-column", value="x", expression="'a'"),
        transformation("column", "change-data-type", **{"data-type": {"type": "int4"}}),
        {**RULE, "rule-id": "7", "load-order": "2", "filters": [
            {"filter-type": "source", "column-name": "a",
             "filter-conditions": [{"filter-operator": "null"}]}
        ]},
    ],
)  # fmt: skip
def test_rules_aws_knows_are_accepted(rule):
    assert len(checked_table_mappings(mappings(RULE, rule))["rules"]) == 2


def test_settings_keep_what_was_not_sent():
    first = merged_task_settings('{"TargetMetadata":{"LobMaxSize":64}}')
    second = json.loads(
        merged_task_settings('{"Logging":{"EnableLogging":true}}', json.loads(first))
    )
    assert second["TargetMetadata"]["LobMaxSize"] == 64
    assert second["Logging"]["EnableLogging"] is True
    assert second["ErrorBehavior"]["TableErrorPolicy"] == "SUSPEND_TABLE"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Invalid json"),
        ('{"Logging":true}', "Logging must be a JSON object"),
        ('{"Logging":{"EnableLogContext":true}}', "requires EnableLogging"),
        ('{"Logging":{"CloudWatchLogGroup":"g"}}', "cannot be set on create"),
        (
            '{"FullLoadSettings":{"StopTaskCachedChangesApplied":true,'
            '"StopTaskCachedChangesNotApplied":true}}',
            "cannot both be true",
        ),
    ],
)
def test_wrong_settings_are_refused(text, words):
    with pytest.raises(Fault, match=words):
        merged_task_settings(text)


@pytest.mark.parametrize(
    ("position", "start"),
    [
        (None, CdcStart()),
        (CHECKPOINT, CdcStart(position=CHECKPOINT)),
        ("mysql-bin-changelog.000024:373", CdcStart(position="mysql-bin-changelog.000024:373")),
        ("1970-01-02T00:00:00", CdcStart(time=86400.0)),
    ],
)
def test_every_kind_of_start_position_is_understood(position, start):
    assert parsed_cdc_start(position, None) == start


@pytest.mark.parametrize("position", ["", "yesterday", "mysql-bin:4", "2020-13-01T00:00:00", "now"])
def test_other_start_positions_are_refused(position):
    with pytest.raises(Fault, match="Invalid CdcStartPosition format"):
        parsed_cdc_start(position, None)


@pytest.mark.parametrize("kind", ["server_time", "commit_time"])
@pytest.mark.parametrize("blank", ["", " "])
def test_blank_after_the_colon_of_a_stop_position_is_dropped(kind, blank):
    assert parsed_cdc_stop(f"{kind}:{blank}2030-01-01T00:00:00") == f"{kind}:2030-01-01T00:00:00"


@pytest.mark.parametrize(
    "position",
    ["", "2030-01-01T00:00:00", "server_time:tomorrow", "server_time:2030-02-30T00:00:00"],
)
def test_other_stop_positions_are_refused(position):
    with pytest.raises(Fault, match="Invalid CdcStopPosition format"):
        parsed_cdc_stop(position)
