"""`dms-pipeline preflight` and `checkpoint`: look before a run, and move a checkpoint by hand."""

import getpass
from dataclasses import replace
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dms_pipeline.aws.dms import MigrationType
from dms_pipeline.binlog.position import parse_checkpoint
from dms_pipeline.deployments import Deployment, deployment
from dms_pipeline.dms_objects import DmsObjects
from dms_pipeline.errors import ConfigError, PreflightError
from dms_pipeline.pipeline_config import PipelineConfig, load_pipeline
from dms_pipeline.preflight import Preflight
from dms_pipeline.records import CheckpointRecord


@click.command()
@click.argument("pipeline")
@click.argument("kind", type=click.Choice(["full-load", "incremental"]), default="incremental")
def preflight(pipeline: str, kind: str) -> None:
    """Check whether PIPELINE could be loaded now, and show what was found."""
    here = deployment()
    config = load_pipeline(here.pipelines, pipeline)
    migration_type: MigrationType = "cdc" if kind == "incremental" else "full-load-and-cdc"
    findings = _preflight(here, config, migration_type).findings()
    table = Table("checked", "found", "to do or to know", title=f"Preflight of {pipeline}")
    for finding in findings:
        style = "red" if finding.problem else "yellow"
        to_do = Text(finding.problem or finding.warning, style=style)
        table.add_row(finding.checked, finding.found, to_do)
    Console(emoji=False, markup=False).print(table)
    problems = sum(bool(finding.problem) for finding in findings)
    if problems:
        raise PreflightError(f"{pipeline} cannot be loaded: {problems} problem(s), see above")


@click.group()
def checkpoint() -> None:
    """The checkpoints of a pipeline: where its next load begins."""


@checkpoint.command()
@click.argument("pipeline")
def show(pipeline: str) -> None:
    """Print the checkpoint at which the next load of PIPELINE begins."""
    click.echo(_latest(deployment(), pipeline).checkpoint)


@checkpoint.command()
@click.argument("pipeline")
def history(pipeline: str) -> None:
    """List the checkpoints of PIPELINE, the oldest first."""
    here = deployment()
    load_pipeline(here.pipelines, pipeline)
    table = Table("number", "stopped at (UTC)", "checkpoint", "stop reason", "run", "reason")
    for record in here.checkpoints().store().history(pipeline):
        table.add_row(
            str(record.sequence),
            f"{record.stopped_at:%Y-%m-%d %H:%M:%S}",
            record.checkpoint,
            record.stop_reason,
            record.run_id,
            record.reason,
        )
    Console(emoji=False, markup=False, soft_wrap=True).print(table)


_reason = click.option("--reason", required=True, help="Why; it is kept with the checkpoint.")
_force = click.option("--force", is_flag=True, help="Also backwards: changes are loaded again.")


@checkpoint.command(name="set")
@click.argument("pipeline")
@click.argument("text")
@_reason
@_force
def set_checkpoint(pipeline: str, text: str, reason: str, force: bool) -> None:
    """Let the next load of PIPELINE begin at TEXT: a DMS checkpoint, or a file:offset."""
    parse_checkpoint(text)
    _move(deployment(), pipeline, text, reason=reason, force=force)


@checkpoint.command()
@click.argument("pipeline")
@click.argument("number", type=int)
@_reason
@_force
def rewind(pipeline: str, number: int, reason: str, force: bool) -> None:
    """Let the next load of PIPELINE begin at its checkpoint NUMBER of the history."""
    here = deployment()
    load_pipeline(here.pipelines, pipeline)
    for record in here.checkpoints().store().history(pipeline):
        if record.sequence == number:
            _move(here, pipeline, record.checkpoint, reason=reason, force=force)
            return
    raise ConfigError(
        f"{pipeline} has no checkpoint {number}; `dms-pipeline checkpoint history {pipeline}` "
        "lists those it has"
    )


def _move(here: Deployment, pipeline: str, text: str, *, reason: str, force: bool) -> None:
    """Refused while a run is loading, and when the binary log that it needs is gone."""
    config = load_pipeline(here.pipelines, pipeline)
    latest = _latest(here, pipeline)
    person = f"by hand: {getpass.getuser()}, {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    moved = replace(
        latest,
        checkpoint=text,
        run_id=person,
        stop_reason="",
        stopped_at=datetime.now(UTC),
        behind="",
        reason=reason,
    )
    lease = here.checkpoints().lease(pipeline, person)
    lease.take()
    try:
        source = here.source().database(config.source.secret)
        server = source.server()
        file = parse_checkpoint(text).file
        if file not in server.binary_logs:
            raise PreflightError(
                f"the binary log {file} is gone from the source; the oldest left is "
                f"{server.binary_logs[0]}. The checkpoint stays where it is"
            )
        moved = replace(moved, source_server=server.identity)
        stored = here.checkpoints().store().advance(moved, seen=latest, may_go_back=force)
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
    here: Deployment, config: PipelineConfig, migration_type: MigrationType
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
        reload=False,
        checkpoint=here.checkpoints().store().latest(config.name),
        objects=objects,
        source=here.source().database(config.source.secret),
        target=here.target().database(config.target.secret),
    )
