"""CloudFormation: what a stack is, and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from dms_pipeline.aws.session import aws_errors, error_code

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

_errors = partial(aws_errors, "cloudformation")


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack; its ``outputs`` by their keys, ``reason`` empty where AWS gives none."""

    name: str
    region: str
    status: str
    reason: str
    outputs: Mapping[str, str]


class Stacks:
    """The stacks of one region; raises `AwsError` when AWS refuses or does not answer."""

    def __init__(self, client: "CloudFormationClient") -> None:
        self._client = client

    @property
    def region(self) -> str:
        return self._client.meta.region_name

    def find(self, name: str) -> Stack | None:
        """The stack of that name; None where there is none, or only one that was deleted."""
        with _errors(f"DescribeStacks {name}"):
            try:
                (found,) = self._client.describe_stacks(StackName=name)["Stacks"]
            except ClientError as error:
                # There is no code of its own for it.
                is_missing = error_code(error) == "ValidationError" and "not exist" in str(error)
                if is_missing:
                    return None
                raise
        return Stack(
            name=found["StackName"],
            region=self.region,
            status=found["StackStatus"],
            reason=found.get("StackStatusReason", ""),
            outputs={
                output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])
            },
        )
