"""`kill -9` of a run's worker before or after any of its AWS calls, and what ends it well then."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from dms_pipeline.launch import dagster_instance
from dms_pipeline_tests.e2e.deadly_proxy import DeadlyProxy, deadly_proxy
from dms_pipeline_tests.e2e.loaded_pipeline import LoadedPipeline
from dms_pipeline_tests.e2e.local_run import PATIENCE_S, LocalRun, copied_pipelines
from dms_pipeline_tests.e2e.run_worker import execute
from dms_pipeline_tests.warm_process import start_warm

_NAME = "deadly"
# Each load has more AWS calls than this; how many depends on how often it looks.
_FEWEST = 45


@dataclass(frozen=True, slots=True)
class Workers:
    """Runs of one pipeline, whose workers reach AWS through a proxy that may kill them."""

    pipeline: LoadedPipeline
    proxy: DeadlyProxy
    dagster_home: Path

    @property
    def output(self) -> Path:
        """What the newest worker said."""
        return self.dagster_home / "worker.log"

    def dies(self, number: int, *, dies_after: bool) -> str:
        """A load of two inserts whose worker dies at that call; empty if it has not as many."""
        self.pipeline.insert(2)
        self.proxy.arm(number, dies_after=dies_after)
        code = self.work(self.pipeline.incremental)
        if code == 0:
            return ""
        assert code < 0, self.output.read_text()
        return f"{'after' if dies_after else 'before'} call {number}, {self.proxy.calls[-1]}"

    def work(self, job: str, died: str = "") -> int:
        """The exit code of a worker; negative if it was killed."""
        with self.output.open("w") as output:
            worker = start_warm(execute, job, died, environment=self._environment(), output=output)
        assert worker.pid is not None
        self.proxy.victim = worker.pid
        worker.join(PATIENCE_S)
        assert worker.exitcode is not None
        return worker.exitcode

    def _environment(self) -> dict[str, str]:
        return self.pipeline.run.environment(
            DMS_PIPELINE_DEPLOYMENT="aws",
            AWS_ENDPOINT_URL=self.proxy.url,
            AWS_ACCESS_KEY_ID="any",
            AWS_SECRET_ACCESS_KEY="any",
            AWS_DEFAULT_REGION="us-east-1",
            DMS_POLL_INTERVAL_S="0.1",
            DMS_DRAIN_WINDOW_S="1",
            DAGSTER_HOME=str(self.dagster_home),
        )

    def newest_run(self) -> str:
        with dg.DagsterInstance.from_config(str(self.dagster_home)) as instance:
            return next(iter(instance.get_runs(limit=1))).run_id


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    folder = tmp_path_factory.mktemp("deadly")
    run = LocalRun(folder / "local", copied_pipelines(folder))
    pipeline = LoadedPipeline(run, _NAME)
    pipeline.configure(lambda _content: None)
    try:
        run.succeed("local", "up")
        pipeline.create_table()
        run.succeed("run", _NAME, "full-load")
        dagster_home = folder / "dagster"
        with deadly_proxy(run.addresses["endpoint_url"]) as proxy, dagster_instance(dagster_home):
            yield Workers(pipeline, proxy, dagster_home)
    finally:
        run.command("local", "down")
        run.kill_everything()


def _dies_and_is_re_executed(workers: Workers, number: int, *, dies_after: bool) -> bool:
    """Whether the run has as many calls as that; if it does, the same run ends well."""
    pipeline, proxy = workers.pipeline, workers.proxy
    before = pipeline.checkpoints()
    where = workers.dies(number, dies_after=dies_after)
    if not where:
        return False
    owner, carried_out = workers.newest_run(), proxy.carried_out
    proxy.arm()
    assert workers.work(pipeline.incremental, died=owner) == 0, where
    carried_out = carried_out + proxy.carried_out
    assert pipeline.target_rows() == pipeline.source_rows(), where
    [*old, new] = pipeline.checkpoints()
    assert old == before, where
    assert new["run_id"]["S"] == owner, where
    own = [row for row in pipeline.metrics() if row["run_id"]["S"] == owner]
    assert [row["Inserts"]["N"] for row in own if "Inserts" in row] == ["2"], where
    assert len([row for row in own if "billed_s" in row]) == 1, where
    assert carried_out.count("CreateReplicationInstance") == 1, where
    assert carried_out.count("CreateReplicationTask") == 1, where
    assert pipeline.left_in_dms() == [], where
    assert not pipeline.is_leased(), where
    return True


def _dies_and_another_is_launched(workers: Workers, number: int, *, dies_after: bool) -> bool:
    """Whether the run has as many calls as that; if it does, the next says how to go on."""
    pipeline, proxy = workers.pipeline, workers.proxy
    where = workers.dies(number, dies_after=dies_after)
    if not where:
        return False
    owner, created = workers.newest_run(), proxy.carried_out.count("CreateReplicationInstance")
    recorded = [item["run_id"]["S"] for item in pipeline.checkpoints()]
    left = pipeline.left_in_dms()
    proxy.arm()
    if workers.work(pipeline.incremental) != 0:
        said = workers.output.read_text()
        assert owner in said, where
        assert f"`dms-pipeline cleanup {pipeline.name}`" in said, where
        # What was being deleted may be gone by now.
        assert set(pipeline.left_in_dms()) <= set(left), where
        assert workers.work(pipeline.cleanup) == 0, where
        assert pipeline.left_in_dms() == [], where
        assert workers.work(pipeline.incremental) == 0, where
    assert pipeline.target_rows() == pipeline.source_rows(), where
    now = [item["run_id"]["S"] for item in pipeline.checkpoints()]
    assert now == [*recorded, workers.newest_run()], where
    assert proxy.carried_out.count("CreateReplicationInstance") == 1, where
    assert created <= 1, where
    assert pipeline.left_in_dms() == [], where
    assert not pipeline.is_leased(), where
    return True


def test_run_killed_at_some_of_its_aws_calls_ends_well_when_re_executed(workers: Workers):
    chance = random.Random(20261126)
    for number in sorted(chance.sample(range(1, _FEWEST), 3)):
        assert _dies_and_is_re_executed(workers, number, dies_after=chance.random() < 0.5)


@pytest.mark.soak
@pytest.mark.parametrize("dies_after", [False, True], ids=["before the call", "after the call"])
def test_run_killed_at_any_of_its_aws_calls_ends_well_when_re_executed(
    workers: Workers, dies_after: bool
):
    number = 1
    while _dies_and_is_re_executed(workers, number, dies_after=dies_after):
        number += 1
    assert number > _FEWEST


@pytest.mark.soak
def test_next_run_after_one_killed_at_any_of_its_aws_calls_says_how_to_go_on(workers: Workers):
    chance = random.Random(20261126)
    number = 1
    while _dies_and_another_is_launched(workers, number, dies_after=chance.random() < 0.5):
        number += 1
    assert number > _FEWEST
