"""What starts a pipeline's runs and what ends their traces: the schedule, the clean-up job."""

from datetime import datetime

import dagster as dg
from dagster import OpExecutionContext, ScheduleEvaluationContext
from pydantic import Field

from dms_pipeline.aftermath import Aftermath
from dms_pipeline.failures import failures
from dms_pipeline.ops import Pipelines
from dms_pipeline.pipeline_config import PipelineConfig
from dms_pipeline.resources.checkpoints import CheckpointsResource
from dms_pipeline.resources.dms import DmsResource
from dms_pipeline.resources.notifier import NotifierResource

PIPELINE_TAG = "dms/pipeline"


class CleanupConfig(dg.Config):
    """How much a clean-up removes."""

    only_expired: bool = Field(
        False, description="only what has expired, unless a run is under way; it is mailed"
    )


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


@dg.op
def cleanup(
    context: OpExecutionContext,
    config: CleanupConfig,
    dms: DmsResource,
    checkpoints: CheckpointsResource,
    notifier: NotifierResource,
    pipelines: Pipelines,
) -> None:
    """Remove the instance and the task that a failed run left. The checkpoint stays as it is."""
    # Tags can be removed in the launchpad.
    [pipeline] = (p for p in pipelines.values() if cleanup_job_name(p.name) == context.job_name)
    after = Aftermath(pipeline, dms, checkpoints, notifier, context.log.info)
    with failures():
        if config.only_expired:
            after.remove_expired()
        else:
            after.clean_up()


def build_cleanup_job(pipeline: PipelineConfig) -> dg.JobDefinition:
    """The one step of a clean-up as a job of the pipeline."""

    @dg.job(
        name=cleanup_job_name(pipeline.name),
        tags={PIPELINE_TAG: pipeline.name},
        description=f"Deletes what a failed run of {pipeline.name} left; keeps the checkpoint.",
    )
    def cleanup_job() -> None:
        cleanup()

    return cleanup_job


def cleanup_job_name(pipeline: str) -> str:
    return f"{pipeline}_cleanup"
