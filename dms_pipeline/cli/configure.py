"""`dms-pipeline configure`: the environment of a stack, as a file."""

import os
import tempfile
from pathlib import Path

import click

from dms_pipeline.aws.cloudformation import Stack, Stacks
from dms_pipeline.deployments import deployment
from dms_pipeline.errors import ConfigError
from dms_pipeline.pipeline_config import load_pipeline
from dms_pipeline.resources.aws_session import AwsSession
from dms_pipeline.stack_environment import (
    differences,
    dotenv,
    environment,
    pipeline_name,
    usable,
)

_WRITTEN = "# Written by `dms-pipeline configure`"


@click.command(short_help="Write the environment of a CloudFormation stack into a file.")
@click.option("--stack", "name", required=True, help="Name of the stack.")
@click.option("--region", help="Its region; default: the AWS SDK's, as of AWS_DEFAULT_REGION.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("aws.env"),
    show_default=True,
    help="The file; one that this command wrote is replaced.",
)
def configure(name: str, region: str | None, output: Path) -> None:
    """Write what the pipeline needs to know of a stack of cloudformation.yaml into a file.

    It sets the variables of the environment with which pipelines run on AWS, one a line. There is
    no secret among them. Repeating it does no harm.
    """
    stacks = Stacks(AwsSession(region_name=region).client("cloudformation"))
    stack = usable(stacks.find(name), name=name, region=stacks.region)
    variables = environment(stack)
    heading = f"{_WRITTEN} from the stack {stack.name} in {stack.region}.\n"
    _write(output, heading + dotenv(variables))
    for warning in _warnings(stack):
        click.secho(f"warning: {warning}", fg="yellow", err=True)
    click.echo(f"{output} sets {', '.join(variables)}")
    click.echo(f"use it with: set -a; . {_as_typed(output)}; set +a")


def _write(path: Path, content: str) -> None:
    """Whole or not at all, and for its owner only.

    Raises:
        ConfigError: if the file is somebody else's, or cannot be written.
    """
    try:
        if path.exists() and not path.read_text(errors="replace").startswith(_WRITTEN):
            raise ConfigError(
                f"{path} was not written by this command; name another file with --output, or "
                "remove that one"
            )
        # mkstemp makes files of mode 0600.
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(content)
            Path(scratch).replace(path)
        except BaseException:
            Path(scratch).unlink()
            raise
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}); name another file with --output"
        ) from error


def _warnings(stack: Stack) -> list[str]:
    """What of the pipeline's own file does not fit the stack."""
    folder = deployment().pipelines
    try:
        pipeline = load_pipeline(folder, pipeline_name(stack))
    except ConfigError as error:
        return [str(error)]
    return list(differences(stack, pipeline))


def _as_typed(path: Path) -> str:
    """A shell looks for a file without a slash on its PATH."""
    return str(path) if "/" in str(path) else f"./{path}"
