"""What starts runs and what follows them: the schedule, the sensors, the clean-up job."""

from collections.abc import Callable, Collection
from datetime import datetime

import dagster as dg
from dagster import (
    OpExecutionContext,
    RunFailureSensorContext,
    RunStatusSensorContext,
    ScheduleEvaluationContext,
    SensorEvaluationContext,
)

from dms_pipeline.aftermath import Aftermath
from dms_pipeline.failures import failures, owner, step_failure
from dms_pipeline.pipeline_config import PipelineConfig
from dms_pipeline.resources.checkpoints import CheckpointsResource
from dms_pipeline.resources.dms import DmsResource
from dms_pipeline.resources.notifier import NotifierResource

PIPELINE_TAG = "dms/pipeline"
_JANITOR_INTERVAL_S = 600


def build_schedule(pipeline: PipelineConfig, *, job_name: str) -> dg.ScheduleDefinition:
    """The incremental load by the pipeline's cron; off until somebody switches it on."""

    @dg.schedule(
        name=f"{pipeline.name}_schedule",
        job_name=job_name,
        cron_schedule=pipeline.schedule.cron,
        execution_timezone=pipeline.schedule.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=f"Loads {pipeline.name} incrementally.",
    )
    def schedule(context: ScheduleEvaluationContext) -> dg.RunRequest:
        moment: datetime = context.scheduled_execution_time
        return dg.RunRequest(run_key=moment.isoformat())

    return schedule


def build_sensors(
    pipeline: PipelineConfig, tables: Collection[dg.AssetKey]
) -> list[dg.SensorDefinition]:
    """The mails of failed and terminated runs, and the janitor; all on from the start.

    A run belongs to the pipeline by its tag, or by its tables: runs of "Materialize" have no tag.
    """

    def is_ours(run: dg.DagsterRun) -> bool:
        selected = run.asset_selection or frozenset()
        return run.tags.get(PIPELINE_TAG) == pipeline.name or not selected.isdisjoint(tables)

    return [
        _failure_sensor(pipeline, is_ours),
        _cancel_sensor(pipeline, is_ours),
        _janitor(pipeline),
    ]


def _failure_sensor(
    pipeline: PipelineConfig, is_ours: Callable[[dg.DagsterRun], bool]
) -> dg.SensorDefinition:
    """Mails each failed run, also when its worker was killed: an op hook would not."""

    @dg.run_failure_sensor(
        name=f"{pipeline.name}_failure_mail",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Mails every failed run of {pipeline.name}.",
    )
    def failure_sensor(
        context: RunFailureSensorContext,
        dms: DmsResource,
        checkpoints: CheckpointsResource,
        notifier: NotifierResource,
    ) -> dg.SkipReason | None:
        if not is_ours(context.dagster_run):
            return dg.SkipReason(f"not a run of {pipeline.name}")
        after = Aftermath(pipeline, dms, checkpoints, notifier, context.log.info)
        _report(after, context.dagster_run, _failure_reason(context))
        return None

    return failure_sensor


def _cancel_sensor(
    pipeline: PipelineConfig, is_ours: Callable[[dg.DagsterRun], bool]
) -> dg.SensorDefinition:
    """Mails each run that was terminated."""

    @dg.run_status_sensor(
        name=f"{pipeline.name}_termination_mail",
        run_status=dg.DagsterRunStatus.CANCELED,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Mails every terminated run of {pipeline.name}.",
    )
    def cancel_sensor(
        context: RunStatusSensorContext,
        dms: DmsResource,
        checkpoints: CheckpointsResource,
        notifier: NotifierResource,
    ) -> dg.SkipReason | None:
        if not is_ours(context.dagster_run):
            return dg.SkipReason(f"not a run of {pipeline.name}")
        after = Aftermath(pipeline, dms, checkpoints, notifier, context.log.info)
        _report(after, context.dagster_run, "the run was terminated")
        return None

    return cancel_sensor


def _janitor(pipeline: PipelineConfig) -> dg.SensorDefinition:
    """Removes expired leftovers of failed runs: a forgotten instance is billed for ever."""

    @dg.sensor(
        name=f"{pipeline.name}_janitor",
        minimum_interval_seconds=_JANITOR_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Removes expired leftovers of {pipeline.name}.",
    )
    def janitor(
        context: SensorEvaluationContext,
        dms: DmsResource,
        checkpoints: CheckpointsResource,
        notifier: NotifierResource,
    ) -> dg.SkipReason:
        after = Aftermath(pipeline, dms, checkpoints, notifier, context.log.info)
        if after.remove_expired():
            return dg.SkipReason("expired leftovers were removed and mailed")
        return dg.SkipReason("nothing has expired")

    return janitor


def _report(after: Aftermath, run: dg.DagsterRun, reason: str) -> None:
    if run.tags.get("dagster/will_retry") == "true":
        reason += "\nDagster retries it by itself."
    after.failed(job=run.job_name, run_id=run.run_id, owner=owner(run), reason=reason)


def _failure_reason(context: RunFailureSensorContext) -> str:
    """The step that failed and why; what Dagster says of the run if no step did."""
    reasons = "\n".join(map(step_failure, context.get_step_failure_events()))
    return reasons or str(context.failure_event.message)


def build_cleanup_job(pipeline: PipelineConfig) -> dg.JobDefinition:
    """Removes the instance and the task that a failed run left. The checkpoint stays as it is."""

    @dg.op(name=f"{pipeline.name}__cleanup")
    def cleanup(
        context: OpExecutionContext,
        dms: DmsResource,
        checkpoints: CheckpointsResource,
        notifier: NotifierResource,
    ) -> None:
        with failures():
            Aftermath(pipeline, dms, checkpoints, notifier, context.log.info).clean_up()

    @dg.job(
        name=f"{pipeline.name}_cleanup",
        description=f"Deletes what a failed run of {pipeline.name} left; keeps the checkpoint.",
    )
    def cleanup_job() -> None:
        cleanup.alias("cleanup")()

    return cleanup_job
