"""Every command of README and docs is run as it stands there, on a loaded local stack."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dms_pipeline_tests.commands_of_docs import NOT_RUN, RUN_ELSEWHERE, commands, filled_in, program
from dms_pipeline_tests.e2e.local_run import PATIENCE_S, LocalRun, new_local_run

_PROGRAMS = Path(sys.executable).parent
_AWS = Path(sys.prefix) / "clients" / "bin" / "aws"
# Checks pass after a load only; a checkpoint set by hand is no load, and a stopped stack nothing.
_LATE = ("checkpoint rewind", "checkpoint set", "local down", "local reset")


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    with new_local_run(tmp_path_factory.mktemp("docs")) as run:
        yield run


def _of(wanted: str) -> list[str]:
    """The commands of a program that are run here."""
    elsewhere = RUN_ELSEWHERE | NOT_RUN
    return [each for each in commands() if program(each) == wanted and each not in elsewhere]


def _rank(command: str) -> int:
    return next((at for at, late in enumerate(_LATE, start=1) if late in command), 0)


def test_every_command_of_ours_does_what_the_docs_say(loaded: LocalRun):
    told = _of("dms-pipeline")
    assert len(told) > 15
    for command in sorted(told, key=_rank):
        if "local down" in command:
            _commands_of_dagster_run(loaded)
        words = filled_in(command.replace("<text>", _newest(loaded)))[1:]
        if words == ["run", "studentdb", "full-load"]:
            words.append("--reload")  # The stack's own fixture has run it without.
        if words[:2] == ["local", "traffic"]:
            _inserts_until_interrupted(loaded, words)
        else:
            done = loaded.command(*words)
            assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    loaded.succeed("local", "up")


def _newest(run: LocalRun) -> str:
    [latest] = [each for each in run.checkpoints() if each["version"]["S"] == "latest"]
    return str(latest["checkpoint"]["S"])


def _inserts_until_interrupted(run: LocalRun, words: list[str]) -> None:
    process = run.begin(*words)
    assert process.stdout is not None
    assert "inserted student" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_S)


def _commands_of_dagster_run(run: LocalRun) -> None:
    told = _of("dagster")
    assert len(told) == 2
    environment = run.environment(DAGSTER_HOME=str(run.home / "dagster"), PYTHONWARNINGS="ignore")
    for command in told:
        _, *words = filled_in(command)
        _runs([str(_PROGRAMS / "dagster"), *words], environment)


def _runs(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_requests_to_the_local_endpoint_are_answered(loaded: LocalRun):
    if (curl := shutil.which("curl")) is None:
        pytest.skip("no curl here")
    url = loaded.addresses["endpoint_url"]
    for command in _of("curl"):
        _, *words = filled_in(command.replace("http://127.0.0.1:4566", url))
        try:
            _runs([curl, "--fail", "--silent", *words], dict(os.environ))
        finally:
            _runs([curl, "--fail", "--silent", "-X", "DELETE", f"{url}/_faults"], dict(os.environ))


@pytest.mark.skipif(not _AWS.is_file(), reason="needs .venv/clients, which `make test` makes")
def test_commands_of_the_aws_cli_are_answered_by_the_local_endpoint(loaded: LocalRun):
    """What is deployed is left out: the template has tests of its own, which read the command."""
    subnet, group = _a_cluster(loaded)
    url = loaded.addresses["endpoint_url"]
    keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    environment = loaded.environment(
        **keys, AWS_ENDPOINT_URL=url, AWS_DEFAULT_REGION="us-east-1", AWS_PAGER=""
    )
    told = [command for command in _of("aws") if "cloudformation deploy" not in command]
    assert told
    for command in told:
        words = filled_in(command.replace("subnet-01", subnet).replace("sg-01", group))
        _runs([str(_AWS), *words[words.index("aws") + 1 :]], environment)


def _a_cluster(run: LocalRun) -> tuple[str, str]:
    """Makes what `aws ecs run-task` needs; a subnet and a security group that are there."""
    ecs: Any = run.client("ecs")
    ec2: Any = run.client("ec2")
    ecs.create_cluster(clusterName="dagster")
    container = {"name": "run", "image": "any", "memory": 512}
    ecs.register_task_definition(
        family="dagster-run",
        requiresCompatibilities=["FARGATE"],
        networkMode="awsvpc",
        cpu="512",
        memory="1024",
        containerDefinitions=[container],
    )
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    return subnet, group
