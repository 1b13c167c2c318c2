"""The linters of templates and Dockerfiles, which have an environment of their own."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from dms_pipeline_tests.commands_of_docs import ROOT

DEPLOY = ROOT / "dms_pipeline" / "deploy"
NO_LINTERS = "no linters here; `make .venv/linters/installed` installs them"
_PROGRAMS = ROOT / ".venv" / "linters" / "bin"
ARE_HERE = (_PROGRAMS.parent / "installed").is_file()
_VALIDATE = """
import json, sys
from cloudformation_validate import CompositeEngine, Severity
found = CompositeEngine().validate_template(sys.argv[1]).diagnostics
print(json.dumps(sorted({each.rule_id for each in found if each.severity != Severity.INFO})))
"""


def cfn_lint(template: Path) -> set[str]:
    """The rules that the template breaks; so do the others."""
    found = _output("cfn-lint", "--format", "json", template)
    return {match["Rule"]["Id"] for match in found}


def cloudformation_validate(template: Path) -> set[str]:
    return set(_output("python", "-c", _VALIDATE, template))


def checkov(path: Path, framework: str = "cloudformation") -> set[str]:
    options = ("--framework", framework, "--skip-download", "--compact", "--output", "json")
    found = _output("checkov", "--file", path, *options)
    return {check["check_id"] for check in found["results"]["failed_checks"]}


def hadolint(dockerfile: Path) -> set[str]:
    return {each["code"] for each in _output("hadolint", "--format", "json", dockerfile)}


def _output(program: str, *arguments: str | Path) -> Any:
    done = subprocess.run(
        [str(_PROGRAMS / program), *map(str, arguments)],
        env={**os.environ, "LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout)
