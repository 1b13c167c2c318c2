"""SNS: publish to a topic, and the topic with its subscribers."""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from dms_pipeline.aws.session import aws_errors

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

# SNS refuses longer subjects and those with line breaks.
_SUBJECT_MAX = 100
_errors = partial(aws_errors, "sns")


class Topic:
    """One SNS topic, by name; raises `AwsError` when AWS refuses or does not answer."""

    def __init__(self, client: "SNSClient", name: str) -> None:
        self._client = client
        self._name = name

    def ensure(self, emails: Iterable[str]) -> None:
        """Creates the topic unless it is there, and subscribes each address once."""
        with _errors(f"the topic {self._name}"):
            arn = self._arn()
            pages = self._client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
            known = {row["Endpoint"] for page in pages for row in page["Subscriptions"]}
            for email in emails:
                if email not in known:
                    self._client.subscribe(TopicArn=arn, Protocol="email", Endpoint=email)

    def publish(self, *, subject: str, message: str) -> None:
        with _errors(f"Publish to the topic {self._name}"):
            self._client.publish(
                TopicArn=self._arn(),
                Subject=" ".join(subject.split())[:_SUBJECT_MAX],
                Message=message,
            )

    def _arn(self) -> str:
        # CreateTopic answers with the ARN of the topic that is there; a full ARN is used as it is.
        if self._name.startswith("arn:"):
            return self._name
        return self._client.create_topic(Name=self._name)["TopicArn"]
