"""The DMS resource: the client, and how patiently this deployment waits."""

import dagster as dg
from pydantic import Field

from dms_pipeline.aws.dms import DmsClient
from dms_pipeline.resources.aws_session import AwsSession
from dms_pipeline.waiting import Pacing


class DmsResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """AWS DMS, or the local DMS behind the same protocol."""

    aws: dg.ResourceDependency[AwsSession]
    poll_interval_s: float = Field(
        default=15, gt=0, description="seconds between two looks at a state"
    )
    drain_window_s: int = Field(
        default=90, ge=1, description="seconds an incremental load reads on after its start"
    )
    instance_timeout_s: int = Field(
        default=3600, gt=0, description="limit for an instance to come or go"
    )
    task_timeout_s: int = Field(
        default=900, gt=0, description="limit for a task or test to come or go"
    )

    def client(self) -> DmsClient:
        return DmsClient(self.aws.client("dms"))

    def pacing(self) -> Pacing:
        return Pacing(
            poll_interval_s=self.poll_interval_s,
            drain_window_s=self.drain_window_s,
            instance_timeout_s=self.instance_timeout_s,
            task_timeout_s=self.task_timeout_s,
        )
