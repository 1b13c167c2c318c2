"""SNS: publish to a topic, and the topic with its subscribers."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from dms_pipeline.aws.session import aws_errors

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import SubscriptionTypeDef

# SNS refuses longer subjects and those with line breaks.
_SUBJECT_MAX = 100
_errors = partial(aws_errors, "sns")
# By client and name: a topic keeps its ARN.
_arns: dict[tuple[object, str], str] = {}


class Topic:
    """One SNS topic, by name or ARN; raises `AwsError` when AWS refuses or does not answer."""

    def __init__(self, client: "SNSClient", name: str) -> None:
        self._client = client
        self.name = name

    def ensure(self, emails: Iterable[str]) -> None:
        """Creates the topic unless it is there, and subscribes each address once."""
        with _errors(f"the topic {self.name}"):
            arn = self._arn()
            known = {row["Endpoint"] for row in self._subscriptions(arn)}
            for email in emails:
                if email not in known:
                    self._client.subscribe(TopicArn=arn, Protocol="email", Endpoint=email)

    def confirmed_subscriptions(self) -> int:
        """How many subscribers get what is published.

        A subscription has an ARN once it is confirmed, until then a word:
        https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html
        """
        with _errors(f"the topic {self.name}"):
            arns = [row["SubscriptionArn"] for row in self._subscriptions(self._arn())]
        return sum(arn.startswith("arn:") for arn in arns)

    def publish(self, *, subject: str, message: str) -> None:
        with _errors(f"Publish to the topic {self.name}"):
            self._client.publish(
                TopicArn=self._arn(),
                Subject=" ".join(subject.split())[:_SUBJECT_MAX],
                Message=message,
            )

    def _subscriptions(self, arn: str) -> Iterator["SubscriptionTypeDef"]:
        pages = self._client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
        return (row for page in pages for row in page["Subscriptions"])

    def _arn(self) -> str:
        if self.name.startswith("arn:"):
            return self.name
        key = self._client, self.name
        if key not in _arns:
            # It answers with the ARN of the topic that is there.
            _arns[key] = self._client.create_topic(Name=self.name)["TopicArn"]
        return _arns[key]
