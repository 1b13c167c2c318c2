"""The dagster.yaml of production: Dagster loads it, with PostgreSQL, S3 and ECS behind it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
import yaml
from dagster._config import validate_config
from dagster._core.instance.config import dagster_instance_config_schema
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG
from moto import mock_aws

import dms_pipeline
from dms_pipeline.definitions import defs
from dms_pipeline.local_dms.servers import PostgresServer
from dms_pipeline_tests.dagster_records import new_database

DEPLOY = Path(dms_pipeline.__file__).parent / "deploy"
REGION, BUCKET = "us-east-1", "step-output"


@pytest.fixture(scope="module")
def records(postgres: PostgresServer) -> dict[str, str]:
    return new_database(postgres.dsn, "production_instance")


@pytest.fixture
def home(
    records: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A DAGSTER_HOME as the image has it, in an account that has what the stack makes."""
    shutil.copy(DEPLOY / "dagster.yaml", tmp_path)
    keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
    region = {"AWS_DEFAULT_REGION": REGION, "DAGSTER_LOGS_BUCKET": BUCKET}
    for name, value in {**records, **keys, **region}.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        made = boto3.client("ecs").register_task_definition(
            family="run", containerDefinitions=[{"name": "run", "image": "any", "memory": 512}]
        )
        arn = made["taskDefinition"]["taskDefinitionArn"]
        monkeypatch.setenv("DAGSTER_RUN_TASK_DEFINITION", arn)
        yield tmp_path


def _config() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    return config


def test_dagster_accepts_it_and_refuses_a_misspelt_word():
    schema = dagster_instance_config_schema()
    assert validate_config(schema, _config()).success
    assert not validate_config(schema, {**_config(), "run_monitorng": {}}).success


def test_records_are_in_postgres_output_in_s3_and_runs_on_ecs(home: Path):
    with dg.DagsterInstance.from_config(str(home)) as instance:
        storages = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
        names = {type(storage).__name__ for storage in storages}
        assert names == {"PostgresRunStorage", "PostgresEventLogStorage", "PostgresScheduleStorage"}
        assert type(instance.compute_log_manager).__name__ == "S3ComputeLogManager"
        launcher: Any = instance.run_launcher
        assert type(launcher).__name__ == "EcsRunLauncher"
        assert launcher.task_definition == os.environ["DAGSTER_RUN_TASK_DEFINITION"]
        assert launcher.secrets_tags == []
        assert launcher.supports_check_run_worker_health


def test_what_runs_do_is_kept_and_what_they_print_is_in_the_bucket(home: Path):
    @dg.op
    def hello() -> None:
        print("hello from a step")

    @dg.job
    def greeting() -> None:
        hello()

    with dg.DagsterInstance.from_config(str(home)) as instance:
        run_id = greeting.execute_in_process(instance=instance).run_id
    with dg.DagsterInstance.from_config(str(home)) as instance:
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.status == dg.DagsterRunStatus.SUCCESS
    objects = boto3.client("s3").list_objects_v2(Bucket=BUCKET)["Contents"]
    bodies = [
        boto3.client("s3").get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
        for each in objects
    ]
    assert any(b"hello from a step" in body for body in bodies)
    assert all(each["Key"].startswith("dagster/") for each in objects)


def test_a_lost_worker_is_replaced_by_a_run_of_its_own(home: Path):
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_resume_run_attempts == 0
        assert instance.run_retries_enabled
        assert instance.run_retries_max_retries == 2
        assert not instance.run_retries_retry_on_asset_or_op_failure


def test_pools_count_runs_as_on_one_machine_and_no_tag_holds_back_a_clean_up(home: Path):
    local = yaml.safe_load((DEPLOY.parents[1] / "dagster.yaml").read_text())
    assert _config()["concurrency"]["pools"] == local["concurrency"]["pools"]
    with dg.DagsterInstance.from_config(str(home)) as instance:
        limits = instance.get_concurrency_config()
        assert limits.pool_config.default_pool_limit == 1
        assert limits.run_queue_config is not None
        assert not limits.run_queue_config.tag_concurrency_limits


def test_no_run_is_allowed_longer_than_the_limit_of_all_runs():
    limit = _config()["run_monitoring"]["max_runtime_seconds"]
    jobs = [defs.resolve_job_def(name) for name in ("studentdb_full_load",)]
    assert [job.tags[MAX_RUNTIME_SECONDS_TAG] for job in jobs] == [str(limit)]


_UNPRIVILEGED = """
import os
from pathlib import Path
import dagster as dg
from dms_pipeline.launch import dagster_instance

home = Path("home")
# All is imported before the privileges to read it are given up.
dg.DagsterInstance.from_config(str(home)).dispose()
if os.geteuid() == 0:
    os.setuid(65534)
with dagster_instance(home) as instance:
    print(instance.get_runs_count(), *home.iterdir())
"""


def test_a_home_that_cannot_be_written_serves_the_command_line(
    records: dict[str, str], tmp_path: Path
):
    """As in the image, where the files are root's and nobody is root."""
    tmp_path.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(DEPLOY / "dagster.yaml", home)
    home.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _UNPRIVILEGED],
        cwd=tmp_path,
        env={**os.environ, **records, "DAGSTER_LOGS_BUCKET": BUCKET, "AWS_DEFAULT_REGION": REGION},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[1:] == ["home/dagster.yaml"]
