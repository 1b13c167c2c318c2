"""The orchestrator's policy as CloudFormation makes it of its template, on the local endpoint."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dms_pipeline

TEMPLATE = Path(dms_pipeline.__file__).parent / "deploy" / "orchestrator_policy.yaml"


def deployed_document(client: Callable[[str], Any], **parameters: str) -> dict[str, Any]:
    """The policy's document with these parameters of the template; ``client`` makes clients."""
    cloudformation, iam = client("cloudformation"), client("iam")
    name = f"policy-{uuid.uuid4().hex[:8]}"
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=TEMPLATE.read_text(),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    [output] = stack["Outputs"]
    policy = iam.get_policy(PolicyArn=output["OutputValue"])["Policy"]
    version = iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])
    document: dict[str, Any] = version["PolicyVersion"]["Document"]
    cloudformation.delete_stack(StackName=name)
    return document
