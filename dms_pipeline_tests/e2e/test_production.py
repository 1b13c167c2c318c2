"""The parts of a production Dagster are killed; nothing is lost and nobody is mailed twice."""

import os
import signal
from collections.abc import Iterator

import pytest

from dms_pipeline_tests.e2e.loaded_pipeline import LoadedPipeline
from dms_pipeline_tests.e2e.local_run import wait_for
from dms_pipeline_tests.e2e.production import PARTS, Production, loaded_production

# Long enough to be struck in the middle of it.
_WINDOW_S = 8
_NAMES = ("struck", "retried")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    folder = tmp_path_factory.mktemp("production")
    stop = {"window_s": _WINDOW_S}
    with loaded_production(folder, _NAMES, lambda content: content.update(stop=stop)) as made:
        yield made


def _in_the_middle(made: Production, pipeline: LoadedPipeline, **tags: str) -> str:
    """A run of an incremental load whose task has applied two rows and reads on."""
    pipeline.insert(2)
    run_id = made.ui.launch(pipeline.incremental, tags={f"dagster/{k}": v for k, v in tags.items()})
    wait_for("rows of the load", lambda: pipeline.target_rows() == pipeline.source_rows())
    return run_id


def test_a_lost_worker_is_replaced_by_a_run_that_adopts_what_was_made(made: Production):
    assert all(made.is_healthy(part) for part in PARTS)
    pipeline = LoadedPipeline(made.run, "retried")
    lost = _in_the_middle(made, pipeline)
    os.kill(made.worker(lost), signal.SIGKILL)
    assert made.ui.ended(lost) == "FAILURE"
    [again] = wait_for("the run that Dagster starts", lambda: made.ui.children(lost))
    made.ui.succeeds(again)
    assert pipeline.target_rows() == pipeline.source_rows()
    assert [item["run_id"]["S"] for item in pipeline.checkpoints()][1:] == [lost]
    assert pipeline.left_in_dms() == []


@pytest.mark.soak
def test_a_worker_lost_with_the_code_server_ends_its_run_and_a_clean_up_lets_the_next_go_on(
    made: Production,
):
    pipeline = LoadedPipeline(made.run, "struck")
    lost = _in_the_middle(made, pipeline, max_retries="0")
    made.kill("code")
    os.kill(made.worker(lost), signal.SIGKILL)
    # Run monitoring needs no code server: it asks ECS.
    assert made.ui.ended(lost) == "FAILURE"
    assert not made.is_healthy("code")
    made.start("code")
    [mail] = wait_for("the mail of the failure", lambda: pipeline.failure_mails(lost))
    assert "Detected run worker status" in mail.get_content()
    assert "dms-pipeline cleanup struck" in mail.get_content()
    assert len(pipeline.left_in_dms()) == 2
    made.ui.succeeds(made.ui.launch(pipeline.cleanup))
    assert pipeline.left_in_dms() == []
    assert len(pipeline.checkpoints()) == 1
    pipeline.insert(1)
    made.ui.succeeds(made.ui.launch(pipeline.incremental))
    assert pipeline.target_rows() == pipeline.source_rows()
    assert len(pipeline.failure_mails(lost)) == 1
    assert made.ui.children(lost) == []
