"""What the sensors say of a run that was ended from outside, and whether somebody continues it."""

from collections.abc import Iterator

import dagster as dg
import pytest

from dms_pipeline import automation
from dms_pipeline.automation import PIPELINE_TAG, _who_goes_on, build_sensors
from dms_pipeline.failures import why_ended
from dms_pipeline.pipeline_config import load_pipeline
from dms_pipeline_tests.a_pipeline import PIPELINES

_ROOT = "dagster/root_run_id"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@dg.op
def interrupted_step() -> None:
    raise dg.DagsterExecutionInterruptedError


@dg.job
def interrupted_job() -> None:
    interrupted_step()


def a_run(instance: dg.DagsterInstance) -> dg.DagsterRun:
    """A run that broke off in the middle of its step."""
    with pytest.raises(dg.DagsterExecutionInterruptedError):
        interrupted_job.execute_in_process(instance=instance)
    [run] = instance.get_runs()
    return run


def again(
    instance: dg.DagsterInstance, run: dg.DagsterRun, status: dg.DagsterRunStatus
) -> dg.DagsterRun:
    repeated = dg.DagsterRun(
        job_name=run.job_name,
        status=status,
        tags={_ROOT: run.run_id},
        root_run_id=run.run_id,
        parent_run_id=run.run_id,
    )
    return instance.add_run(repeated)


def test_run_that_ended_from_outside_is_mailed_with_the_step_in_which_it_was(instance):
    reason = why_ended(instance, a_run(instance), "Exceeded maximum runtime.")
    assert reason == "Exceeded maximum runtime.\nThe run was in its step interrupted_step."


def test_killed_worker_is_named_where_dagster_s_failure_says_nothing(instance):
    run = a_run(instance)
    instance.report_engine_event("Run execution process for x was terminated by signal 9", run)
    said = "This run has been marked as failed from outside the execution context."
    assert why_ended(instance, run, said).startswith("Run execution process for x was terminated")


def test_overdue_run_is_not_mailed_as_if_somebody_had_terminated_it(instance):
    run = a_run(instance)
    instance.report_run_canceling(run, "Canceling due to exceeding maximum runtime of 8 seconds.")
    reason = why_ended(instance, run, "The run was terminated.")
    assert reason.startswith("Canceling due to exceeding maximum runtime of 8 seconds.")


def test_run_that_nobody_repeats_does_not_go_on(instance):
    run = a_run(instance)
    assert _who_goes_on(instance, run) == ""
    again(instance, run, dg.DagsterRunStatus.FAILURE)
    assert _who_goes_on(instance, run) == ""


def test_run_goes_on_in_a_re_execution_that_has_not_ended(instance):
    run = a_run(instance)
    repeated = again(instance, run, dg.DagsterRunStatus.STARTED)
    assert f"re-executed as run {repeated.run_id}" in _who_goes_on(instance, run)


def test_run_goes_on_where_dagster_retries_it(instance):
    run = a_run(instance).with_tags({"dagster/will_retry": "true"})
    assert _who_goes_on(instance, run) == "Dagster re-executes it by itself."


def failed_run(instance: dg.DagsterInstance, pipeline: str) -> dg.DagsterRun:
    run = instance.add_run(
        dg.DagsterRun(
            job_name="load", status=dg.DagsterRunStatus.STARTED, tags={PIPELINE_TAG: pipeline}
        )
    )
    instance.report_run_failed(run)
    return run


def test_failures_of_several_pipelines_at_once_are_each_mailed_once(monkeypatch):
    mailed: list[str] = []
    monkeypatch.setattr(
        automation,
        "_report",
        lambda after, context, reason: mailed.append(context.dagster_run.run_id),
    )
    sensor = build_sensors(load_pipeline(PIPELINES, "studentdb"), [])[0]
    resources = {name: object() for name in ("dms", "checkpoints", "notifier")}
    with dg.instance_for_test() as instance:
        cursor = sensor.evaluate_tick(dg.build_sensor_context(instance, resources=resources)).cursor
        owners = ("another", "studentdb", "another", "studentdb")
        runs = [failed_run(instance, pipeline) for pipeline in owners]
        for _ in range(2):
            context = dg.build_sensor_context(instance, cursor=cursor, resources=resources)
            cursor = sensor.evaluate_tick(context).cursor
    assert mailed == [runs[1].run_id, runs[3].run_id]
