"""All CloudFormation templates before three linters; every exception gives its reason."""

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cfnlint.decode import cfn_yaml

from dms_pipeline_tests.commands_of_docs import commands
from dms_pipeline_tests.unit.deploy.linters import (
    ARE_HERE,
    DEPLOY,
    NO_LINTERS,
    cfn_lint,
    checkov,
    cloudformation_validate,
)

TEMPLATES = {
    path.stem: path
    for path in sorted(DEPLOY.glob("*.yaml"))
    if "AWSTemplateFormatVersion" in path.read_text()
}
# Those that are not told in the template itself, by template and linter.
_EXPLAINED: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("cloudformation", "cfn_lint"): {
        "W1011": "the password is a NoEcho parameter only if the user gives one",
        "W1030": "PublicSubnetId is empty only where no jump host is made",
    },
    ("cloudformation", "cloudformation_validate"): {
        "E9006": "SourceVersion is a major version, of which RDS takes its default minor one",
        "W1001": "what may not exist is behind Fn::If with the same condition",
        "W1030": "DatabasePassword is empty only where Fn::If takes the resolved one",
        "W2501": "Fn::If chooses between a dynamic reference and a NoEcho parameter",
        "W2509": "the ARN of a secret is no secret",
    },
    ("cloudformation", "checkov"): {
        "CKV2_AWS_69": "require_secure_transport is on where DMS has a certificate to verify",
        "CKV_AWS_88": "a jump host in a public subnet is reached by its public address",
        "CKV_AWS_118": "enhanced monitoring is billed, and nothing here needs it",
        "CKV_AWS_119": "AWS's key for DynamoDB encrypts the tables; a key of one's own is billed",
        "CKV_AWS_149": "AWS's key for secrets encrypts them; a key of one's own is billed",
        "CKV_AWS_157": "several zones are a parameter, MultiAZ",
        "CKV_AWS_158": "CloudWatch encrypts the logs; a key of one's own is billed",
        "CKV_AWS_161": "DMS and the pipeline log in by password, from Secrets Manager",
        "CKV_AWS_162": "as CKV_AWS_161",
    },
    ("dagster_service", "cloudformation_validate"): {
        "W2509": "the ARN of a secret is no secret",
    },
    ("orchestrator_policy", "cloudformation_validate"): {
        "W2509": "the names of secrets and the ARN of a key are no secrets",
    },
}

_Linter = Callable[[Path], set[str]]

_each_template = pytest.mark.parametrize("name", TEMPLATES)
_each_linter = pytest.mark.parametrize(
    "linter", [cfn_lint, cloudformation_validate, checkov], ids=lambda linter: linter.__name__
)
_lints = pytest.mark.skipif(not ARE_HERE, reason=NO_LINTERS)


@_lints
@_each_linter
@_each_template
def test_linter_finds_only_what_is_explained(linter: _Linter, name: str):
    assert linter(TEMPLATES[name]) == _EXPLAINED.get((name, linter.__name__), {}).keys()


@_lints
@_each_linter
def test_linter_sees_a_mistake(linter: _Linter, tmp_path: Path):
    text = TEMPLATES["dagster_service"].read_text()
    mistakes = {"StorageEncrypted: true": "StorageEncrypted: false", "  Cpu:": "  Cup:"}
    for right, wrong in mistakes.items():
        assert right in text
        text = text.replace(right, wrong)
    broken = tmp_path / "template.yaml"
    broken.write_text(text)
    assert linter(broken) - {"W2509"}


@_each_template
def test_every_exception_from_a_rule_gives_its_reason(name: str):
    lines = TEMPLATES[name].read_text().splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        if ignored := re.search(r"ignore_checks: \[(\w+)\]", line):
            assert f"# {ignored.group(1)}: " in before, line
        if "id: CKV" in line:
            assert len(line.partition("comment: ")[2]) > 20, line


@_each_template
def test_the_docs_deploy_it_with_every_parameter_that_it_needs_and_no_other(name: str):
    told = [each for each in commands(of_all_pages=True) if "cloudformation deploy" in each]
    deploys = [each for each in told if f"/{TEMPLATES[name].name} " in f"{each} "]
    given = [
        {word.partition("=")[0] for word in shlex.split(each) if "=" in word} for each in deploys
    ]
    parameters = cfn_yaml.load(str(TEMPLATES[name]))["Parameters"]
    needed = {key for key, each in parameters.items() if "Default" not in each}
    # One that updates a stack may leave out what stays as it is.
    assert any(needed <= each for each in given)
    assert all(each <= set(parameters) for each in given)
