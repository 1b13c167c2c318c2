"""What starts runs and what follows them: the schedule, the mail of a failure, the clean-up job."""

from datetime import datetime

import dagster as dg
from dagster import OpExecutionContext, RunFailureSensorContext, ScheduleEvaluationContext

from dms_pipeline.failures import failures, step_failure
from dms_pipeline.load import Load
from dms_pipeline.pipeline_config import PipelineConfig
from dms_pipeline.report import failure_mail
from dms_pipeline.resources.dms import DmsResource
from dms_pipeline.resources.notifier import NotifierResource

PIPELINE_TAG = "dms/pipeline"


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


def build_failure_sensor(pipeline: PipelineConfig) -> dg.SensorDefinition:
    """Mails each failed run, also when its worker was killed: an op hook would not."""

    @dg.run_failure_sensor(
        name=f"{pipeline.name}_failure_mail",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Mails every failed run of {pipeline.name}.",
    )
    def failure_sensor(
        context: RunFailureSensorContext, notifier: NotifierResource
    ) -> dg.SkipReason | None:
        run = context.dagster_run
        if run.tags.get(PIPELINE_TAG) != pipeline.name:
            return dg.SkipReason(f"not a run of {pipeline.name}")
        mail = failure_mail(
            pipeline=pipeline.name,
            job=run.job_name,
            run_id=run.run_id,
            reason=failure_reason(context),
        )
        notifier.notify(subject=mail.subject, message=mail.text)
        return None

    return failure_sensor


def failure_reason(context: RunFailureSensorContext) -> str:
    """The step that failed and why; what Dagster says of the run if no step did."""
    reasons = "\n".join(map(step_failure, context.get_step_failure_events()))
    return reasons or str(context.failure_event.message)


def build_cleanup_job(pipeline: PipelineConfig) -> dg.JobDefinition:
    """Removes the instance and the task that a failed run left. The checkpoint stays as it is."""

    @dg.op(name=f"{pipeline.name}__cleanup", pool=f"dms_{pipeline.name}")
    def cleanup(context: OpExecutionContext, dms: DmsResource) -> None:
        load = Load(
            pipeline=pipeline,
            run_id=context.run.run_id,
            dms=dms.client(),
            pacing=dms.pacing(),
            say=context.log.info,
            force=True,
        )
        with failures():
            load.delete_task()
            load.delete_instance()

    @dg.job(
        name=f"{pipeline.name}_cleanup",
        tags={PIPELINE_TAG: pipeline.name},
        description=f"Deletes what a failed run of {pipeline.name} left; keeps the checkpoint.",
    )
    def cleanup_job() -> None:
        cleanup.alias("cleanup")()

    return cleanup_job
