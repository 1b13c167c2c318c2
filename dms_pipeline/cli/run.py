"""`dms-pipeline run`, `check` and `cleanup`: a pipeline's jobs and checks without the UI."""

import click

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.cli.output import say
from dms_pipeline.deployments import deployment
from dms_pipeline.errors import ConfigError, LoadError
from dms_pipeline.launch import CheckOutcome, run_checks, run_cleanup, run_load
from dms_pipeline.pipeline_config import PipelineConfig, load_pipeline


@click.command()
@click.argument("pipeline")
@click.argument("kind", type=click.Choice(["full-load", "incremental"]))
@click.option("--reload", is_flag=True, help="Full load over an existing checkpoint.")
def run(pipeline: str, kind: str, reload: bool) -> None:
    """Load PIPELINE now. Exit status 0 only if the run and its blocking checks succeeded."""
    outcome = run_load(
        deployment(),
        pipeline,
        "full" if kind == "full-load" else "incremental",
        say=say,
        reload=reload,
    )
    for check in outcome.checks:
        verdict = "passed" if check.passed else "did not pass"
        say(f"check {check.name} of {check.asset} {verdict}: {check.description}")
    if not outcome.succeeded:
        raise LoadError(f"the run {outcome.run_id} failed: {outcome.failure}")
    say(f"{pipeline} is loaded (run {outcome.run_id})")


@click.command(short_help="Check the last load of PIPELINE and its tables.")
@click.argument("pipeline")
@click.argument("table", required=False)
def check(pipeline: str, table: str | None) -> None:
    """Check the last load of PIPELINE and compare its tables, or only TABLE, on both sides.

    TABLE is a source table, as database.table. What is checked is recorded in the Dagster UI too.
    Exit status 0 only if all checks passed.
    """
    here = deployment()
    wanted = table and _table(load_pipeline(here.pipelines, pipeline), table)
    outcome = run_checks(here, pipeline, wanted or None, say=say)
    if not outcome.checks:
        raise LoadError(f"the run {outcome.run_id} checked nothing: {outcome.failure}")
    for each in sorted(outcome.checks, key=lambda one: (one.asset, one.name)):
        click.echo(_told(each))
    wrong = [each for each in outcome.checks if not each.passed]
    if wrong:
        raise LoadError(f"{len(wrong)} of {len(outcome.checks)} checks did not pass, see above")


def _table(pipeline: PipelineConfig, name: str) -> TableId:
    for table in pipeline.tables:
        if str(table.source) == name:
            return table.source
    known = ", ".join(str(table.source) for table in pipeline.tables)
    raise ConfigError(f"{pipeline.name} has no table {name!r}; it has: {known}")


def _told(outcome: CheckOutcome) -> str:
    mark, color = ("ok", "green")
    if not outcome.passed:
        mark, color = ("!", "yellow") if outcome.is_warning else ("NO", "red")
    styled = click.style(f"{mark:<2}", fg=color)
    return f"{styled}  {outcome.asset}  {outcome.name}: {outcome.description}"


@click.command()
@click.argument("pipeline")
def cleanup(pipeline: str) -> None:
    """Delete the instance and the task that a failed run of PIPELINE left; keep its checkpoint."""
    outcome = run_cleanup(deployment(), pipeline, say=say)
    if not outcome.succeeded:
        raise LoadError(f"the clean-up {outcome.run_id} failed: {outcome.failure}")
    say(f"nothing of {pipeline} is left running")
