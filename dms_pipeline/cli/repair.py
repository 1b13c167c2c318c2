"""`dms-pipeline repair`: writes the rows of a table that a check found to differ."""

import getpass
from datetime import UTC, datetime

import click

from dms_pipeline.binlog.position import parse_checkpoint
from dms_pipeline.cli.output import say
from dms_pipeline.content.repair import repair_table
from dms_pipeline.deployments import deployment
from dms_pipeline.errors import ConfigError, PreflightError
from dms_pipeline.pipeline_config import PipelineConfig, ReplicatedTable, load_pipeline
from dms_pipeline.task_settings import lob_limit

_BUDGET_S = 3600.0


@click.command(short_help="Write the rows of TABLE that differ.")
@click.argument("pipeline")
@click.argument("table")
def repair(pipeline: str, table: str) -> None:
    """Write those rows of TABLE of PIPELINE again that differ, as they were at the checkpoint.

    TABLE is a source table, as database.table. Refused while PIPELINE is being loaded.
    """
    here = deployment()
    config = load_pipeline(here.pipelines, pipeline)
    wanted = _table(config, table)
    person = f"by hand: {getpass.getuser()}, {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    checkpoints = here.checkpoints()
    latest = checkpoints.last_load(pipeline)
    if reason := checkpoints.why_not_at(latest):
        raise PreflightError(f"{table} is not repaired: {reason}. Load {pipeline} first")
    lease = checkpoints.lease(pipeline, person)
    lease.take()
    try:
        say(f"comparing {wanted.source} as of checkpoint {latest.sequence}")
        done = repair_table(
            wanted,
            source=here.source().database(config.source.secret),
            target=here.target().database(config.target.secret),
            checkpoint=parse_checkpoint(latest.checkpoint),
            budget_s=_BUDGET_S,
            rules=config.column_rules,
            lob_limit=lob_limit(config.task_settings),
        )
    finally:
        lease.release()
    click.echo(f"{wanted.source}: {done.written} rows written, {done.deleted} deleted")


def _table(pipeline: PipelineConfig, name: str) -> ReplicatedTable:
    for table in pipeline.tables:
        if str(table.source) == name:
            return table
    known = ", ".join(str(table.source) for table in pipeline.tables)
    raise ConfigError(f"{pipeline.name} has no table {name!r}; it has: {known}")
