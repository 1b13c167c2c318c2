"""Where our errors become Dagster's: the step fails with the message and is not retried."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import dagster as dg

from dms_pipeline.errors import DmsPipelineError

_SAYS_NOTHING = "marked as failed from outside the execution context"
_OF_THE_WORKER = "Run execution process"
_TELLING = {
    dg.DagsterEventType.ENGINE_EVENT,
    dg.DagsterEventType.RUN_CANCELING,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.STEP_FAILURE,
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


def why_ended(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Why a failed or terminated run ended: the steps that failed, or what Dagster says of it.

    A run that was ended from outside is named with the step in which it was.
    """
    events = [
        entry.get_dagster_event() for entry in instance.all_logs(run.run_id, of_type=_TELLING)
    ]
    failed = [event for event in events if event.is_step_failure and not _was_interrupted(event)]
    return "\n".join(map(step_failure, failed)) or _ended_from_outside(events, run)


def _was_interrupted(event: dg.DagsterEvent) -> bool:
    """Whether the step failed only because its run was ended from outside."""
    error = event.step_failure_data.error
    return error is not None and error.cls_name == "DagsterExecutionInterruptedError"


def _ended_from_outside(events: Iterable[dg.DagsterEvent], run: dg.DagsterRun) -> str:
    step, said, of_worker, of_limit = "", "", "", ""
    for event in events:
        message = event.message or ""
        if event.event_type == dg.DagsterEventType.STEP_START:
            step = event.step_key or ""
        elif event.event_type == dg.DagsterEventType.STEP_SUCCESS:
            step = ""
        elif event.event_type == dg.DagsterEventType.RUN_FAILURE:
            said = message
        elif _OF_THE_WORKER in message:
            # The code server knows what became of the worker, and says so beside the failure.
            of_worker = message
        elif "maximum runtime" in message:
            # Run monitoring ends overdue runs like a person does, and says here why.
            of_limit = message
    if run.status == dg.DagsterRunStatus.CANCELED:
        said = "The run was terminated."
    elif _SAYS_NOTHING in said:
        said = of_worker or said
    said = of_limit or said or "Dagster does not say why; look at the run in its UI."
    return f"{said}\nThe run was in its step {step}." if step else said
