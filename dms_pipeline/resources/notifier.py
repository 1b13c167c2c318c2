"""The notifier: mails through SNS topics."""

import dagster as dg
from pydantic import Field

from dms_pipeline.aws.sns import Topic
from dms_pipeline.resources.aws_session import AwsSession


class NotifierResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The SNS topics whose subscribers read what became of a load."""

    aws: dg.ResourceDependency[AwsSession]
    topic: str = Field(
        default="dms-pipeline", description="SNS topic, by name or ARN, of pipelines that name none"
    )
    dagster_url: str = Field(
        default="", description="where Dagster's UI is, for links in mails; empty: no links"
    )

    def client(self, topic: str | None = None) -> Topic:
        """A pipeline's topic, by name or ARN; without one the deployment's."""
        return Topic(self.aws.client("sns"), topic or self.topic)

    def link(self, run_id: str) -> str:
        """The run's page in the UI; empty if it is not known where that is."""
        return f"{self.dagster_url.rstrip('/')}/runs/{run_id}" if self.dagster_url else ""

    def notify(self, *, subject: str, message: str, topic: str | None = None) -> None:
        self.client(topic).publish(subject=subject, message=message)
