"""AWS DMS: one typed client for the operations of a load, with frozen values for answers."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from botocore.exceptions import ClientError

from dms_pipeline.aws.session import aws_errors, error_code
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import AwsError

if TYPE_CHECKING:
    from mypy_boto3_dms import DatabaseMigrationServiceClient

StartType = Literal["start-replication", "resume-processing", "reload-target"]
MigrationType = Literal["full-load", "cdc", "full-load-and-cdc"]
_NOT_FOUND = "ResourceNotFoundFault"
_errors = partial(aws_errors, "dms")


@dataclass(frozen=True, slots=True)
class ReplicationInstance:
    """A replication instance; its ``status`` is ``available`` when it can be used."""

    arn: str
    identifier: str
    status: str
    instance_class: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A source or target endpoint."""

    arn: str
    identifier: str
    kind: Literal["source", "target"]


@dataclass(frozen=True, slots=True)
class Connection:
    """The last connection test of an instance and an endpoint."""

    endpoint_arn: str
    status: str
    last_failure: str


@dataclass(frozen=True, slots=True)
class ReplicationTask:
    """A replication task; texts that DMS has not filled in yet are empty."""

    arn: str
    identifier: str
    status: str
    migration_type: str
    stop_reason: str
    last_failure: str
    recovery_checkpoint: str
    cdc_start_position: str
    created_at: datetime | None
    started_at: datetime | None
    stopped_at: datetime | None
    tables_errored: int
    full_load_percent: int

    @property
    def resource_id(self) -> str:
        """The last part of the ARN: the name by which the task goes in DMS's control tables."""
        return self.arn.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """Counters of one table, named by its source; captured and applied changes of one task."""

    table: TableId
    state: str
    inserts: int
    updates: int
    deletes: int
    ddls: int
    applied_inserts: int
    applied_updates: int
    applied_deletes: int
    full_load_rows: int


class DmsClient:
    """The DMS operations of a load. All raise `AwsError` when AWS refuses or does not answer."""

    def __init__(self, client: "DatabaseMigrationServiceClient") -> None:
        self._client = client

    def find_instance(self, identifier: str) -> ReplicationInstance | None:
        found = self._find(
            "describe_replication_instances",
            "ReplicationInstances",
            ("replication-instance-id", identifier),
        )
        return _instance(found) if found else None

    def instances(self) -> tuple[ReplicationInstance, ...]:
        """All of the account, in as few calls as DMS has pages."""
        with _errors("DescribeReplicationInstances"):
            pages = self._client.get_paginator("describe_replication_instances").paginate()
            return tuple(_instance(row) for page in pages for row in page["ReplicationInstances"])

    def tasks(self) -> tuple[ReplicationTask, ...]:
        """All of the account, in as few calls as DMS has pages."""
        with _errors("DescribeReplicationTasks"):
            pages = self._client.get_paginator("describe_replication_tasks").paginate(
                WithoutSettings=True
            )
            return tuple(_task(row) for page in pages for row in page["ReplicationTasks"])

    def create_instance(
        self,
        identifier: str,
        *,
        instance_class: str,
        allocated_storage_gb: int,
        engine_version: str,
        multi_az: bool,
        subnet_group: str | None = None,
        security_groups: tuple[str, ...] = (),
        kms_key_id: str | None = None,
        tags: Mapping[str, str],
    ) -> ReplicationInstance | None:
        """Never publicly accessible: AWS's own default is a public address.

        An instance that is there already is left as it is: it may be the one that a repeated call
        has made. The answer is None then, and the caller looks whose it is.
        """
        optional: dict[str, Any] = {}
        if subnet_group:
            optional["ReplicationSubnetGroupIdentifier"] = subnet_group
        if kms_key_id:
            optional["KmsKeyId"] = kms_key_id
        if security_groups:
            optional["VpcSecurityGroupIds"] = list(security_groups)
        with _errors(f"CreateReplicationInstance {identifier}"), _there_is_fine():
            response = self._client.create_replication_instance(
                ReplicationInstanceIdentifier=identifier,
                ReplicationInstanceClass=instance_class,
                AllocatedStorage=allocated_storage_gb,
                EngineVersion=engine_version,
                AutoMinorVersionUpgrade=False,
                MultiAZ=multi_az,
                PubliclyAccessible=False,
                Tags=_tag_list(tags),
                **optional,
            )
            return _instance(response["ReplicationInstance"])
        return None

    def delete_instance(self, instance: ReplicationInstance) -> None:
        with _errors(f"DeleteReplicationInstance {instance.identifier}"), _gone_is_fine():
            self._client.delete_replication_instance(ReplicationInstanceArn=instance.arn)

    def find_endpoints(self, *identifiers: str) -> dict[str, Endpoint]:
        """Those of them that there are, by identifier."""
        found = self._describe("describe_endpoints", "Endpoints", "endpoint-id", *identifiers)
        return {row["EndpointIdentifier"]: _endpoint(row) for row in found}

    def put_endpoint(
        self, identifier: str, *, kind: Literal["source", "target"], settings: Mapping[str, Any]
    ) -> None:
        """Creates the endpoint, or gives the one there these settings (as CreateEndpoint).

        One that a running task uses cannot be changed; that is an error only if it differs.
        """
        request: dict[str, Any] = {
            "EndpointIdentifier": identifier,
            "EndpointType": kind,
            **settings,
        }
        present = self._find("describe_endpoints", "Endpoints", ("endpoint-id", identifier))
        with _errors(f"the endpoint {identifier}"):
            if present is None:
                self._client.create_endpoint(**request)
                return
            try:
                self._client.modify_endpoint(EndpointArn=present["EndpointArn"], **request)
            except ClientError as error:
                is_busy = error_code(error) == "InvalidResourceStateFault"
                if not is_busy or not _has_settings(present, settings):
                    raise

    def test_connection(self, instance: ReplicationInstance, endpoint: Endpoint) -> None:
        subject = f"TestConnection of {endpoint.identifier} from {instance.identifier}"
        with _errors(subject):
            self._client.test_connection(
                ReplicationInstanceArn=instance.arn, EndpointArn=endpoint.arn
            )

    def connections(self, instance: ReplicationInstance) -> dict[str, Connection]:
        """The connection tests of this instance, by endpoint ARN."""
        found = self._describe(
            "describe_connections", "Connections", "replication-instance-arn", instance.arn
        )
        return {
            row["EndpointArn"]: Connection(
                endpoint_arn=row["EndpointArn"],
                status=row["Status"],
                last_failure=row.get("LastFailureMessage", ""),
            )
            for row in found
        }

    def find_task(self, identifier: str) -> ReplicationTask | None:
        found = self._find(
            "describe_replication_tasks",
            "ReplicationTasks",
            ("replication-task-id", identifier),
            WithoutSettings=True,
        )
        return _task(found) if found else None

    def create_task(
        self,
        identifier: str,
        *,
        instance: ReplicationInstance,
        source: Endpoint,
        target: Endpoint,
        migration_type: MigrationType,
        table_mappings: str,
        task_settings: str,
        cdc_start_position: str | None,
        tags: Mapping[str, str],
    ) -> ReplicationTask | None:
        """A task that is there already is left as it is and answers None, like an instance."""
        optional = {"CdcStartPosition": cdc_start_position} if cdc_start_position else {}
        with _errors(f"CreateReplicationTask {identifier}"), _there_is_fine():
            response = self._client.create_replication_task(
                ReplicationTaskIdentifier=identifier,
                ReplicationInstanceArn=instance.arn,
                SourceEndpointArn=source.arn,
                TargetEndpointArn=target.arn,
                MigrationType=migration_type,
                TableMappings=table_mappings,
                ReplicationTaskSettings=task_settings,
                Tags=_tag_list(tags),
                **optional,
            )
            return _task(response["ReplicationTask"])
        return None

    def start_task(
        self, task: ReplicationTask, start_type: StartType, *, cdc_stop_position: str | None
    ) -> None:
        optional = {"CdcStopPosition": cdc_stop_position} if cdc_stop_position else {}
        with _errors(f"StartReplicationTask {task.identifier} ({start_type})"):
            self._client.start_replication_task(
                ReplicationTaskArn=task.arn, StartReplicationTaskType=start_type, **optional
            )

    def stop_task(self, task: ReplicationTask) -> None:
        """Ask a task that was seen running to stop; it may have ended by itself since."""
        with _errors(f"StopReplicationTask {task.identifier}"), _ended_is_fine():
            self._client.stop_replication_task(ReplicationTaskArn=task.arn)

    def delete_task(self, task: ReplicationTask) -> None:
        with _errors(f"DeleteReplicationTask {task.identifier}"), _gone_is_fine():
            self._client.delete_replication_task(ReplicationTaskArn=task.arn)

    def table_statistics(self, task: ReplicationTask) -> tuple[TableStatistics, ...]:
        with _errors(f"DescribeTableStatistics of {task.identifier}"):
            pages = self._client.get_paginator("describe_table_statistics").paginate(
                ReplicationTaskArn=task.arn, PaginationConfig={"PageSize": 500}
            )
            return tuple(_statistics(row) for page in pages for row in page["TableStatistics"])

    def add_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        """Sets these tags, leaving others as they are."""
        with _errors(f"AddTagsToResource {arn}"):
            self._client.add_tags_to_resource(ResourceArn=arn, Tags=_tag_list(tags))

    def tags(self, arn: str) -> dict[str, str]:
        with _errors(f"ListTagsForResource {arn}"):
            response = self._client.list_tags_for_resource(ResourceArn=arn)
        return {tag["Key"]: tag.get("Value", "") for tag in response["TagList"]}

    def _find(
        self, operation: str, result: str, name_is: tuple[str, str], **more: Any
    ) -> dict[str, Any] | None:
        found = self._describe(operation, result, *name_is, **more)
        if len(found) > 1:
            _ambiguous(operation, name_is, len(found))
        return found[0] if found else None

    def _describe(
        self, operation: str, result: str, name: str, *values: str, **more: Any
    ) -> list[dict[str, Any]]:
        """DMS raises a fault, rather than answer an empty list, when a filter matches nothing."""
        wanted = " and ".join(values)
        with _errors(f"{self._client.meta.method_to_api_mapping[operation]} of {wanted}"):
            try:
                response = getattr(self._client, operation)(
                    Filters=[{"Name": name, "Values": list(values)}], **more
                )
            except ClientError as error:
                if error_code(error) == _NOT_FOUND:
                    return []
                raise
        return list(response[result])


def _has_settings(endpoint: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether the endpoint has these settings, as far as DMS shows them: not the password."""
    shown = {name: value for name, value in settings.items() if name != "Password"}
    return all(
        str(endpoint.get(name, "")).lower() == str(value).lower() for name, value in shown.items()
    )


@contextmanager
def _answer_is_fine(code: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error_code(error) != code:
            raise


def _gone_is_fine() -> AbstractContextManager[None]:
    """A delete of what is gone has done its work."""
    return _answer_is_fine(_NOT_FOUND)


def _ended_is_fine() -> AbstractContextManager[None]:
    """A stop of what has ended meanwhile has nothing to do; who asks waits for the end anyway."""
    return _answer_is_fine("InvalidResourceStateFault")


def _there_is_fine() -> AbstractContextManager[None]:
    """A create of what is there has done its work, perhaps in an earlier try."""
    return _answer_is_fine("ResourceAlreadyExistsFault")


def _ambiguous(operation: str, name_is: tuple[str, str], count: int) -> NoReturn:
    raise AwsError(f"{operation}: {count} objects answer to {name_is[0]} {name_is[1]}, needed one")


def _tag_list(tags: Mapping[str, str]) -> Any:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _instance(row: Any) -> ReplicationInstance:
    return ReplicationInstance(
        arn=row["ReplicationInstanceArn"],
        identifier=row["ReplicationInstanceIdentifier"],
        status=row["ReplicationInstanceStatus"],
        instance_class=row.get("ReplicationInstanceClass", ""),
        created_at=row.get("InstanceCreateTime"),
    )


def _endpoint(row: Any) -> Endpoint:
    kind: Literal["source", "target"] = (
        "source" if str(row["EndpointType"]).lower() == "source" else "target"
    )
    return Endpoint(row["EndpointArn"], row["EndpointIdentifier"], kind)


def _task(row: Any) -> ReplicationTask:
    statistics = row.get("ReplicationTaskStats", {})
    return ReplicationTask(
        arn=row["ReplicationTaskArn"],
        identifier=row["ReplicationTaskIdentifier"],
        status=row["Status"],
        migration_type=row["MigrationType"],
        stop_reason=row.get("StopReason", ""),
        last_failure=row.get("LastFailureMessage", ""),
        recovery_checkpoint=row.get("RecoveryCheckpoint", ""),
        cdc_start_position=row.get("CdcStartPosition", ""),
        created_at=row.get("ReplicationTaskCreationDate"),
        started_at=row.get("ReplicationTaskStartDate"),
        stopped_at=statistics.get("StopDate"),
        tables_errored=statistics.get("TablesErrored", 0),
        full_load_percent=statistics.get("FullLoadProgressPercent", 0),
    )


def _statistics(row: Any) -> TableStatistics:
    return TableStatistics(
        table=TableId(row["SchemaName"], row["TableName"]),
        state=row.get("TableState", ""),
        inserts=row.get("Inserts", 0),
        updates=row.get("Updates", 0),
        deletes=row.get("Deletes", 0),
        ddls=row.get("Ddls", 0),
        applied_inserts=row.get("AppliedInserts", 0),
        applied_updates=row.get("AppliedUpdates", 0),
        applied_deletes=row.get("AppliedDeletes", 0),
        full_load_rows=row.get("FullLoadRows", 0),
    )
