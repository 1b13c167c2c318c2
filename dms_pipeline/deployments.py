"""Where this runs: the local stack (default) or AWS; the only reader of the environment.

DMS_PIPELINE_DEPLOYMENT   local (default) | aws
DMS_PIPELINES_DIR         folder of the pipelines; default: those that come with the package
DMS_LOCAL_HOME            folder of the local stack; default: .local in the working folder
DAGSTER_HOME              Dagster's own; default for the command line: dagster in DMS_LOCAL_HOME
DMS_CHECKPOINT_TABLE      DynamoDB table of the checkpoints; default: dms_load_checkpoints
DMS_METRICS_TABLE         DynamoDB table of the metrics; default: dms_load_cdc_metrics
DMS_NOTIFICATION_TOPIC    SNS topic, name or ARN; default: dms-pipeline
DMS_SUBNET_GROUP          replication subnet group for instances; default: AWS's
DMS_SECURITY_GROUPS       security group ids for instances, with commas between; default: AWS's
DMS_PIPELINE_DAGSTER_URL  where Dagster's UI is (https://...), for links in mails; default: no links
DMS_POLL_INTERVAL_S       seconds between two looks at DMS; default: 15 on AWS, 0.1 locally
DMS_DRAIN_WINDOW_S        seconds that an incremental load reads on; default: 90 on AWS, 1 locally

On AWS, `dms-pipeline configure` writes those that a stack answers into a file.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dms_pipeline.errors import ConfigError
from dms_pipeline.pipeline_config import Network, PipelineConfig
from dms_pipeline.resources.aws_session import AwsSession, LocalAwsSession
from dms_pipeline.resources.checkpoints import CheckpointsResource
from dms_pipeline.resources.dms import DmsResource
from dms_pipeline.resources.load_metrics import LoadMetricsResource
from dms_pipeline.resources.load_resources import LoadResources
from dms_pipeline.resources.notifier import NotifierResource
from dms_pipeline.resources.source import SourceResource
from dms_pipeline.resources.target import TargetResource


@dataclass(frozen=True, slots=True)
class Deployment:
    """What differs from one place to another."""

    name: str
    pipelines: Path
    local_home: Path
    dagster_home: Path
    aws: AwsSession
    checkpoint_table: str
    metrics_table: str
    topic: str
    network: Network
    dagster_url: str
    poll_interval_s: float
    drain_window_s: int

    def checkpoints(self) -> CheckpointsResource:
        return CheckpointsResource(aws=self.aws, table_name=self.checkpoint_table)

    def load_metrics(self) -> LoadMetricsResource:
        return LoadMetricsResource(aws=self.aws, table_name=self.metrics_table)

    def notifier(self) -> NotifierResource:
        return NotifierResource(aws=self.aws, topic=self.topic, dagster_url=self.dagster_url)

    def dms(self) -> DmsResource:
        return DmsResource(
            aws=self.aws, poll_interval_s=self.poll_interval_s, drain_window_s=self.drain_window_s
        )

    def source(self) -> SourceResource:
        return SourceResource(aws=self.aws)

    def target(self) -> TargetResource:
        return TargetResource(aws=self.aws)

    def resources(self, pipelines: Iterable[PipelineConfig]) -> dict[str, Any]:
        """Dagster's resources by the names that ops and checks ask for."""
        systems = {
            "dms": self.dms(),
            "checkpoints": self.checkpoints(),
            "load_metrics": self.load_metrics(),
            "notifier": self.notifier(),
            "source": self.source(),
            "target": self.target(),
        }
        by_name = {pipeline.name: pipeline.within(self.network) for pipeline in pipelines}
        return {**systems, "on": LoadResources(**systems), "pipelines": by_name}


def deployment(environment: Mapping[str, str] = os.environ) -> Deployment:
    """The deployment that the environment names.

    Raises:
        ConfigError: if a variable has a value that cannot be used.
    """
    name = environment.get("DMS_PIPELINE_DEPLOYMENT", "local")
    home = Path(environment.get("DMS_LOCAL_HOME", ".local")).absolute()
    packaged = Path(__file__).parent / "pipelines"
    if name not in ("local", "aws"):
        raise ConfigError(f"DMS_PIPELINE_DEPLOYMENT is {name!r}; it may be local or aws")
    is_local = name == "local"
    return Deployment(
        name=name,
        pipelines=Path(environment.get("DMS_PIPELINES_DIR", packaged)).absolute(),
        local_home=home,
        dagster_home=Path(environment.get("DAGSTER_HOME", home / "dagster")).absolute(),
        aws=LocalAwsSession(home=str(home)) if is_local else AwsSession(max_attempts=10),
        checkpoint_table=environment.get("DMS_CHECKPOINT_TABLE", "dms_load_checkpoints"),
        metrics_table=environment.get("DMS_METRICS_TABLE", "dms_load_cdc_metrics"),
        topic=environment.get("DMS_NOTIFICATION_TOPIC", "dms-pipeline"),
        network=_network(environment),
        dagster_url=environment.get("DMS_PIPELINE_DAGSTER_URL", ""),
        poll_interval_s=_number(environment, "DMS_POLL_INTERVAL_S", 0.025 if is_local else 15.0),
        drain_window_s=int(_number(environment, "DMS_DRAIN_WINDOW_S", 1 if is_local else 90)),
    )


def _network(environment: Mapping[str, str]) -> Network:
    groups = environment.get("DMS_SECURITY_GROUPS", "")
    return Network(
        subnet_group=environment.get("DMS_SUBNET_GROUP") or None,
        security_groups=tuple(group.strip() for group in groups.split(",") if group.strip()),
    )


def _number(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if value <= 0:
        raise ConfigError(f"{name} is {text!r}; it needs to be a number of seconds above 0")
    return value
