"""What the published examples presuppose: it is made, and named in their requests.

Only names that the server gives, and what nobody filled in, are replaced in a request.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dms_pipeline_tests.dms_objects import (
    TABLE_MAPPINGS,
    Objects,
    create_endpoint,
    create_instance,
    wait,
)
from dms_pipeline_tests.published_examples import Example, member_of
from dms_pipeline_tests.random_requests import MODEL

_NO_FILTERS = [{"Name": "string", "Values": ["string", "string"]}]


@dataclass
class Account:
    """An instance and two tested endpoints; `names` stand for the names in examples, by member."""

    objects: Objects
    names: dict[str, str]

    @property
    def dms(self) -> Any:
        return self.objects.dms

    def run_task(self, name: str, kind: str) -> str:
        arn = self.objects.create_task(name, kind)
        self.names["ReplicationTaskArn"] = arn
        self.objects.start(arn)
        return arn


def has_stopped_task(account: Account, example: Example) -> None:
    # An example of a start has a start time, which is for tasks of type cdc.
    arn = account.run_task("moveit2", "cdc" if "CdcStartTime" in example.request else "full-load")
    account.objects.until(arn, "stopped")


def has_running_task(account: Account, example: Example) -> None:
    account.objects.until(account.run_task("endless", "full-load"), "running")


def has_assessed_task(account: Account, example: Example) -> None:
    has_stopped_task(account, example)
    arn = account.names["ReplicationTaskArn"]
    account.dms.start_replication_task_assessment(ReplicationTaskArn=arn)
    account.objects.until(arn, "stopped")


def has_refreshed_schemas(account: Account, example: Example) -> None:
    ends = {"EndpointArn": account.objects.source}
    account.dms.refresh_schemas(**ends, ReplicationInstanceArn=account.objects.instance)
    for _ in range(20):
        answer = account.dms.describe_refresh_schemas_status(**ends)
        if answer["RefreshSchemasStatus"]["Status"] == "successful":
            return
    raise AssertionError("the schemas were not refreshed")


def has_subnet_group(account: Account, example: Example) -> None:
    member = "ReplicationSubnetGroupIdentifier"
    account.names[member] = example.request.get(member) or "my-subnet-group"
    account.dms.create_replication_subnet_group(
        ReplicationSubnetGroupIdentifier=account.names[member],
        ReplicationSubnetGroupDescription="my subnet group",
        SubnetIds=["subnet-da327bf6", "subnet-bac383e0", "subnet-d7c825e8"],
    )


def has_tags(account: Account, example: Example) -> None:
    for arn in (account.objects.instance, account.objects.source):
        tags = [{"Key": "Project", "Value": "dbMigration"}]
        account.dms.add_tags_to_resource(ResourceArn=arn, Tags=tags)


def has_subscription(account: Account, example: Example) -> None:
    account.dms.create_event_subscription(
        SubscriptionName="my-dms-events", SnsTopicArn="arn:aws:sns:us-east-1:123456789012:topic"
    )
    for _ in range(20):
        found = account.dms.describe_event_subscriptions()["EventSubscriptionsList"]
        if found[0]["Status"] == "active":
            return
    raise AssertionError("the subscription did not become active")


def has_deleted_subscription(account: Account, example: Example) -> None:
    has_subscription(account, example)
    account.dms.delete_event_subscription(SubscriptionName="my-dms-events")


def has_pending_change(account: Account, example: Example) -> None:
    arn = account.objects.instance
    account.dms.modify_replication_instance(ReplicationInstanceArn=arn, MultiAZ=True)


PRESUPPOSED: Mapping[str, Callable[[Account, Example], None]] = {
    "DeleteEventSubscription": has_subscription,
    "DeleteReplicationSubnetGroup": has_subnet_group,
    "DeleteReplicationTask": has_stopped_task,
    "DescribeEventSubscriptions": has_deleted_subscription,
    "DescribeRefreshSchemasStatus": has_refreshed_schemas,
    "DescribeReplicationInstances": has_pending_change,
    "DescribeReplicationSubnetGroups": has_subnet_group,
    "DescribeReplicationTaskAssessmentResults": has_assessed_task,
    "DescribeReplicationTasks": has_stopped_task,
    "DescribeSchemas": has_refreshed_schemas,
    "DescribeTableStatistics": has_stopped_task,
    "ListTagsForResource": has_tags,
    "ModifyEventSubscription": has_subscription,
    "ModifyReplicationSubnetGroup": has_subnet_group,
    "ModifyReplicationTask": has_stopped_task,
    "RefreshSchemas": has_refreshed_schemas,
    "ReloadTables": has_running_task,
    "RemoveTagsFromResource": has_tags,
    "StartReplicationTask": has_stopped_task,
    "StartReplicationTaskAssessment": has_stopped_task,
    "StopReplicationTask": has_running_task,
}
INSTANCES: Mapping[str, Mapping[str, Any]] = {
    "DeleteReplicationInstance": {"MultiAZ": True},
    # An upgrade to an old version is refused where the instance has a newer one.
    "ModifyReplicationInstance": {"EngineVersion": "1.5.0"},
}
"""How the instance is made that examples of an operation are about."""


def account_for(example: Example, dms: Any) -> Account:
    objects = Objects(
        dms,
        create_instance(dms, **INSTANCES.get(example.operation, {})),
        create_endpoint(
            dms, "source", DatabaseName="test", ExtraConnectionAttributes="eventsPollInterval=5"
        ),
        create_endpoint(dms, "target"),
    )
    for endpoint in (objects.source, objects.target):
        dms.test_connection(ReplicationInstanceArn=objects.instance, EndpointArn=endpoint)
    wait(dms, "test_connection_succeeds", "replication-instance-arn", objects.instance)
    names = {
        "ReplicationInstanceArn": objects.instance,
        "EndpointArn": objects.source,
        "SourceEndpointArn": objects.source,
        "TargetEndpointArn": objects.target,
    }
    account = Account(objects, names)
    given = str(example.request.get("ResourceArn", ""))
    names["ResourceArn"] = objects.source if ":endpoint:" in given else objects.instance
    PRESUPPOSED.get(example.operation, lambda *_: None)(account, example)
    return account


def filled_in(example: Example, account: Account) -> dict[str, Any]:
    """The request of botocore's example with what is there, and without what nobody filled in."""
    shape = MODEL.operation_model(example.operation).input_shape
    assert shape is not None
    result: Any = next(iter(example.output.values()), {})
    filled: dict[str, Any] = {}
    for name, value in example.request.items():
        if name in account.names:
            filled[name] = account.names[name]
        elif value == "" and name in shape.required_members:
            filled[name] = result.get(name, "unnamed")
        elif name == "MaxRecords":
            filled[name] = 100  # the examples' 123 is more than AWS documents
        elif name == "TableMappings":
            filled[name] = TABLE_MAPPINGS  # a file of the AWS CLI, which is not there
        elif value not in ("", _NO_FILTERS):
            filled[name] = value
    if example.operation == "CreateReplicationTask":
        # The example has a start time, which is for tasks of type cdc.
        filled["MigrationType"] = "cdc"
    return filled


def as_command(example: Example, account: Account, folder: Path) -> list[str]:
    """The command of an example of the AWS CLI, with what is there; its files are in `folder`."""
    for name, text in example.files.items():
        (folder / name).write_text(text)
    command: list[str] = []
    for word in example.command:
        member = member_of(command[-1]) if command else ""
        given = word.replace("file://", f"file://{folder}/")
        command.append(account.names.get(member, given))
    return command
