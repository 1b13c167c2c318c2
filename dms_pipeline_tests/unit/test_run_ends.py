"""What mails say of a run that was ended from outside, and whether somebody continues it."""

from collections.abc import Iterator

import dagster as dg
import pytest

from dms_pipeline.failures import why_ended
from dms_pipeline.sensors import _who_goes_on

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


def ended(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRun:
    """The run as its storage has it at its end."""
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found


def test_run_that_ended_from_outside_is_mailed_with_the_step_in_which_it_was(instance):
    run = a_run(instance)
    instance.report_run_failed(run, "Exceeded maximum runtime.")
    assert why_ended(instance, ended(instance, run)) == (
        "Exceeded maximum runtime.\nThe run was in its step interrupted_step."
    )


def test_terminated_run_is_mailed_as_such(instance):
    run = a_run(instance)
    instance.report_run_canceled(run)
    assert why_ended(instance, ended(instance, run)).startswith("The run was terminated.\n")


def test_killed_worker_is_named_where_dagster_s_failure_says_nothing(instance):
    run = a_run(instance)
    instance.report_engine_event("Run execution process for x was terminated by signal 9", run)
    said = "This run has been marked as failed from outside the execution context."
    instance.report_run_failed(run, said)
    reason = why_ended(instance, ended(instance, run))
    assert reason.startswith("Run execution process for x was terminated")


def test_overdue_run_is_not_mailed_as_if_somebody_had_terminated_it(instance):
    run = a_run(instance)
    instance.report_run_canceling(run, "Canceling due to exceeding maximum runtime of 8 seconds.")
    instance.report_run_canceled(run)
    reason = why_ended(instance, ended(instance, run))
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
