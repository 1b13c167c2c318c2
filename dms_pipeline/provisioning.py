"""Creates what a deployment needs to exist before its first run, as CloudFormation does on AWS.

DMS endpoints and database secrets of every pipeline, the two DynamoDB tables, the SNS topics.
Everything is looked for first: a repetition changes only what differs.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from dms_pipeline.aws.secrets import DatabaseCredentials, DatabaseSecrets
from dms_pipeline.deployments import Deployment
from dms_pipeline.pipeline_config import PipelineConfig


def provision(
    deployment: Deployment,
    pipelines: Iterable[PipelineConfig],
    *,
    source: DatabaseCredentials,
    target: DatabaseCredentials,
    email: str,
) -> None:
    """All pipelines on one source and one target server. Raises `AwsError` when AWS refuses."""
    secrets = DatabaseSecrets(deployment.aws.client("secretsmanager"))
    dms = deployment.dms().client()
    topics: set[str | None] = {None}
    for pipeline in pipelines:
        topics.add(pipeline.notification_topic)
        secrets.write(pipeline.source.secret, asdict(source))
        secrets.write(pipeline.target.secret, asdict(target))
        dms.put_endpoint(
            pipeline.source.endpoint, kind="source", settings=_settings("mysql", source)
        )
        dms.put_endpoint(
            pipeline.target.endpoint, kind="target", settings=_settings("postgres", target)
        )
    deployment.checkpoints().store().create_table()
    deployment.load_metrics().metrics().create_table()
    for topic in topics:
        deployment.notifier().client(topic).ensure([email])


def _settings(engine: str, login: DatabaseCredentials) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "EngineName": engine,
        "ServerName": login.host,
        "Port": login.port,
        "Username": login.username,
        "Password": login.password,
    }
    # A MySQL source endpoint must not name a database: DMS would send every table into that one.
    return {**settings, "DatabaseName": login.dbname} if login.dbname else settings
