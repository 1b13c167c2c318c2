"""`scripts/probe_aws` asks the local DMS all that it can answer, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from dms_pipeline.cli import students
from dms_pipeline_tests.e2e.local_run import PATIENCE_S, LocalRun, copied_pipelines, wait_for

_ROOT = Path(__file__).parents[2]
_STACK = "probed"
_ROLE = "arn:aws:iam::123456789012:role/orchestrator"
_OUTPUTS = {
    "SourceEndpoint": "studentdb-source",
    "SourceSecret": "studentdb-source",
    "TargetEndpoint": "studentdb-target",
    "TargetSecret": "studentdb-target",
}
# A bill, and a server that is not here.
_OPEN = {"checkpoint-start-on-aurora", "billing"}


@dataclass(frozen=True, slots=True)
class Probe:
    """The script, beside a local stack."""

    run: LocalRun
    output: Path

    def begin(self, *options: str) -> "subprocess.Popen[str]":
        command = [str(_ROOT / "scripts" / "probe_aws"), "--stack", _STACK]
        command += ["--admin-secret", "studentdb-admin", "--output", str(self.output), *options]
        environment = self.run.environment(
            PYTHON=sys.executable,
            AWS_ENDPOINT_URL=self.run.addresses["endpoint_url"],
            AWS_ACCESS_KEY_ID="any",
            AWS_SECRET_ACCESS_KEY="any",
            AWS_DEFAULT_REGION="us-east-1",
        )
        return subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def succeed(self, *options: str) -> str:
        process = self.begin(*options)
        said = _ended(process)
        assert process.returncode == 0, said
        return said

    def findings(self) -> dict[str, dict[str, Any]]:
        [path] = self.output.glob("*.json")
        return {each["key"]: each for each in json.loads(path.read_text())["findings"]}

    def left(self) -> list[str]:
        """On AWS, and in both databases."""
        with students.connect(self.run.addresses["mysql_dsn"]) as source, source.cursor() as cursor:
            cursor.execute("SHOW DATABASES LIKE 'dms\\_probe%'")
            schemas = [str(row[0]) for row in cursor.fetchall()]
        with psycopg.connect(self.run.addresses["postgres_dsn"]) as target:
            found = target.execute(
                "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'dms_probe%'"
            ).fetchall()
        return [*self.run.left_in_dms(), *schemas, *(str(row[0]) for row in found)]


def _ended(process: "subprocess.Popen[str]") -> str:
    """What it said; killed if it does not end."""
    try:
        said, _ = process.communicate(timeout=PATIENCE_S * 2)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return said


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    folder = tmp_path_factory.mktemp("probe")
    run = LocalRun(folder / "local", copied_pipelines(folder))
    try:
        run.succeed("local", "up")
        template = {
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
            "Outputs": {name: {"Value": value} for name, value in _OUTPUTS.items()},
        }
        run.client("cloudformation").create_stack(
            StackName=_STACK, TemplateBody=json.dumps(template)
        )
        login = urlsplit(run.addresses["mysql_dsn"])
        secret = {"username": login.username, "password": login.password}
        run.client("secretsmanager").create_secret(
            Name="studentdb-admin", SecretString=json.dumps(secret)
        )
        yield run
    finally:
        run.command("local", "down")
        run.kill_everything()


@pytest.fixture
def probe(stack: LocalRun, tmp_path: Path) -> Probe:
    return Probe(stack, tmp_path)


@pytest.mark.soak
def test_local_dms_answers_all_that_can_be_asked_of_it(probe: Probe):
    said = probe.succeed("--yes", "--as-role", _ROLE)
    findings = probe.findings()
    assert {key for key, each in findings.items() if each["status"] == "open"} == _OPEN, said
    assert not [each for each in findings.values() if each["status"] == "failed"]
    assert findings["set-up"]["found"] == f"yes, as {_ROLE}"
    found = {key: each["found"] for key, each in findings.items()}
    assert "STOPPED_AT_SERVER_TIME" in found["server-time-on-idle-source"]
    assert "still running" in found["commit-time-on-idle-source"]
    assert "no longer on the source" in str(findings["purged-log-with-a-limit"]["evidence"])
    assert "'needed', 'character varying', 20, 'YES'" in found["what-is-created"]
    assert "0 inserts" not in found["statistics-after-resume"]
    assert found["transaction-state-after-delete"] in ("it stays", "it is gone")
    [page] = probe.output.glob("*.md")
    assert "## commit-time-boundary: Is a change that was committed in" in page.read_text()
    for secret in probe.run.passwords():
        assert secret not in said + page.read_text()
    assert probe.left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_probe_writes_what_it_knows_and_removes_all(
    probe: Probe, number: signal.Signals
):
    process = probe.begin("--yes")
    wait_for("the instance", probe.run.left_in_dms)
    os.kill(process.pid, number)
    said = _ended(process)
    assert process.returncode != 0, said
    assert {each["status"] for each in probe.findings().values()} <= {"open", "answered"}
    assert probe.left() == []


def test_what_a_killed_probe_left_is_removed_later_and_nothing_else(probe: Probe):
    dms = probe.run.client("dms")
    dms.create_replication_instance(
        ReplicationInstanceIdentifier="dms-probe-of-mine",
        ReplicationInstanceClass="dms.t3.medium",
    )
    process = probe.begin("--yes", "--only", "checkpoint-of-idle-load")
    wait_for("a task", lambda: any("task dms-probe" in left for left in probe.run.left_in_dms()))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(probe.run.left_in_dms()) == 3
    probe.succeed("--clean-up")
    assert probe.left() == ["instance dms-probe-of-mine"]
    [own] = dms.describe_replication_instances()["ReplicationInstances"]
    dms.delete_replication_instance(ReplicationInstanceArn=own["ReplicationInstanceArn"])
    wait_for("its end", lambda: not probe.run.left_in_dms())


def test_probe_that_may_not_create_an_instance_says_so_and_asks_nothing_more(probe: Probe):
    fault = {"kind": "request-refused", "code": "AccessDeniedException"}
    probe.run.inject({**fault, "operation": "CreateReplicationInstance"})
    process = probe.begin("--yes")
    said = _ended(process)
    probe.run.inject()
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "nothing else can be asked" in said
    refused = probe.findings()["set-up"]
    assert refused["status"] == "failed"
    assert "not authorized to perform: dms:CreateReplicationInstance" in refused["found"]
    assert probe.left() == []


def test_nobody_is_charged_who_has_not_said_yes(probe: Probe):
    process = probe.begin()
    said = _ended(process)
    assert process.returncode == 1
    assert "reckoned as 0.12 USD" in said
    assert "Traceback" not in said
    assert probe.left() == []
