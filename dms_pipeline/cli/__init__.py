"""The command `dms-pipeline`: runs loads without the UI, and the local stack.

The one place that knows both halves of the project: it starts the local DMS, and then talks to it
as to AWS.
"""

import io
import sys

import click

from dms_pipeline.cli.demo import demo
from dms_pipeline.cli.dev import dev
from dms_pipeline.cli.inspect import checkpoint, preflight
from dms_pipeline.cli.local import local
from dms_pipeline.cli.run import cleanup, run
from dms_pipeline.errors import DmsPipelineError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dms_pipeline")
def cli() -> None:
    """Incremental MySQL to PostgreSQL loads with AWS DMS checkpoints."""


for command in (run, cleanup, preflight, checkpoint, local, demo, dev):
    cli.add_command(command)


def main() -> None:
    """Runs the command line: exit status 0 when it did what was asked, else 1 and a message."""
    # So that the answer and the progress keep their order when both go to one file.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    try:
        cli(standalone_mode=True)
    except DmsPipelineError as error:
        click.secho(f"error: {error}", fg="red", err=True)
        sys.exit(1)
