"""From what a stack of deploy/cloudformation.yaml answers to the environment of the pipeline. Pure.

`deployments` tells what each variable means. None of them is a secret.
"""

import shlex
from collections.abc import Iterator, Mapping

from dms_pipeline.aws.cloudformation import Stack
from dms_pipeline.errors import PreflightError
from dms_pipeline.pipeline_config import PIPELINE_FILE, PipelineConfig

OUTPUTS: Mapping[str, str] = {
    "DMS_CHECKPOINT_TABLE": "CheckpointTable",
    "DMS_METRICS_TABLE": "MetricsTable",
    "DMS_NOTIFICATION_TOPIC": "NotificationTopic",
    "DMS_SUBNET_GROUP": "SubnetGroup",
    "DMS_SECURITY_GROUPS": "SecurityGroups",
}
"""Each variable, and the output that it is."""
PIPELINE_OUTPUTS = ("Pipeline", "SourceEndpoint", "SourceSecret", "TargetEndpoint", "TargetSecret")
# After a failed update, CloudFormation has gone back to resources and outputs that work.
_USABLE = frozenset(
    {
        "CREATE_COMPLETE",
        "IMPORT_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    }
)


def usable(stack: Stack | None, *, name: str, region: str) -> Stack:
    """The stack, if it can be used.

    Raises:
        PreflightError: if there is none, it is not complete, or it is another template's.
    """
    if stack is None:
        raise PreflightError(
            f"there is no stack {name} in {region}; `aws cloudformation describe-stacks` lists "
            "those there are. Name it with --stack, and its region with --region"
        )
    if stack.status not in _USABLE:
        wait = stack.status.endswith("_IN_PROGRESS") and "ROLLBACK" not in stack.status
        raise PreflightError(
            f"the stack {name} in {region} is {stack.status}"
            f"{f' ({stack.reason})' if stack.reason else ''}, needed is CREATE_COMPLETE or "
            "UPDATE_COMPLETE; "
            + (
                f"wait for it with `aws cloudformation wait stack-create-complete --stack-name "
                f"{name}` (or stack-update-complete)"
                if wait
                else f"`aws cloudformation describe-stack-events --stack-name {name}` tells why"
            )
        )
    missing = [
        output for output in (*OUTPUTS.values(), *PIPELINE_OUTPUTS) if output not in stack.outputs
    ]
    if missing:
        raise PreflightError(
            f"the stack {name} in {region} has no outputs {', '.join(missing)}; update it with "
            "the cloudformation.yaml of this version, of which it has to be made"
        )
    return stack


def environment(stack: Stack) -> dict[str, str]:
    """The variables with which the pipeline runs on a usable stack, and needs no others."""
    return {
        "DMS_PIPELINE_DEPLOYMENT": "aws",
        "AWS_DEFAULT_REGION": stack.region,
        **{name: stack.outputs[output] for name, output in OUTPUTS.items()},
    }


def dotenv(variables: Mapping[str, str]) -> str:
    """The variables as lines that shells, python-dotenv and systemd read alike."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())


def pipeline_name(stack: Stack) -> str:
    """The pipeline that the stack was made for; AWS takes no underscores in its identifiers."""
    return stack.outputs["Pipeline"].replace("-", "_")


def differences(stack: Stack, pipeline: PipelineConfig) -> Iterator[str]:
    """What the pipeline's file has to say instead to use the stack's endpoints and secrets."""
    present = {
        "SourceEndpoint": ("source.endpoint", pipeline.source.endpoint),
        "SourceSecret": ("source.secret", pipeline.source.secret),
        "TargetEndpoint": ("target.endpoint", pipeline.target.endpoint),
        "TargetSecret": ("target.secret", pipeline.target.secret),
    }
    for output, (key, found) in present.items():
        needed = stack.outputs[output]
        if not _is_same(found, needed):
            yield (
                f"{pipeline.name}/{PIPELINE_FILE} has {key}: {found}, the stack's is {needed}; "
                "write that there"
            )


def _is_same(found: str, needed: str) -> bool:
    """Also the name of a secret of which the stack has the ARN: Secrets Manager adds 7 signs."""
    return found == needed or found == needed.rpartition(":secret:")[2][:-7]
