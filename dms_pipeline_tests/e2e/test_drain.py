"""Loads whose window ends before they have read all: extended, carried over, or failed.

Half of the changes cannot be applied within the window, because somebody reads the target's table
in a long transaction, which a change of the table has to wait for.
"""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from dms_pipeline_tests.e2e.dagster_dev import failure_mails
from dms_pipeline_tests.e2e.loaded_pipeline import LoadedPipeline, load_full
from dms_pipeline_tests.e2e.local_run import LocalRun, copied_pipelines, wait_for

_POLICIES = {"extended": "extend", "carried": "carry_over", "failing": "fail"}


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, LoadedPipeline]]:
    folder = tmp_path_factory.mktemp("drain")
    run = LocalRun(folder / "local", copied_pipelines(folder))
    pipelines = {name: LoadedPipeline(run, name) for name in _POLICIES}
    for name, pipeline in pipelines.items():
        stop = {"when_behind": _POLICIES[name], "window_s": 3}
        pipeline.configure(lambda content, stop=stop: content.update(stop=stop))  # type: ignore[misc]
    try:
        run.succeed("local", "up")
        load_full(pipelines.values())
        yield pipelines
    finally:
        run.command("local", "down")
        run.kill_everything()


def _stop_time(pipeline: LoadedPipeline, process: "subprocess.Popen[str]") -> datetime | None:
    """Until when the pipeline's task reads, once it is known."""
    assert process.poll() is None, process.communicate()[0]
    for task in pipeline.run.client("dms").describe_replication_tasks()["ReplicationTasks"]:
        if task["ReplicationTaskIdentifier"].endswith(pipeline.name) and "CdcStopPosition" in task:
            text = task["CdcStopPosition"].partition(":")[2]
            return datetime.fromisoformat(text).replace(tzinfo=UTC)
    return None


def _load_with_a_reader(pipeline: LoadedPipeline) -> "subprocess.Popen[str]":
    """A load of two rows of which the first is there when its window ends."""
    pipeline.insert(1)
    pipeline.run.execute(f"ALTER TABLE {pipeline.table} ADD COLUMN note varchar(9) DEFAULT 'new'")
    pipeline.insert(1)
    with psycopg.connect(pipeline.run.addresses["postgres_dsn"]) as reader:
        reader.execute(f"SELECT * FROM {pipeline.table}")
        process = pipeline.run.begin("run", pipeline.name, "incremental")
        stop = wait_for("the stop time", lambda: _stop_time(pipeline, process))
        wait_for("the end of the window", lambda: datetime.now(UTC) > stop)
        # Others would wait behind the change of the table.
        rows = reader.execute(f"SELECT * FROM {pipeline.table}").fetchall()
    assert len(rows) == 4
    return process


def test_load_that_is_behind_is_extended_until_it_is_not(pipelines: dict[str, LoadedPipeline]):
    pipeline = pipelines["extended"]
    process = _load_with_a_reader(pipeline)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert "extending" in output
    assert pipeline.target_rows() == pipeline.source_rows()
    assert [item["behind"]["S"] for item in pipeline.checkpoints()] == ["", ""]
    assert pipeline.left_in_dms() == []


def test_load_that_is_behind_is_carried_over_with_a_warning(pipelines: dict[str, LoadedPipeline]):
    pipeline = pipelines["carried"]
    process = _load_with_a_reader(pipeline)
    output = process.communicate()[0]
    assert process.returncode == 0, output
    assert "the load is behind: " in output
    newest = pipeline.checkpoints()[-1]
    assert newest["behind"]["S"] in output
    assert int(newest["behind_bytes"]["N"]) > 0
    assert len(pipeline.target_rows()) == 4
    pipeline.run.succeed("run", pipeline.name, "incremental")
    assert pipeline.target_rows() == pipeline.source_rows()
    assert pipeline.checkpoints()[-1]["behind"]["S"] == ""


def test_load_that_is_behind_may_fail(pipelines: dict[str, LoadedPipeline]):
    pipeline = pipelines["failing"]
    before = pipeline.checkpoints()
    process = _load_with_a_reader(pipeline)
    output = process.communicate()[0]
    assert process.returncode == 1, output
    assert "Traceback" not in output
    assert "give it a longer stop.window_s" in output
    assert pipeline.checkpoints() == before
    [mail] = [mail for mail in failure_mails(pipeline.run) if pipeline.name in mail["Subject"]]
    assert "give it a longer stop.window_s" in mail.get_content()
    pipeline.run.succeed("cleanup", pipeline.name)
    pipeline.run.succeed("run", pipeline.name, "incremental")
    assert pipeline.target_rows() == pipeline.source_rows()
