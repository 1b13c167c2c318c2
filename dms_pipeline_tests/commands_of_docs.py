"""The commands that README and docs tell people to type, and which test runs each."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from dms_pipeline import deployments
from dms_pipeline.cli import cli

ROOT = Path(deployments.__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_PROGRAMS = (
    "dms-pipeline", "dagster", "dagster-daemon", "make", "aws", "docker", "curl", "python",
    ".venv/bin/python",
)  # fmt: skip
_PLACEHOLDERS = {
    "<pipeline>": "studentdb",
    "PIPELINE": "studentdb",
    "database.table": "studentdb.student_details",
    "<number>": "1",
}
RUN_ELSEWHERE = {
    "make setup": "../.ci/run",
    "make test": "../.ci/run",
    "make demo": "e2e/test_walkthrough.py",
    "make dev": "e2e/test_dev.py",
    "make bench": "integration/test_bench.py",
    ".venv/bin/python -m dms_pipeline.local_dms --port 4566 --home ./aws": (
        "integration/test_local_aws_process.py"
    ),
    "python -m dms_pipeline.local_dms --port 4566 --home ./aws": (
        "integration/test_local_aws_process.py"
    ),
    "python -m dms_pipeline_tests.docs": "unit/test_docs.py",
    "dms-pipeline configure --stack NAME": "e2e/test_deployed_stack.py",
    "dagster api grpc-health-check --host 127.0.0.1 --port 4000": "e2e/test_production.py",
    "dagster-daemon liveness-check": "e2e/test_production.py",
}
"""Those that a test of their own runs, or the part of them that can be: by the test's file."""
PAGES_RUN_ELSEWHERE = {
    "aws.md": "e2e/test_deployed_stack.py",
    "least-privilege.md": "e2e/test_least_privilege_docs.py",
    "performance.md": "integration/test_bench.py",
}
"""Pages whose commands are run by a test of their own, as far as they can be without AWS."""
NOT_RUN = {
    "make check": "a developer's, which is run before each commit",
    "make soak": "runs the long tests themselves",
    "make clean": "would delete what the tests run in",
}


def commands(*, of_all_pages: bool = False) -> dict[str, str]:
    """All of the other pages, each with the first that tells it, by their text without comments.

    Args:
        of_all_pages: also of those pages whose commands are run elsewhere.
    """
    found: dict[str, str] = {}
    for page in PAGES:
        if page.name in PAGES_RUN_ELSEWHERE and not of_all_pages:
            continue
        for command in _told(page.read_text(encoding="utf-8")):
            found.setdefault(command, page.name)
    return found


def _told(text: str) -> Iterator[str]:
    """Those in code blocks (with continued lines joined), and those within a line."""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.startswith("    "):
            candidates = [re.split(r"\s{2,}#\s", line.strip())[0].strip()]
        else:
            candidates = re.findall(r"`([^`]+)`", line)
        yield from filter(_is_command, candidates)


def program(command: str) -> str:
    """The first word that sets no variable."""
    return next((word for word in command.split() if not re.match(r"[A-Z_]+=", word)), "")


def _is_command(text: str) -> bool:
    return program(text) in _PROGRAMS and program(text) != text and "…" not in text


def filled_in(command: str) -> list[str]:
    """The words of the command for the demo's pipeline; one without what it needs asks for help."""
    for placeholder, value in _PLACEHOLDERS.items():
        command = command.replace(placeholder, value)
    words = shlex.split(command)
    if words[0] != "dms-pipeline":
        return words
    words = [word.strip("[]") for word in words]
    return [*words, "--help"] if _lacks(words[1:]) else words


def _lacks(words: list[str]) -> bool:
    """Whether it only names a command, which needs arguments."""
    found: click.Command = cli
    context = click.Context(cli)
    while words and isinstance(found, click.Group):
        inner = found.get_command(context, words[0])
        assert inner is not None, words
        found, words = inner, words[1:]
    needed = any(parameter.required for parameter in found.params)
    return isinstance(found, click.Group) or (needed and not words)
