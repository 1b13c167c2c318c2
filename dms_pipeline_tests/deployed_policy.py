"""The orchestrator's policy as CloudFormation makes it of its template, on the local endpoint."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dms_pipeline

TEMPLATE = Path(dms_pipeline.__file__).parent / "deploy" / "orchestrator_policy.yaml"
SECRET_KEY = "arn:aws:kms:us-east-1:123456789012:key/1234abcd"


def deployed_document(client: Callable[[str], Any], **parameters: str) -> dict[str, Any]:
    """The policy's document, with ``parameters`` of the template; ``client`` makes boto3 clients.

    With a key for the secrets, because moto leaves an empty statement where AWS leaves none.
    """
    cloudformation, iam = client("cloudformation"), client("iam")
    name = f"policy-{uuid.uuid4().hex[:8]}"
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=TEMPLATE.read_text(),
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in {"SecretKeyArn": SECRET_KEY, **parameters}.items()
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
