"""A stack of the template, `configure`, and the AWS deployment on what both say.

The endpoint is the local one; all else is as on AWS: nothing is provisioned but by the template,
and the pipeline gets only what `configure` wrote, and keys to sign with.
"""

import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from dms_pipeline.aws.secrets import DatabaseSecrets
from dms_pipeline.cli import students
from dms_pipeline.local_dms.stack import LocalStack
from dms_pipeline_tests.e2e.local_run import LocalRun, change_yaml, copied_pipelines
from dms_pipeline_tests.stack_template import create_in_dms, deploy, files_of_jump_host

_STACK = "student-loads"


@dataclass(frozen=True, slots=True)
class Account:
    """An account in which the stack was deployed, on databases that were there before."""

    run: LocalRun
    physical_ids: dict[str, str]

    @property
    def aws(self) -> dict[str, str]:
        """Where AWS is, and as whom it is called."""
        return {
            "AWS_ENDPOINT_URL": self.run.addresses["endpoint_url"],
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
        }

    def configure(self, file: Path, *, stack: str = _STACK, **changes: str) -> Any:
        arguments = ("--stack", stack, "--region", "us-east-1", "--output", str(file))
        return self.run.command("configure", *arguments, **self.aws, **changes)

    def load(self, kind: str, written: Path, **changes: str) -> Any:
        """`dms-pipeline run` with the written environment; only its patience is a test's."""
        variables = {name: value or "" for name, value in dotenv_values(written).items()}
        patience = {"DMS_POLL_INTERVAL_S": "0.2", "DMS_DRAIN_WINDOW_S": "2"}
        where = {"DAGSTER_HOME": str(self.run.home / "dagster")}
        return self.run.command(
            "run", "studentdb", kind, **{**self.aws, **variables, **patience, **where, **changes}
        )

    def execute_on_jump_host(self, script: str) -> None:
        """What `source-mysql < script` does there."""
        text = files_of_jump_host()[f"/usr/local/share/studentdb/{script}"]
        for statement in filter(str.strip, text.split(";\n")):
            self.run.execute(statement)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    folder = tmp_path_factory.mktemp("deployed")
    run = LocalRun(folder / "local", copied_pipelines(folder))
    stack = LocalStack(run.home)
    try:
        servers = stack.up()
        secrets = DatabaseSecrets(run.client("secretsmanager"))
        secrets.write("studentdb-source", asdict(servers.source))
        secrets.write("studentdb-target", asdict(servers.target))
        physical_ids = deploy(
            run.client("cloudformation"),
            _STACK,
            SourceSecretArn=_arn(run, "studentdb-source"),
            TargetSecretArn=_arn(run, "studentdb-target"),
            SourcePort=str(servers.source.port),
            TargetPort=str(servers.target.port),
            TargetDatabase=servers.target.dbname,
        )
        create_in_dms(run.client("dms"), run.client("ssm"), physical_ids)
        yield Account(run, physical_ids)
    finally:
        stack.down()
        run.kill_everything()


def _arn(run: LocalRun, secret: str) -> str:
    arn: str = run.client("secretsmanager").describe_secret(SecretId=secret)["ARN"]
    return arn


@pytest.fixture(scope="module")
def written(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `configure` wrote, with which the first rows were loaded."""
    file = tmp_path_factory.mktemp("written") / "aws.env"
    done = account.configure(file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stderr
    account.execute_on_jump_host("create.sql")
    assert account.run.source_rows() == students.first_students()
    full = account.load("full-load", file)
    assert full.returncode == 0, full.stdout + full.stderr
    assert account.run.target_rows() == students.first_students()
    return file


def test_pipeline_loads_with_what_configure_wrote_and_nothing_else(account: Account, written: Path):
    run, mails = account.run, len(account.run.mails())
    account.execute_on_jump_host("insert.sql")
    account.execute_on_jump_host("insert.sql")
    assert run.source_rows()[7:] == students.new_students(8, 2)
    done = account.load("incremental", written)
    assert done.returncode == 0, done.stdout + done.stderr
    assert run.target_rows() == run.source_rows()
    assert run.left_in_dms() == []
    (latest,) = (row for row in run.checkpoints() if row["version"]["S"] == "latest")
    assert latest["sequence"]["N"] == "2"
    assert len(run.mails()) == mails + 1


def test_instance_is_made_in_the_written_subnet_group(account: Account, written: Path):
    done = account.load("incremental", written, DMS_SUBNET_GROUP="elsewhere")
    assert done.returncode == 1
    assert "elsewhere" in done.stderr
    assert "DMS_SUBNET_GROUP" in done.stderr


def test_what_configure_writes_is_for_its_owner_has_no_secret_and_is_always_the_same(
    account: Account, written: Path
):
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    text = written.read_text()
    assert not [password for password in account.run.passwords() if password in text]
    assert account.configure(written).returncode == 0
    assert written.read_text() == text
    assert list(written.parent.iterdir()) == [written]


def test_stack_that_is_not_there_is_an_error_and_no_file(account: Account, tmp_path: Path):
    done = account.configure(tmp_path / "aws.env", stack="missing")
    assert done.returncode == 1
    assert "there is no stack missing in us-east-1" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_pipeline_that_uses_another_endpoint_is_warned_of(account: Account, tmp_path: Path):
    def elsewhere(folder: Path) -> None:
        change_yaml(folder / "pipeline.yaml", lambda file: file["target"].update(endpoint="other"))

    changed = account.run.pipelines_with("elsewhere", elsewhere)
    done = account.configure(tmp_path / "aws.env", DMS_PIPELINES_DIR=changed)
    assert done.returncode == 0
    assert "target.endpoint: other, the stack's is studentdb-target; write that" in done.stderr
    assert (tmp_path / "aws.env").exists()
