"""Where our errors become Dagster's: the step fails with the message and is not retried."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from dms_pipeline.errors import DmsPipelineError

_SAYS_NOTHING = "marked as failed from outside the execution context"
_OF_THE_WORKER = "Run execution process"
_TELLING = {
    dg.DagsterEventType.ENGINE_EVENT,
    dg.DagsterEventType.RUN_CANCELING,
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_SUCCESS,
}


@contextmanager
def failures() -> Iterator[None]:
    try:
        yield
    except DmsPipelineError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error


def owner(run: dg.DagsterRun) -> str:
    """Whose an instance, a task or a lease is: a run and all its re-executions are one owner."""
    return run.root_run_id or run.run_id


def step_failure(event: dg.DagsterEvent) -> str:
    """The step that failed, and why, without a traceback."""
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return f"{event.step_key}: {data.user_failure_data.description}"
    return f"{event.step_key}: {data.error.message.strip() if data.error else 'no reason given'}"


def was_interrupted(event: dg.DagsterEvent) -> bool:
    """Whether the step failed only because its run was ended from outside."""
    error = event.step_failure_data.error
    return error is not None and error.cls_name == "DagsterExecutionInterruptedError"


def why_ended(instance: dg.DagsterInstance, run: dg.DagsterRun, said: str) -> str:
    """Why a run ended that none of its steps has ended, and the step in which it was.

    Args:
        instance: where the run is recorded.
        run: the run.
        said: what Dagster says of its end.
    """
    step = ""
    for entry in instance.all_logs(run.run_id, of_type=_TELLING):
        event = entry.get_dagster_event()
        if event.event_type == dg.DagsterEventType.STEP_START:
            step = event.step_key or ""
        elif event.event_type == dg.DagsterEventType.STEP_SUCCESS:
            step = ""
        elif event.event_type == dg.DagsterEventType.RUN_CANCELING:
            # Run monitoring ends overdue runs like a person does, and says here why.
            message = event.message or ""
            said = message if "maximum runtime" in message else said
        elif _SAYS_NOTHING in said and _OF_THE_WORKER in (event.message or ""):
            # The code server knows what became of the worker, and says so beside the failure.
            said = event.message or said
    return f"{said}\nThe run was in its step {step}." if step else said
