"""Runs a job of the real definitions in this process, recorded like any other run.

No daemon takes part, so the mail of a failure, which the failure sensor sends for runs that Dagster
launches, is sent here.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster import InitLoggerContext

from dms_pipeline.aftermath import Aftermath
from dms_pipeline.automation import PIPELINE_TAG, cleanup_job_name
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.deployments import Deployment
from dms_pipeline.errors import DmsPipelineError
from dms_pipeline.factory import build_pipeline, run_config
from dms_pipeline.failures import step_failure
from dms_pipeline.ops import LoadKind, job_name
from dms_pipeline.pipeline_config import PipelineConfig, load_pipeline
from dms_pipeline.sensors import MAIL_TAG, UNDELIVERED

_DAGSTER_YAML = Path(__file__).parent.parent / "dagster.yaml"


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """One asset check of a run; ``is_warning``: it did not pass, and could not tell why."""

    asset: str
    name: str
    passed: bool
    is_warning: bool
    description: str


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What became of a run; ``failure`` says why it failed and is empty when it did not."""

    run_id: str
    failure: str
    checks: tuple[CheckOutcome, ...]

    @property
    def succeeded(self) -> bool:
        return not self.failure


def run_load(
    deployment: Deployment,
    pipeline: str,
    kind: LoadKind,
    *,
    say: Callable[[str], None],
    reload: bool = False,
) -> RunOutcome:
    """Runs a full or incremental load to its end.

    Raises:
        ConfigError: if there is no such pipeline, or its configuration is wrong.
        StackError: if this is the local deployment and its stack was never started.
    """
    return _run(
        deployment,
        pipeline,
        job_name(pipeline, kind),
        config=run_config(pipeline, reload=reload),
        say=say,
    )


def run_cleanup(deployment: Deployment, pipeline: str, *, say: Callable[[str], None]) -> RunOutcome:
    """Deletes the instance and the task that a failed run of the pipeline left."""
    return _run(deployment, pipeline, cleanup_job_name(pipeline), config={}, say=say)


def run_checks(
    deployment: Deployment,
    pipeline: str,
    table: TableId | None,
    *,
    say: Callable[[str], None],
) -> RunOutcome:
    """Runs the asset checks of a source table of the pipeline, or all it has, without a load.

    Nobody is mailed: whoever asks for a check waits for its answer.

    Raises:
        ConfigError: if there is no such pipeline, or its configuration is wrong.
        StackError: if this is the local deployment and its stack was never started.
    """
    config = load_pipeline(deployment.pipelines, pipeline)
    built = build_pipeline(config)
    keys = [built.load, *built.tables.values()] if table is None else [built.tables[table]]
    job = dg.define_asset_job(
        f"{pipeline}_checks", selection=dg.AssetSelection.checks_for_assets(*keys)
    )
    definitions = dg.Definitions.merge(built.definitions, dg.Definitions(jobs=[job]))
    with _executed(deployment, config, definitions, job.name, config={}, say=say) as (result, _):
        checks = _checks(result)
        failure = "" if result.success else _reason(result, checks)
    return RunOutcome(result.run_id, failure, checks)


@contextmanager
def dagster_instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's own records in ``home``, made if there are none.

    Uses our dagster.yaml unless the folder has one of its own.
    """
    home.mkdir(parents=True, exist_ok=True)
    with _alone_in(home):
        link = home / "dagster.yaml"
        if not link.exists() and _DAGSTER_YAML.is_file():
            # There may be a link to where the project was before it was moved.
            link.unlink(missing_ok=True)
            link.symlink_to(_DAGSTER_YAML)
        instance = dg.DagsterInstance.from_config(str(home))
    with instance:
        yield instance


@contextmanager
def _alone_in(home: Path) -> Iterator[None]:
    """Two processes that make Dagster's SQLite files at once leave them broken for good.

    A home that cannot be written, as an image for production has, holds none.
    """
    if not os.access(home, os.W_OK):
        yield
        return
    with (home / "opening.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(
    deployment: Deployment,
    pipeline: str,
    job: str,
    *,
    config: dict[str, object],
    say: Callable[[str], None],
) -> RunOutcome:
    config_of = load_pipeline(deployment.pipelines, pipeline)
    with _executed(
        deployment, config_of, build_pipeline(config_of).definitions, job, config=config, say=say
    ) as (result, instance):
        checks = _checks(result)
        failure = "" if result.success else _reason(result, checks)
        if failure:
            after = Aftermath(
                config_of, deployment.dms(), deployment.checkpoints(), deployment.notifier(), say
            )
            _follow_up(after, job, result.run_id, failure, instance)
    return RunOutcome(result.run_id, failure, checks)


@contextmanager
def _executed(
    deployment: Deployment,
    pipeline: PipelineConfig,
    definitions: dg.Definitions,
    job: str,
    *,
    config: dict[str, object],
    say: Callable[[str], None],
) -> Iterator[tuple[dg.ExecuteInProcessResult, dg.DagsterInstance]]:
    here = dg.Definitions(
        resources=deployment.resources([pipeline]),
        executor=dg.in_process_executor,
        loggers={"progress": _progress_logger(say)},
    )
    # First of all: a local stack that was never started has no folder to keep the run in.
    deployment.aws.access()
    with dagster_instance(deployment.dagster_home) as instance:
        merged = dg.Definitions.merge(definitions, here)
        yield (
            merged.resolve_job_def(job).execute_in_process(
                run_config={**config, "loggers": {"progress": {}}},
                instance=instance,
                raise_on_error=False,
                tags={PIPELINE_TAG: pipeline.name},
            ),
            instance,
        )


def _checks(result: dg.ExecuteInProcessResult) -> tuple[CheckOutcome, ...]:
    return tuple(
        CheckOutcome(
            asset=evaluation.asset_key.to_user_string(),
            name=evaluation.check_name,
            passed=evaluation.passed,
            is_warning=evaluation.severity == dg.AssetCheckSeverity.WARN,
            description=evaluation.description or "",
        )
        for evaluation in result.get_asset_check_evaluations()
    )


def _reason(result: dg.ExecuteInProcessResult, checks: tuple[CheckOutcome, ...]) -> str:
    failed = [check for check in checks if not check.passed]
    if failed:
        return "\n".join(f"{check.asset}: {check.name}: {check.description}" for check in failed)
    for event in result.all_events:
        if event.is_step_failure:
            return step_failure(event)
    return "Dagster did not say why; look at the run in its UI"


def _follow_up(
    after: Aftermath, job: str, run_id: str, reason: str, instance: dg.DagsterInstance
) -> None:
    """The mail, and the deletion of what is left where the pipeline wants that."""
    try:
        if job == cleanup_job_name(after.pipeline.name):
            after.cleanup_failed(job=job, run_id=run_id, reason=reason)
            return
        after.failed(job=job, run_id=run_id, owner=run_id, reason=reason)
    except DmsPipelineError as error:
        # A Dagster that runs meanwhile, or later, sends it.
        instance.add_run_tags(run_id, {MAIL_TAG: UNDELIVERED})
        after.say(f"the failure could not be mailed: {error}")
    if after.pipeline.on_failure == "delete":
        _remove_expired(after, job)


def _remove_expired(after: Aftermath, job: str) -> None:
    try:
        after.remove_expired()
    except DmsPipelineError as error:
        after.say(f"what {job} left could not be removed: {error}")


def _progress_logger(say: Callable[[str], None]) -> dg.LoggerDefinition:
    """Says what the steps say, and nothing of Dagster's own book-keeping."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            meta = getattr(record, "dagster_meta", {})
            # Dagster's own lines are events, or errors about the steps that a failure skips.
            if meta.get("dagster_event") is None and record.levelno < logging.ERROR:
                say(str(meta.get("orig_message", record.getMessage())))

    def progress(_context: InitLoggerContext) -> logging.Logger:
        progress_logger = logging.Logger("dms_pipeline.progress", logging.INFO)
        progress_logger.addHandler(Handler())
        return progress_logger

    return dg.LoggerDefinition(progress, description="The steps' own messages.")
