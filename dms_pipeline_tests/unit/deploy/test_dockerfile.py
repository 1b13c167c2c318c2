"""The image, as far as that can be told without Docker; a soak test runs its steps."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from dms_pipeline_tests.commands_of_docs import ROOT, commands
from dms_pipeline_tests.unit.deploy.linters import ARE_HERE, DEPLOY, NO_LINTERS, checkov, hadolint

DOCKERFILE = DEPLOY / "Dockerfile"


def _instructions(name: str) -> list[str]:
    """What follows this instruction, with continued lines joined."""
    text = re.sub(r"\\\n\s*", "", DOCKERFILE.read_text())
    return [line.split(" ", 1)[1] for line in text.splitlines() if line.startswith(f"{name} ")]


@pytest.mark.skipif(not ARE_HERE, reason=NO_LINTERS)
def test_linters_find_nothing():
    assert hadolint(DOCKERFILE) == set()
    assert checkov(DOCKERFILE, "dockerfile") == set()


def test_everything_that_is_copied_exists_and_is_not_ignored():
    [default] = (each.partition("=")[2] for each in _instructions("ARG"))
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    copied = [shlex.split(line) for line in _instructions("COPY")]
    sources = [part for each in copied if "--from=build" not in each for part in each[:-1]]
    assert len(sources) >= 6
    for source in sources:
        path = source.replace("${PIPELINES}", default)
        assert (ROOT / path).exists(), path
        parts = [path, *Path(path).parts]
        assert not any(fnmatch(part, rule) for part in parts for rule in ignored), path


def test_every_command_is_one_that_the_image_installs():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert "dms-pipeline" in scripts
    commands = [re.search(r"CMD (\[.*\])", line) for line in DOCKERFILE.read_text().splitlines()]
    found = [shlex.split(each.group(1).strip("[]").replace(",", " ")) for each in commands if each]
    assert len(found) == 2
    for program, *arguments in found:
        path = Path(sys.executable).with_name(program)
        known = [part for part in arguments if not part.startswith("-")][:2]
        help_text = subprocess.run(
            [str(path), *known, "--help"], capture_output=True, text=True, check=True
        ).stdout
        for option in (part for part in arguments if part.startswith("--")):
            assert option in help_text, option


def test_the_docs_build_it_with_what_it_takes():
    [command] = (each for each in commands() if each.startswith("docker build"))
    words = shlex.split(command)
    assert ROOT / words[words.index("-f") + 1] == DOCKERFILE
    given = words[words.index("--build-arg") + 1].partition("=")[0]
    assert [given] == [each.partition("=")[0] for each in _instructions("ARG")]


def test_it_runs_as_a_numbered_user_without_privileges_and_holds_no_secret():
    assert _instructions("USER") == ["10001:10001"]
    assert not re.search("PASSWORD|SECRET|ACCESS_KEY|TOKEN", DOCKERFILE.read_text())


@pytest.mark.soak
def test_its_steps_install_versions_that_were_tested_and_programs_that_start(tmp_path: Path):
    """Both stages in a folder: the first from a copy of what is copied, the second by its files."""
    for name in ("pyproject.toml", "constraints.txt", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "dms_pipeline", tmp_path / "dms_pipeline", ignore=ignore)
    [step] = _instructions("RUN")
    step = step.replace("/opt/dms", str(tmp_path / "dms")).replace("python -m", "python3 -m")
    subprocess.run(["bash", "-c", step], cwd=tmp_path, check=True, capture_output=True)
    programs = tmp_path / "dms" / "bin"
    frozen = subprocess.run(
        [str(programs / "pip"), "freeze"], check=True, capture_output=True, text=True
    ).stdout
    tested = (ROOT / "constraints.txt").read_text().casefold().splitlines()
    installed = {line.casefold() for line in frozen.splitlines()}
    assert {line for line in installed if not line.startswith("dms_pipeline")} <= set(tested)
    for program in ("dagster", "dagster-webserver", "dagster-daemon", "dms-pipeline"):
        subprocess.run([str(programs / program), "--help"], check=True, capture_output=True)
    command = [str(programs / "dagster"), "definitions", "validate", "-m"]
    subprocess.run(
        [*command, "dms_pipeline.definitions"],
        cwd=tmp_path / "dms",
        env={
            "DMS_PIPELINE_DEPLOYMENT": "aws",
            "DMS_PIPELINES_DIR": str(tmp_path / "dms_pipeline" / "pipelines"),
        },
        check=True,
        capture_output=True,
    )
