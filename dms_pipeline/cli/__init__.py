"""The command `dms-pipeline`: runs loads without the UI, and the local stack.

The one place that knows both halves of the project: it starts the local DMS, and then talks to it
as to AWS.
"""

import io
import sys
from importlib import import_module

import click

from dms_pipeline.errors import ConfigError, DmsPipelineError
from dms_pipeline.loading import collector_paused

# In the order in which a user needs them.
_MODULES = {
    "run": "run",
    "cleanup": "run",
    "check": "run",
    "repair": "repair",
    "source": "prepare",
    "preflight": "inspect",
    "checkpoint": "inspect",
    "configure": "configure",
    "local": "local",
    "demo": "demo",
    "dev": "dev",
}
_LOCAL = ("local", "demo", "dev")


class _LazyGroup(click.Group):
    """Imports the module of a command when that is asked for: Dagster takes a second to import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return None
        try:
            with collector_paused():
                module = import_module(f"dms_pipeline.cli.{_MODULES[cmd_name]}")
        except ModuleNotFoundError as error:
            if cmd_name not in _LOCAL:
                raise
            return _not_installed(cmd_name, str(error.name))
        command: click.Command = getattr(module, cmd_name)
        return command


def _not_installed(name: str, module: str) -> click.Command:
    """In place of a command of the local stack, which an image for production does without."""

    def refuse() -> None:
        raise ConfigError(
            f"`dms-pipeline {name}` needs the local stack, and {module} is not installed here; "
            "install it with: pip install 'dms_pipeline[local]'"
        )

    return click.Command(
        name,
        callback=refuse,
        short_help="Not installed here.",
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dms_pipeline")
def cli() -> None:
    """Incremental MySQL to PostgreSQL loads with AWS DMS checkpoints."""


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
