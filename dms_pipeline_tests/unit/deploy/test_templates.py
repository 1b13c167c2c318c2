"""All CloudFormation templates: two linters find nothing, and every exception gives its reason."""

import shlex
from pathlib import Path

import pytest
from cfnlint.decode import cfn_yaml

from dms_pipeline_tests.commands_of_docs import commands
from dms_pipeline_tests.unit.deploy.linters import ARE_HERE, DEPLOY, NO_LINTERS, lint

TEMPLATES = sorted(
    path for path in DEPLOY.glob("*.yaml") if "AWSTemplateFormatVersion" in path.read_text()
)

pytestmark = pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.stem)
_lints = pytest.mark.skipif(not ARE_HERE, reason=NO_LINTERS)


@_lints
def test_cfn_lint_finds_nothing(template: Path):
    assert not lint("cfn-lint", template)


@_lints
def test_checkov_finds_nothing(template: Path):
    options = ("--quiet", "--compact", "--skip-download", "--framework", "cloudformation")
    assert not lint("checkov", *options, "-f", template)


def test_every_exception_from_a_rule_gives_its_reason(template: Path):
    lines = template.read_text().splitlines()
    for before, line in zip(["", *lines], lines, strict=False):
        if "ignore_checks" in line:
            [rule] = line.partition("ignore_checks: [")[2].partition("]")[0].split(",")
            assert f"# {rule}: " in before, line
        if "id: CKV" in line:
            assert len(line.partition("comment: ")[2]) > 20, line


def test_the_docs_deploy_it_with_every_parameter_that_it_needs_and_no_other(template: Path):
    deploys = [each for each in commands() if "cloudformation deploy" in each]
    [command] = (each for each in deploys if f"/{template.name} " in f"{each} ")
    given = {word.partition("=")[0] for word in shlex.split(command) if "=" in word}
    parameters = cfn_yaml.load(str(template))["Parameters"]
    needed = {name for name, each in parameters.items() if "Default" not in each}
    assert needed <= given <= set(parameters)
