"""The local stack as the commands use it: its servers up, and provisioned like an AWS account."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from dms_pipeline.aws.secrets import DatabaseCredentials
from dms_pipeline.cli.output import say
from dms_pipeline.deployments import Deployment, deployment
from dms_pipeline.errors import ConfigError
from dms_pipeline.local_dms.stack import LocalStack, StackInfo
from dms_pipeline.pipeline_config import load_pipelines
from dms_pipeline.provisioning import provision

_EMAIL = "you@localhost"


def local_deployment() -> Deployment:
    """The deployment, which has to be the local one."""
    here = deployment()
    if here.name != "local":
        raise ConfigError(
            f"DMS_PIPELINE_DEPLOYMENT is {here.name}; the local stack needs it to be local or unset"
        )
    return here


def start_stack(
    here: Deployment, *, mysql_dsn: str | None = None, postgres_dsn: str | None = None
) -> StackInfo:
    """Starts what is not running yet, then creates the AWS objects of every pipeline."""
    folder = load_pipelines(here.pipelines)
    for error in folder.broken.values():
        say(f"left out: {error}")
    stack = LocalStack(here.local_home)
    was_up = stack.status().is_up
    info = stack.up(mysql_dsn, postgres_dsn, on_progress=say)
    try:
        provision(
            here,
            folder.pipelines,
            source=DatabaseCredentials(**asdict(info.source)),
            target=DatabaseCredentials(**asdict(info.target)),
            email=_EMAIL,
        )
    except BaseException:
        if not was_up:
            stack.down(on_progress=say)
        raise
    return info


@contextmanager
def running_stack(here: Deployment) -> Iterator[StackInfo]:
    """The stack for as long as the block lasts; one that was up before stays up."""
    stack = LocalStack(here.local_home)
    was_up = stack.status().is_up
    try:
        yield start_stack(here)
    finally:
        if not was_up:
            say("stopping the local stack")
            stack.down(on_progress=say)
