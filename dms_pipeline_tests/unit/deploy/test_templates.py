"""All CloudFormation templates: two linters find nothing, and every exception gives its reason."""

from pathlib import Path

import pytest

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
