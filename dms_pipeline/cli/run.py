"""`dms-pipeline run` and `cleanup`: a pipeline's jobs without the UI."""

import click

from dms_pipeline.cli.output import say
from dms_pipeline.deployments import deployment
from dms_pipeline.errors import LoadError
from dms_pipeline.launch import run_cleanup, run_load


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


@click.command()
@click.argument("pipeline")
def cleanup(pipeline: str) -> None:
    """Delete the instance and the task that a failed run of PIPELINE left; keep its checkpoint."""
    outcome = run_cleanup(deployment(), pipeline, say=say)
    if not outcome.succeeded:
        raise LoadError(f"the clean-up {outcome.run_id} failed: {outcome.failure}")
    say(f"nothing of {pipeline} is left running")
