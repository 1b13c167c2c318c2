"""The CloudFormation templates before three programs of others that know AWS's resource types.

What they find and is meant so is named here with the reason; all else fails.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dms_pipeline_tests.deployed_policy import TEMPLATE as POLICY
from dms_pipeline_tests.stack_template import TEMPLATE

_LINTERS = Path(sys.prefix) / "linters" / "bin"
"""A virtual environment of its own, which `make test` makes: what they need is not what we need."""

pytestmark = pytest.mark.skipif(
    not (_LINTERS.parent / "installed").exists(),
    reason="needs .venv/linters, which `make test` makes",
)

_CFN_LINT = {
    "W1011": "the password is a NoEcho parameter only if the user gives one; else it is resolved",
    "W1030": "PublicSubnetId is empty only where no jump host is made",
}
_CLOUDFORMATION_VALIDATE = {
    "E9006": "SourceVersion is a major version, of which RDS takes its default minor one",
    "W1001": "what may not exist is behind Fn::If with the same condition",
    "W1030": "DatabasePassword is empty only where Fn::If takes the resolved one",
    "W2501": "Fn::If chooses between a dynamic reference and a NoEcho parameter",
    "W2509": "the ARN of a secret is no secret",
}
_CHECKOV = {
    "CKV2_AWS_69": "require_secure_transport is on where DMS has a certificate to verify",
    "CKV_AWS_88": "a jump host in a public subnet is reached by its public address",
    "CKV_AWS_118": "enhanced monitoring is billed, and nothing here needs it",
    "CKV_AWS_119": "AWS's key for DynamoDB encrypts the tables; a key of one's own is billed",
    "CKV_AWS_149": "AWS's key for secrets encrypts them; a key of one's own is billed",
    "CKV_AWS_157": "several zones are a parameter, MultiAZ",
    "CKV_AWS_158": "CloudWatch encrypts the logs; a key of one's own is billed",
    "CKV_AWS_161": "DMS and the pipeline log in by password, from Secrets Manager",
    "CKV_AWS_162": "as CKV_AWS_161",
}
_VALIDATE = """
import json, sys
from cloudformation_validate import CompositeEngine, Severity
found = CompositeEngine().validate_template(sys.argv[1]).diagnostics
print(json.dumps(sorted({each.rule_id for each in found if each.severity != Severity.INFO})))
"""


def _output(*command: str | Path) -> Any:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


def cfn_lint(template: Path) -> set[str]:
    found = _output(_LINTERS / "cfn-lint", "--format", "json", template)
    return {match["Rule"]["Id"] for match in found}


def cloudformation_validate(template: Path) -> set[str]:
    return set(_output(_LINTERS / "python", "-c", _VALIDATE, template))


def checkov(template: Path) -> set[str]:
    options = ("--framework", "cloudformation", "--skip-download", "--compact", "--output", "json")
    found = _output(_LINTERS / "checkov", "--file", template, *options)
    return {check["check_id"] for check in found["results"]["failed_checks"]}


_Linter = Callable[[Path], set[str]]
_ALL: list[tuple[_Linter, Mapping[str, str]]] = [
    (cfn_lint, _CFN_LINT),
    (cloudformation_validate, _CLOUDFORMATION_VALIDATE),
    (checkov, _CHECKOV),
]


@pytest.mark.parametrize(("linter", "explained"), _ALL)
def test_linter_finds_only_what_is_explained(linter: _Linter, explained: Mapping[str, str]):
    assert linter(TEMPLATE) == explained.keys()


@pytest.mark.parametrize(("linter", "explained"), _ALL)
def test_linter_finds_nothing_more_in_the_policy(linter: _Linter, explained: Mapping[str, str]):
    assert linter(POLICY) <= explained.keys()


@pytest.mark.parametrize(("linter", "explained"), _ALL)
def test_linter_sees_a_mistake(linter: _Linter, explained: Mapping[str, str], tmp_path: Path):
    text = TEMPLATE.read_text()
    mistakes = {"KeySchema:": "KeyScheme:", "StorageEncrypted: true": "StorageEncrypted: false"}
    for right, wrong in mistakes.items():
        assert right in text
        text = text.replace(right, wrong)
    broken = tmp_path / "cloudformation.yaml"
    broken.write_text(text)
    assert linter(broken) - explained.keys()
