"""The sensors of a deployment, one set for all pipelines; all on from the start.

What a run needs after its end takes no part in the run, which may have been killed: the mail of its
failure, and the removal of what it left once that has expired.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster import RunStatusSensorContext, SensorEvaluationContext

from dms_pipeline.aftermath import Aftermath, expired
from dms_pipeline.automation import PIPELINE_TAG, cleanup_job_name
from dms_pipeline.errors import AwsError
from dms_pipeline.factory import PipelineDefinitions
from dms_pipeline.failures import owner, why_ended
from dms_pipeline.pipeline_config import PipelineConfig
from dms_pipeline.report import broken_mail
from dms_pipeline.resources.checkpoints import CheckpointsResource
from dms_pipeline.resources.dms import DmsResource
from dms_pipeline.resources.notifier import NotifierResource

MAIL_TAG = "dms/failure_mail"
"""On a run whose failure could not be mailed; its value says whether it has been since."""
UNDELIVERED = "undelivered"
_SENT_LATE = "sent late"
_NOBODY = "of no pipeline that is left"
_INTERVAL_S = 60
_ENDED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
)
_UNFINISHED = [status for status in dg.DagsterRunStatus if status not in _ENDED]


def build_sensors(
    pipelines: Sequence[PipelineDefinitions], broken: Mapping[str, str]
) -> list[dg.SensorDefinition]:
    """The sensors for these pipelines.

    Args:
        pipelines: those that could be loaded.
        broken: why the others could not be, by name.
    """
    owners = _Owners(pipelines)
    return [
        _end_sensor("failure_mail", dg.DagsterRunStatus.FAILURE, owners),
        _end_sensor("termination_mail", dg.DagsterRunStatus.CANCELED, owners),
        _late_mail_sensor(owners),
        _janitor(pipelines),
        _broken_pipelines_sensor(broken),
    ]


class _Owners:
    """Whose a run is. It is told by its tag, or by its tables: "Materialize" sets no tag."""

    def __init__(self, pipelines: Iterable[PipelineDefinitions]) -> None:
        self._by_name = {each.config.name: each.config for each in pipelines}
        self._by_table = {
            table: each.config for each in pipelines for table in each.tables.values()
        }

    def of(self, run: dg.DagsterRun) -> list[PipelineConfig]:
        named = self._by_name.get(run.tags.get(PIPELINE_TAG, ""))
        if named is not None:
            return [named]
        selected = sorted(run.asset_selection or ())
        found = {self._by_table[key].name for key in selected if key in self._by_table}
        return [self._by_name[name] for name in sorted(found)]


@dataclass(frozen=True, slots=True)
class _Mailer:
    """Mails failed runs. A mail that SNS refuses is noted on its run, and sent later."""

    instance: dg.DagsterInstance
    dms: DmsResource
    checkpoints: CheckpointsResource
    notifier: NotifierResource
    log: Any

    def mail(self, run: dg.DagsterRun, pipelines: Iterable[PipelineConfig]) -> bool:
        """Whether the mail was sent for each of the pipelines."""
        reason = why_ended(self.instance, run)
        try:
            for pipeline in pipelines:
                after = Aftermath(
                    pipeline, self.dms, self.checkpoints, self.notifier, self.log.info
                )
                if run.job_name == cleanup_job_name(pipeline.name):
                    after.cleanup_failed(job=run.job_name, run_id=run.run_id, reason=reason)
                else:
                    after.failed(
                        job=run.job_name,
                        run_id=run.run_id,
                        owner=owner(run),
                        reason=reason,
                        goes_on=_who_goes_on(self.instance, run),
                    )
        except AwsError as error:
            self.log.error(f"the failure of run {run.run_id} is not mailed yet: {error}")
            self.instance.add_run_tags(run.run_id, {MAIL_TAG: UNDELIVERED})
            return False
        return True


def _end_sensor(name: str, status: dg.DagsterRunStatus, owners: _Owners) -> dg.SensorDefinition:
    """Mails each run that ends so, also when its worker was killed: an op hook would not.

    It answers nothing: a RunRequest or SkipReason beside a run that was mailed is an error, after
    which Dagster repeats all.
    """

    @dg.run_status_sensor(
        name=name,
        run_status=status,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Mails every run that ends as {status.value}, once.",
    )
    def end_sensor(
        context: RunStatusSensorContext,
        dms: DmsResource,
        checkpoints: CheckpointsResource,
        notifier: NotifierResource,
    ) -> None:
        run = context.dagster_run
        # A run whose worker and whose monitor ended it at once has been both FAILURE and CANCELED.
        if run.status == status and (pipelines := owners.of(run)):
            _Mailer(context.instance, dms, checkpoints, notifier, context.log).mail(run, pipelines)

    return end_sensor


def _late_mail_sensor(owners: _Owners) -> dg.SensorDefinition:
    @dg.sensor(
        name="late_failure_mail",
        minimum_interval_seconds=_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends the failure mails that SNS refused when they were due.",
    )
    def late_mail_sensor(
        context: SensorEvaluationContext,
        dms: DmsResource,
        checkpoints: CheckpointsResource,
        notifier: NotifierResource,
    ) -> dg.SkipReason:
        mailer = _Mailer(context.instance, dms, checkpoints, notifier, context.log)
        waiting = context.instance.get_runs(dg.RunsFilter(tags={MAIL_TAG: UNDELIVERED}))
        sent = 0
        for run in waiting:
            pipelines = owners.of(run)
            if not mailer.mail(run, pipelines):
                break
            became = _SENT_LATE if pipelines else _NOBODY
            context.instance.add_run_tags(run.run_id, {MAIL_TAG: became})
            sent += bool(pipelines)
        return dg.SkipReason(f"{sent} of {len(waiting)} late mails sent")

    return late_mail_sensor


def _janitor(pipelines: Sequence[PipelineDefinitions]) -> dg.SensorDefinition:
    """Requests the clean-up of what has expired: a forgotten instance is billed for ever.

    A deletion takes minutes, longer than a tick may last, so a run does it. One that fails is
    mailed, and repeated on the next day.
    """

    @dg.sensor(
        name="janitor",
        jobs=[each.cleanup for each in pipelines],
        minimum_interval_seconds=_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Removes what failed runs left once it has expired.",
    )
    def janitor(
        context: SensorEvaluationContext,
        dms: DmsResource,
        checkpoints: CheckpointsResource,
        notifier: NotifierResource,
    ) -> Iterator[dg.RunRequest]:
        configs = {each.config.name: each.config for each in pipelines}
        today = datetime.now(UTC).date()
        for name, since in expired(dms.client(), configs).items():
            after = Aftermath(configs[name], dms, checkpoints, notifier, context.log.info)
            if not after.is_leased():
                yield dg.RunRequest(
                    run_key=f"{name} expired {since}, {today}",
                    job_name=cleanup_job_name(name),
                    run_config={"ops": {"cleanup": {"config": {"only_expired": True}}}},
                )

    return janitor


def _broken_pipelines_sensor(broken: Mapping[str, str]) -> dg.SensorDefinition:
    @dg.sensor(
        name="broken_pipelines",
        minimum_interval_seconds=_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Mails once of each pipeline whose configuration cannot be loaded.",
    )
    def broken_pipelines(
        context: SensorEvaluationContext, notifier: NotifierResource
    ) -> dg.SkipReason:
        known: dict[str, str] = json.loads(context.cursor or "{}")
        # What is mended may break again, and is mailed again then.
        known = {name: reason for name, reason in known.items() if name in broken}
        for name, reason in broken.items():
            if known.get(name) != reason:
                mail = broken_mail(pipeline=name, reason=reason)
                notifier.notify(subject=mail.subject, message=mail.text)
                known[name] = reason
        context.update_cursor(json.dumps(known))
        return dg.SkipReason(f"{len(broken)} pipelines cannot be loaded")

    return broken_pipelines


def _who_goes_on(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Who continues the run: a sensor comes late, the run may have been re-executed meanwhile."""
    if run.tags.get("dagster/will_retry") == "true":
        return "Dagster re-executes it by itself."
    group = {"dagster/root_run_id": owner(run)}
    later = instance.get_runs(dg.RunsFilter(tags=group, statuses=_UNFINISHED), limit=1)
    if later:
        return f"It has been re-executed as run {later[0].run_id}, which has not ended."
    return ""
