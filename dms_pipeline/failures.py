"""Where our errors become Dagster's: the step fails with the message and is not retried."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from dms_pipeline.errors import DmsPipelineError


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
