"""Runs of a real Dagster that are killed, terminated, overdue, or launched together.

All tests share one home and its `dms-pipeline dev`; each has pipelines of its own, so that neither
the order of the tests nor what goes on beside them counts.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from dms_pipeline_tests.e2e.dagster_dev import DagsterDev, Ui, dagster_dev
from dms_pipeline_tests.e2e.loaded_pipeline import LoadedPipeline, load_full
from dms_pipeline_tests.e2e.local_run import LocalRun, copied_pipelines, wait_for

_DAGSTER_YAML = Path(__file__).parents[2] / "dagster.yaml"
# Long enough to be struck in the middle of it.
_WINDOW_S = 15
_NO_RETRY = {"dagster/max_retries": "0"}
_STRUCK = ("killed", "canceled", "interrupted", "overdue", "retried")
_OTHERS = ("queued", "raced", "survivor", "lost")


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    folder = tmp_path_factory.mktemp("bad-days")
    run = LocalRun(folder / "local", copied_pipelines(folder))
    for name in (*_STRUCK, *_OTHERS):
        window_s = 1 if name in ("queued", "raced") else _WINDOW_S
        stop = {"window_s": window_s}
        LoadedPipeline(run, name).configure(lambda content, stop=stop: content.update(stop=stop))  # type: ignore[misc]
    try:
        # Up before, the servers stay up when `dev` ends.
        run.succeed("local", "up")
        _impatient_dagster(run.home / "dagster")
        with dagster_dev(run, folder) as dev:
            yield dev
    finally:
        run.kill_everything()


def _impatient_dagster(home: Path) -> None:
    """Our dagster.yaml with the documented retries, which looks at its runs more often."""
    config: dict[str, Any] = yaml.safe_load(_DAGSTER_YAML.read_text())
    config["run_monitoring"]["poll_interval_seconds"] = 1
    config["run_queue"] = {"dequeue_interval_seconds": 1}
    config["run_retries"] = {
        "enabled": True,
        "max_retries": 1,
        "retry_on_asset_or_op_failure": False,
    }
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text(yaml.safe_dump(config))


def _loaded(dev: DagsterDev, *names: str) -> list[LoadedPipeline]:
    """These pipelines after their full load, which run side by side, and two inserts."""
    pipelines = [LoadedPipeline(dev.run, name) for name in names]
    load_full(pipelines)
    for pipeline in pipelines:
        assert pipeline.target_rows() == pipeline.source_rows()
        pipeline.insert(2)
    return pipelines


def _is_in_the_middle(pipeline: LoadedPipeline) -> bool:
    """Whether the pipeline's task runs, two rows in."""
    return pipeline.target_rows() == pipeline.source_rows()


def _ends_well(pipeline: LoadedPipeline, owner: str, *, inserts: int = 2) -> None:
    """One load since the full load, recorded once, with nothing left of it."""
    assert pipeline.target_rows() == pipeline.source_rows()
    assert [item["sequence"]["N"] for item in pipeline.checkpoints()] == ["1", "2"]
    assert pipeline.checkpoints()[-1]["run_id"]["S"] == owner
    own = [row for row in pipeline.metrics() if row["run_id"]["S"] == owner]
    assert [row["Inserts"]["N"] for row in own if "Inserts" in row] == [str(inserts)]
    assert len([row for row in own if "billed_s" in row]) == 1
    assert pipeline.left_in_dms() == []
    assert not pipeline.is_leased()


def _kill(ui: Ui, run_id: str) -> None:
    os.kill(ui.worker(run_id), signal.SIGKILL)


def _interrupt(ui: Ui, run_id: str) -> None:
    os.kill(ui.worker(run_id), signal.SIGTERM)


def _terminate(ui: Ui, run_id: str) -> None:
    ui.terminate(run_id)


def _wait(_ui: Ui, _run_id: str) -> None:
    """Run monitoring does it."""


_EVERY_STRIKE: dict[str, tuple[Callable[[Ui, str], None], set[str], str]] = {
    "retried": (_kill, {"FAILURE"}, "signal 9 (SIGKILL)"),
    "killed": (_kill, {"FAILURE"}, "signal 9 (SIGKILL)"),
    "interrupted": (_interrupt, {"FAILURE"}, "interrupted unexpectedly"),
    "canceled": (_terminate, {"CANCELED"}, "The run was terminated."),
    # Its worker, which reports CANCELED, and run monitoring, which reports FAILURE, race.
    "overdue": (_wait, {"FAILURE", "CANCELED"}, "exceeding maximum runtime of 8 seconds"),
}


def test_runs_that_are_struck_down_are_mailed_once_and_end_well_when_re_executed(dev: DagsterDev):
    pipelines = {pipeline.name: pipeline for pipeline in _loaded(dev, *_STRUCK)}
    runs = _struck_down(dev.ui, pipelines)
    retry = _retried_by_dagster(dev.ui, pipelines.pop("retried"), runs.pop("retried"))
    for name, run_id in runs.items():
        _is_mailed(pipelines[name], run_id, _EVERY_STRIKE[name][2])
    _next_run_names_the_leftovers(dev.ui, pipelines["killed"], runs["killed"])
    again = {
        name: dev.ui.relaunch(run_id, tags={"dagster/max_runtime": "600"})
        for name, run_id in runs.items()
    }
    for name, run_id in again.items():
        dev.ui.succeeds(run_id)
        _ends_well(pipelines[name], runs[name])
        assert len(pipelines[name].failure_mails(runs[name])) == 1
        assert pipelines[name].failure_mails(run_id) == []
    retry()


def _struck_down(ui: Ui, pipelines: dict[str, LoadedPipeline]) -> dict[str, str]:
    """A run of each pipeline, ended in the middle of it."""
    runs = {}
    for name, pipeline in pipelines.items():
        limit = {"dagster/max_runtime": "8"} if name == "overdue" else {}
        retries = {} if name == "retried" else _NO_RETRY
        runs[name] = ui.launch(pipeline.incremental, tags={**retries, **limit})
    waiting = set(runs)

    def strike_those_in_the_middle() -> bool:
        for name in sorted(waiting):
            if _is_in_the_middle(pipelines[name]):
                _EVERY_STRIKE[name][0](ui, runs[name])
                waiting.remove(name)
        return not waiting

    wait_for("the first rows of all", strike_those_in_the_middle)
    for name, (_, statuses, _) in _EVERY_STRIKE.items():
        assert ui.ended(runs[name]) in statuses, name
        assert len(pipelines[name].checkpoints()) == 1
    return runs


def _retried_by_dagster(ui: Ui, pipeline: LoadedPipeline, killed: str) -> Callable[[], None]:
    """Dagster's own retry; the answer waits for its end, and for the one mail."""
    (retry,) = wait_for("Dagster's retry", lambda: ui.children(killed))

    def ends_well() -> None:
        ui.succeeds(retry)
        _ends_well(pipeline, killed)
        (mail,) = wait_for("the mail of the killed run", lambda: pipeline.failure_mails(killed))
        assert "Dagster re-executes it by itself." in mail.get_content()

    return ends_well


def _is_mailed(pipeline: LoadedPipeline, run_id: str, reason: str) -> None:
    mails = wait_for(f"the mail of {pipeline.name}", lambda: pipeline.failure_mails(run_id))
    assert [mail["Subject"] for mail in mails] == [
        f"{pipeline.name}: {pipeline.incremental} failed"
    ]
    text = mails[0].get_content()
    for words in (
        reason,
        f"The run was in its step {pipeline.name}.run_task.",
        f"replication task dms-pipeline-{pipeline.name} (",
        f"replication instance dms-pipeline-{pipeline.name} (",
        "re-execute the run from its failure",
        f"`dms-pipeline cleanup {pipeline.name}`",
    ):
        assert words in text, text
    assert "Traceback" not in text


def _next_run_names_the_leftovers(ui: Ui, pipeline: LoadedPipeline, left_by: str) -> None:
    refused = ui.launch(pipeline.incremental, tags=_NO_RETRY)
    assert ui.ended(refused) == "FAILURE"
    said = "\n".join(ui.said(refused))
    assert f"is left over from run {left_by}" in said
    assert f"`dms-pipeline cleanup {pipeline.name}`" in said


def test_loads_launched_together_run_one_after_the_other(dev: DagsterDev):
    pipeline = LoadedPipeline(dev.run, "queued")
    pipeline.create_table()
    # Dagster limits a pool from the first run on that it takes from the queue.
    dev.ui.succeeds(dev.ui.launch(pipeline.full))
    pipeline.insert(2)
    # What "Materialize" asks for on the page of a table: all that a load makes together.
    assets = [{"path": pipeline.asset}, {"path": ["dms", pipeline.name]}]
    runs = [
        dev.ui.launch(pipeline.incremental),
        dev.ui.launch(pipeline.incremental),
        dev.ui.launch("__ASSET_JOB", assetSelection=assets, assetCheckSelection=[]),
    ]
    for run_id in runs:
        dev.ui.succeeds(run_id)
    lives = sorted(_life_of_the_instance(pipeline, run_id) for run_id in runs)
    for (_, gone), (created, _) in pairwise(lives):
        assert created >= gone
    assert [item["sequence"]["N"] for item in pipeline.checkpoints()] == ["1", "2", "3", "4"]
    assert pipeline.target_rows() == pipeline.source_rows()
    assert pipeline.left_in_dms() == []
    assert not pipeline.is_leased()


def _life_of_the_instance(pipeline: LoadedPipeline, run_id: str) -> tuple[float, float]:
    (checkpoint,) = (row for row in pipeline.checkpoints() if row["run_id"]["S"] == run_id)
    (cost,) = (
        row for row in pipeline.metrics() if row["run_id"]["S"] == run_id and "billed_s" in row
    )
    created = datetime.fromisoformat(checkpoint["instance_created_at"]["S"]).timestamp()
    return created, created + float(cost["billed_s"]["S"])


def test_of_two_commands_at_once_one_loads_and_the_other_names_it(dev: DagsterDev):
    (pipeline,) = _loaded(dev, "raced")
    # Outside of Dagster's queue only the lease keeps them apart.
    both = [dev.run.begin("run", pipeline.name, "incremental") for _ in range(2)]
    said = {process.returncode: output for process, output in map(_finished, both)}
    assert sorted(said) == [0, 1], said
    (winner,) = (item["run_id"]["S"] for item in pipeline.checkpoints()[1:])
    assert f"(run {winner})" in said[0]
    assert "Traceback" not in said[1]
    assert f"is being loaded by run {winner} since" in said[1]
    _ends_well(pipeline, winner)


def _finished(process: "subprocess.Popen[str]") -> tuple["subprocess.Popen[str]", str]:
    return process, process.communicate(timeout=120)[0]


def test_dagster_killed_and_started_again_loses_and_doubles_nothing(dev: DagsterDev):
    survivor, lost = _loaded(dev, "survivor", "lost")
    alive = dev.ui.launch(survivor.incremental, tags=_NO_RETRY)
    dead = dev.ui.launch(lost.incremental, tags=_NO_RETRY)
    wait_for("the first rows", lambda: all(map(_is_in_the_middle, (survivor, lost))))
    dev.kill(but={*_family(dev.ui.worker(alive)), *_servers(dev.run)})
    dev.start()
    dev.ui.succeeds(alive)
    _ends_well(survivor, alive)
    # Nobody has seen the other one's worker die.
    assert dev.ui.run(dead)["status"] == "STARTED"
    dev.ui.terminate(dead, "MARK_AS_CANCELED_IMMEDIATELY")
    assert dev.ui.ended(dead) == "CANCELED"
    _is_mailed(lost, dead, "The run was terminated")
    dev.ui.succeeds(dev.ui.launch(f"{lost.name}_cleanup"))
    assert lost.left_in_dms() == []
    assert len(lost.checkpoints()) == 1
    new = dev.ui.launch(lost.incremental)
    dev.ui.succeeds(new)
    _ends_well(lost, new)
    assert len(lost.failure_mails(dead)) == 1


def _family(pid: int) -> set[int]:
    return {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}


def _servers(run: LocalRun) -> set[int]:
    return set().union(*(_family(run.pid(part)) for part in ("source", "target", "aws")))
