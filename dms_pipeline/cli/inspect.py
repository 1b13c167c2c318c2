"""`dms-pipeline preflight` and `checkpoint`: look before a run, and move a checkpoint by hand."""

import getpass
from datetime import UTC, datetime
from functools import partial

import click
from rich.text import Text

from dms_pipeline.aws.dms import MigrationType
from dms_pipeline.binlog.position import parse_checkpoint
from dms_pipeline.cli.findings import findings_table, new_console
from dms_pipeline.deployments import Deployment, deployment
from dms_pipeline.dms_objects import DmsObjects
from dms_pipeline.errors import ConfigError, LoadError, PreflightError
from dms_pipeline.pipeline_config import PipelineConfig, load_pipeline
from dms_pipeline.preflight import Preflight
from dms_pipeline.records import CheckpointRecord


@click.command(short_help="Check whether PIPELINE could be loaded now.")
@click.argument("pipeline")
@click.argument("kind", type=click.Choice(["full-load", "incremental"]), default="incremental")
@click.option("--reload", is_flag=True, help="As for a full load over an existing checkpoint.")
def preflight(pipeline: str, kind: str, reload: bool) -> None:
    """Check whether PIPELINE could be loaded now: what was found, what is needed, what to do.

    Changes nothing. Exit status 0 only if an incremental load (or KIND) could begin.
    """
    here = deployment()
    config = load_pipeline(here.pipelines, pipeline)
    migration_type: MigrationType = "cdc" if kind == "incremental" else "full-load-and-cdc"
    findings = _preflight(here, config, migration_type, reload=reload).findings()
    console = new_console()
    console.print(findings_table(findings, title=f"Preflight of {pipeline}, {kind}"))
    problems = [finding.problem for finding in findings if finding.problem]
    for text in problems:
        console.print(Text(f"problem: {text}\n", style="red"))
    for finding in findings:
        if finding.warning:
            console.print(Text(f"warning: {finding.warning}\n", style="yellow"))
    if problems:
        found = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise PreflightError(f"{pipeline} cannot be loaded: {found}, see above")
    console.print(f"{pipeline} can be loaded")


@click.group()
def checkpoint() -> None:
    """The checkpoints of a pipeline: where its next load begins."""


@checkpoint.command()
@click.argument("pipeline")
def show(pipeline: str) -> None:
    """Print the checkpoint of the next load."""
    click.echo(_latest(deployment(), pipeline).checkpoint)


@checkpoint.command()
@click.argument("pipeline")
def history(pipeline: str) -> None:
    """List all checkpoints, the oldest first."""
    here = deployment()
    load_pipeline(here.pipelines, pipeline)
    for record in here.checkpoints().store().history(pipeline):
        moment = f"{record.stopped_at:%Y-%m-%d %H:%M:%S} UTC"
        click.echo(f"{record.sequence:>5}  {moment}  {record.stop_reason or 'set by hand'}")
        for name in ("run_id", "reason", "behind", "checkpoint"):
            if value := getattr(record, name):
                click.echo(f"       {name.removesuffix('_id'):<10}  {value}")


_reason = click.option("--reason", required=True, help="Why; it is kept with the checkpoint.")
_force = click.option("--force", is_flag=True, help="Also backwards: changes are loaded again.")


@checkpoint.command(name="set", short_help="Let the next load begin elsewhere.")
@click.argument("pipeline")
@click.argument("text")
@_reason
@_force
def set_checkpoint(pipeline: str, text: str, reason: str, force: bool) -> None:
    """Let the next load of PIPELINE begin at TEXT: a DMS checkpoint, or a file:offset.

    Refused while PIPELINE is being loaded, and when the source has no such place in its binary log.
    The first checkpoint of a pipeline can be set too, if its tables were filled in another way.
    """
    here = deployment()
    load_pipeline(here.pipelines, pipeline)
    parse_checkpoint(text)
    latest = here.checkpoints().store().latest(pipeline)
    _move(here, pipeline, text, latest=latest, reason=reason, force=force)


@checkpoint.command(short_help="Let the next load begin at an earlier one.")
@click.argument("pipeline")
@click.argument("number", type=int)
@_reason
@_force
def rewind(pipeline: str, number: int, reason: str, force: bool) -> None:
    """Let the next load of PIPELINE begin at its checkpoint NUMBER of the history.

    Refused while PIPELINE is being loaded, and when the source has deleted that binary log.
    """
    here = deployment()
    latest = _latest(here, pipeline)
    for record in here.checkpoints().store().history(pipeline):
        if record.sequence == number:
            text, server = record.checkpoint, record.source_server
            _move(here, pipeline, text, latest=latest, reason=reason, force=force, of_server=server)
            return
    raise ConfigError(
        f"{pipeline} has no checkpoint {number}; `dms-pipeline checkpoint history {pipeline}` "
        "lists those it has"
    )


def _move(
    here: Deployment,
    pipeline: str,
    text: str,
    *,
    latest: CheckpointRecord | None,
    reason: str,
    force: bool,
    of_server: str = "",
) -> None:
    """Makes ``text`` the checkpoint after ``latest``. ``of_server``: whose it is, if known."""
    config = load_pipeline(here.pipelines, pipeline)
    now = datetime.now(UTC)
    person = f"by hand: {getpass.getuser()}, {now:%Y-%m-%d %H:%M:%S}"
    lease = here.checkpoints().lease(pipeline, person)
    lease.take()
    try:
        server = here.source().database(config.source.secret).server()
        refusal = server.why_not_from(parse_checkpoint(text))
        if of_server and of_server != server.identity:
            refusal = (
                f"the checkpoint is of another source server ({of_server}) than the one that "
                f"answers ({server.identity})"
            )
        if refusal:
            raise PreflightError(f"{refusal}. The checkpoint of {pipeline} stays where it is")
        moved = CheckpointRecord(
            pipeline=pipeline,
            sequence=0,
            checkpoint=text,
            run_id=person,
            task_arn="",
            stop_reason="",
            source_server=server.identity,
            instance_class="",
            instance_created_at=None,
            started_at=now,
            stopped_at=now,
            reason=reason,
        )
        stored = here.checkpoints().store().advance(moved, seen=latest, may_go_back=force)
    except LoadError as error:
        raise PreflightError(
            f"{error}. With --force the changes since then are loaded again"
        ) from error
    finally:
        lease.release()
    click.echo(f"checkpoint {stored.sequence} of {pipeline}: {stored.checkpoint}")


def _latest(here: Deployment, pipeline: str) -> CheckpointRecord:
    load_pipeline(here.pipelines, pipeline)
    latest = here.checkpoints().store().latest(pipeline)
    if latest is None:
        raise PreflightError(
            f"{pipeline} has no checkpoint yet; do its full load first with "
            f"`dms-pipeline run {pipeline} full-load`"
        )
    return latest


def _preflight(
    here: Deployment, config: PipelineConfig, migration_type: MigrationType, *, reload: bool
) -> Preflight:
    objects = DmsObjects(
        pipeline=config.name,
        run_id="preflight",
        dms=here.dms().client(),
        pacing=here.dms().pacing(),
        say=lambda _: None,
    )
    return Preflight(
        pipeline=config,
        migration_type=migration_type,
        reload=reload,
        checkpoint=here.checkpoints().store().latest(config.name),
        lease=here.checkpoints().lease(config.name, objects.run_id),
        objects=objects,
        source=partial(here.source().database, config.source.secret),
        target=partial(here.target().database, config.target.secret),
        topic=here.notifier().client(config.notification_topic),
    )
