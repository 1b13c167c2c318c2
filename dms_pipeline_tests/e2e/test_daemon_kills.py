"""The daemon of a production Dagster is killed again and again while schedules run every minute."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from dms_pipeline_tests.e2e.dagster_dev import ENDED
from dms_pipeline_tests.e2e.loaded_pipeline import LoadedPipeline
from dms_pipeline_tests.e2e.local_run import wait_for
from dms_pipeline_tests.e2e.production import Production, loaded_production

_NAMES = ("hourly", "daily")
_MINUTES = 8
_REPLACED_BY = "dagster/auto_retry_run_id"
_START = """mutation ($selector: ScheduleSelector!) {
  startSchedule(scheduleSelector: $selector) {
    __typename ... on ScheduleStateResult {scheduleState {id selectorId}}}}"""
_STOP = """mutation ($id: String!) {stopRunningSchedule(id: $id) {__typename}}"""
_RUNS = """query ($job: String!) {runsOrError(filter: {pipelineName: $job}) {
  ... on Runs {results {runId parentRunId status tags {key value}}}}}"""

pytestmark = pytest.mark.soak


@pytest.fixture
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    folder = tmp_path_factory.mktemp("daemon-kills")
    with loaded_production(folder, _NAMES, _every_minute) as made:
        yield made


def _every_minute(content: dict[str, Any]) -> None:
    content["schedule"]["cron"] = "* * * * *"
    content["stop"] = {"window_s": 1}


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of a job; ``minute`` is that of the tick that it or its first try is of.

    ``is_over``: it has ended, and Dagster puts no other in its place that is not there yet.
    """

    run_id: str
    minute: datetime
    parent: str | None
    status: str
    is_over: bool


def _runs(made: Production, pipeline: LoadedPipeline) -> list[_Run]:
    found = []
    for row in made.ui.ask(_RUNS, job=pipeline.incremental)["results"]:
        tags = {each["key"]: each["value"] for each in row["tags"]}
        minute = datetime.fromisoformat(tags["dagster/run_key"])
        is_awaited = tags.get("dagster/will_retry") == "true" and _REPLACED_BY not in tags
        is_over = row["status"] in ENDED and not is_awaited
        found.append(_Run(row["runId"], minute, row["parentRunId"], row["status"], is_over))
    return found


def _kill_until(made: Production, end: float, rng: random.Random) -> int:
    """How many times the daemon was killed: at any time, and in each minute as runs are due."""
    kills = 0
    while (now := time.time()) < end:
        pause, to_tick = rng.uniform(3, 14), 60 - now % 60
        time.sleep(pause if pause < to_tick else to_tick + rng.uniform(-0.5, 9))
        made.kill("daemon")
        kills += 1
        for name in _NAMES:
            LoadedPipeline(made.run, name).insert(rng.randrange(3))
        time.sleep(rng.uniform(0, 2))
        made.start("daemon")
    return kills


@pytest.mark.parametrize("seed", [77])
def test_each_tick_has_one_run_and_every_load_goes_on(made: Production, seed: int):
    rng = random.Random(seed)
    pipelines = [LoadedPipeline(made.run, name) for name in _NAMES]
    # The whole of a minute lies between starting the schedules and their first tick.
    time.sleep(60 - time.time() % 60 + 5)
    first = time.time()
    states = [
        made.ui.ask(_START, selector={**made.ui.location, "scheduleName": f"{name}_schedule"})
        for name in _NAMES
    ]
    kills = _kill_until(made, first + 60 * _MINUTES, rng)
    # The last tick is over before the schedules stop.
    time.sleep(max(0.0, 30 - time.time() % 60))
    for state in states:
        made.ui.ask(_STOP, id=state["scheduleState"]["id"])
    last = time.time()
    wait_for("the end of all runs", lambda: all(_are_over(made, each) for each in pipelines))
    due = [datetime.fromtimestamp(at, UTC) for at in range(_minute(first) + 60, int(last) + 1, 60)]
    for pipeline in pipelines:
        runs = _runs(made, pipeline)
        print(f"seed {seed}: {kills} kills, {len(due)} ticks, {len(runs)} runs of {pipeline.name}")
        assert sorted(run.minute for run in runs if run.parent is None) == due
        loaded = _loaded_ticks(made, pipeline, runs)
        assert len(pipeline.checkpoints()) == 1 + len(loaded)
        # The changes of a tick that was not loaded come with the next load.
        made.ui.succeeds(made.ui.launch(pipeline.incremental))
        assert pipeline.target_rows() == pipeline.source_rows()
        assert pipeline.left_in_dms() == []
        assert not pipeline.is_leased()


def _minute(at: float) -> int:
    return int(at) // 60 * 60


def _are_over(made: Production, pipeline: LoadedPipeline) -> bool:
    return all(run.is_over for run in _runs(made, pipeline))


def _loaded_ticks(made: Production, pipeline: LoadedPipeline, runs: list[_Run]) -> set[datetime]:
    """Those with a run that succeeded, which no tick has twice.

    All others never began: the daemon was killed after it had said that it starts them, and before
    it had. Each of these is mailed.
    """
    succeeded = [run.minute for run in runs if run.status == "SUCCESS"]
    assert len(succeeded) == len(set(succeeded))
    for run in runs:
        if run.status != "SUCCESS":
            assert "to start" in "".join(made.ui.said(run.run_id)), run
            wait_for("its mail", partial(pipeline.failure_mails, run.run_id))
    print(
        f"{len(set(succeeded))} ticks of {pipeline.name} loaded, {len(runs) - len(succeeded)} lost"
    )
    return set(succeeded)
