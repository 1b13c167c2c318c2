"""Whatever AWS answers becomes one message: what was tried, what AWS said, what to do."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from dms_pipeline.aws.dms import DmsClient, ReplicationTask
from dms_pipeline.aws.dynamodb import ConditionFailedError, KeyedTable
from dms_pipeline.aws.secrets import DatabaseSecrets
from dms_pipeline.aws.session import AwsAccess, new_client
from dms_pipeline.aws.sns import Topic
from dms_pipeline.errors import AwsError, RoleError
from dms_pipeline_tests.local_endpoint import endpoint

_TOPIC_ARN = "arn:aws:sns:us-east-1:123456789012:mails"


@pytest.fixture(scope="module")
def access(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccess]:
    """A real endpoint, called without retries."""
    with endpoint(tmp_path_factory.mktemp("aws")) as (_, client):
        yield AwsAccess(
            region="us-east-1",
            endpoint_url=client("dms").meta.endpoint_url,
            access_key_id="local",
            secret_access_key="local",
            max_attempts=0,
        )


def _inject(access: AwsAccess, *faults: dict[str, Any]) -> None:
    url, body = f"{access.endpoint_url}/_faults", json.dumps(faults).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, method="PUT")):
        pass


def _find_instance(access: AwsAccess) -> object:
    return DmsClient(new_client("dms", access)).find_instance("ours")


def _create_instance(access: AwsAccess) -> None:
    DmsClient(new_client("dms", access)).create_instance(
        "ours",
        instance_class="dms.t3.medium",
        allocated_storage_gb=50,
        engine_version="3.5.4",
        multi_az=False,
        tags={},
    )


def _table(access: AwsAccess, **more: Any) -> KeyedTable:
    client = new_client("dynamodb", access)
    return KeyedTable(client, "checkpoints", partition_key="p", sort_key="s", **more)


def _get_item(access: AwsAccess) -> object:
    return _table(access).get("a", "b")


def _read_secret(access: AwsAccess) -> object:
    return DatabaseSecrets(new_client("secretsmanager", access)).read("shop-source")


def _publish(access: AwsAccess) -> None:
    Topic(new_client("sns", access), _TOPIC_ARN).publish(subject="s", message="m")


_DENIED = "User: arn:aws:sts::1:assumed-role/etl/x is not authorized to perform: "


@pytest.mark.parametrize(
    ("act", "service", "code", "message", "said"),
    [
        (_find_instance, "dms", "ThrottlingException", "", "spread the schedules"),
        (_find_instance, "dms", "ExpiredTokenException", "", "Renew the AWS credentials"),
        (_publish, "sns", "ExpiredToken", "The token expired", "Renew the AWS credentials"),
        (_find_instance, "dms", "UnrecognizedClientException", "", "aws sts get-caller-identity"),
        (
            _find_instance,
            "dms",
            "AccessDeniedException",
            "",
            "Allow dms:DescribeReplicationInstances in the IAM policy",
        ),
        (
            _get_item,
            "dynamodb",
            "AccessDeniedException",
            f"{_DENIED}dynamodb:GetItem on resource: arn:aws:dynamodb:t because no identity-based",
            "Allow dynamodb:GetItem on arn:aws:dynamodb:t in the IAM policy",
        ),
        (
            _publish,
            "sns",
            "AuthorizationError",
            f"{_DENIED}SNS:Publish on resource: {_TOPIC_ARN} with an explicit deny in a policy",
            f"A policy denies SNS:Publish on {_TOPIC_ARN}",
        ),
        (
            _read_secret,
            "secretsmanager",
            "AccessDeniedException",
            "No",
            "Allow secretsmanager:GetSecretValue in",
        ),
        (_read_secret, "secretsmanager", "DecryptionFailure", "No", "Allow kms:Decrypt"),
        (
            _read_secret,
            "secretsmanager",
            "AccessDeniedException",
            "Access to KMS is not allowed",
            "Allow kms:Decrypt",
        ),
        (
            _read_secret,
            "secretsmanager",
            "InvalidRequestException",
            "The secret was marked for deletion.",
            "for deletion. Restore the secret",
        ),
        (_create_instance, "dms", "AccessDeniedFault", "", "dms-vpc-role with the policy"),
        (_create_instance, "dms", "InsufficientResourceCapacityFault", "", "another class or"),
        (_create_instance, "dms", "ResourceQuotaExceededFault", "Quota", "Service Quotas"),
        (_create_instance, "dms", "StorageQuotaExceededFault", "Quota", "Service Quotas"),
        (_create_instance, "dms", "InvalidSubnet", "Subnet", "Correct subnet_group"),
        (
            _create_instance,
            "dms",
            "ReplicationSubnetGroupDoesNotCoverEnoughAZs",
            "Two",
            "Correct subnet_group",
        ),
        (_create_instance, "dms", "ResourceNotFoundFault", "Group", "Correct subnet_group"),
        (_create_instance, "dms", "KMSKeyNotAccessibleFault", "Key", "correct kms_key_id"),
        (
            _get_item,
            "dynamodb",
            "ProvisionedThroughputExceededException",
            "Rate",
            "Give the table more capacity",
        ),
        (_find_instance, "dms", "RequestExpired", "Old", "The clock of this machine"),
        (_get_item, "dynamodb", "SignatureDoesNotMatch", "No", "The clock of this machine"),
        (_get_item, "dynamodb", "InternalServerError", "Oops", "AWS itself fails"),
        (_publish, "sns", "NotFound", "Topic does not exist", "Create the topic"),
    ],
)
def test_refusal_says_what_was_tried_and_what_to_do(access, act, service, code, message, said):
    fault = {"kind": "request-refused", "service": service, "code": code}
    _inject(access, {**fault, **({"message": message} if message else {})})
    with pytest.raises(AwsError) as raised:
        act(access)
    text = str(raised.value)
    assert f"{code}: " in text
    assert said in text
    assert text.startswith("AWS refused ")
    assert ".." not in text
    assert isinstance(raised.value, RoleError) == (code == "AccessDeniedFault")


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (_get_item, "Create the table in this account and region"),
        (_read_secret, "Create the secret in this account and region"),
        (_publish, "Create the topic in this account and region"),
    ],
)
def test_what_is_not_there_is_named(access, act, said):
    _inject(access)
    with pytest.raises(AwsError, match=said):
        act(access)


def test_throttled_call_is_repeated_by_every_client(access):
    patient = replace(access, max_attempts=8)
    _inject(access, {"kind": "request-refused", "code": "ThrottlingException", "times": 2})
    assert _find_instance(patient) is None
    _inject(access, {"kind": "request-refused", "code": "ThrottlingException"})
    with pytest.raises(AwsError, match=r"ours \(tried 2 times\): ThrottlingException"):
        _find_instance(replace(access, max_attempts=1))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"endpoint_url": "http://127.0.0.1:9"},
            "did not answer.*does not run; start it with `dms-pipeline local",
        ),
        ({"endpoint_url": "http://nowhere.invalid"}, "did not answer.*has a network, DNS"),
        ({"region": None}, "could not be asked for a client.*Set AWS_DEFAULT_REGION"),
        ({"profile": "nobody"}, "Correct AWS_PROFILE"),
        ({"access_key_id": None, "secret_access_key": None}, "Give this process a role"),
    ],
    ids=["local stack", "network", "region", "profile", "credentials"],
)
def test_call_that_cannot_be_made_says_what_is_missing(
    access, monkeypatch, tmp_path, changes, said
):
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(AwsError, match=said):
        _find_instance(replace(access, **changes))


def test_renewed_credentials_are_read_after_the_old_ones_expired(access, monkeypatch, tmp_path):
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    by_file = replace(access, access_key_id=None, secret_access_key=None, profile="ours")
    file.write_text("[ours]\naws_access_key_id = old\naws_secret_access_key = x\n")
    old = new_client("dms", by_file)
    file.write_text("[ours]\naws_access_key_id = new\naws_secret_access_key = x\n")
    assert new_client("dms", by_file) is old
    _inject(access, {"kind": "request-refused", "code": "ExpiredTokenException"})
    with pytest.raises(AwsError):
        _find_instance(by_file)
    assert new_client("dms", by_file)._request_signer._credentials.access_key == "new"


def _cancelled(code: str) -> dict[str, Any]:
    return {
        "service_error_code": "TransactionCanceledException",
        "service_message": "Transaction cancelled",
        "modeled_fields": {"CancellationReasons": [{"Code": "None"}, {"Code": code}]},
    }


@pytest.fixture
def stubbed(access: AwsAccess) -> Iterator[tuple[Stubber, KeyedTable, list[float]]]:
    """For answers that the local endpoint never gives; nothing sleeps."""
    slept: list[float] = []
    table = _table(replace(access, secret_access_key="stubbed"), sleep=slept.append)
    with Stubber(table._client) as stubber:
        yield stubber, table, slept


def _put_pair(table: KeyedTable) -> None:
    item = {"p": "a", "s": "b"}
    table.put_pair(item, item, unless_changed=None)


def test_transaction_in_the_way_of_another_is_repeated(stubbed):
    stubber, table, slept = stubbed
    for code in ("TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"):
        stubber.add_client_error("transact_write_items", **_cancelled(code))
    stubber.add_response("transact_write_items", {})
    _put_pair(table)
    assert len(slept) == 3
    stubber.add_client_error("transact_write_items", **_cancelled("ConditionalCheckFailed"))
    with pytest.raises(ConditionFailedError, match="nothing was written"):
        _put_pair(table)
    stubber.add_client_error("transact_write_items", **_cancelled("ValidationError"))
    with pytest.raises(AwsError, match="TransactionCanceledException"):
        _put_pair(table)
    assert len(slept) == 3


def test_rows_that_a_table_has_no_capacity_for_are_written_later_or_reported(stubbed):
    stubber, table, slept = stubbed
    left = {"checkpoints": [{"PutRequest": {"Item": {"p": {"S": "a"}, "s": {"S": "b"}}}}]}
    for unprocessed in (left, left, {}):
        stubber.add_response(
            "batch_write_item", {"UnprocessedItems": unprocessed}, {"RequestItems": ANY}
        )
    table.put_all([{"p": "a", "s": "b"}])
    assert len(slept) == 2
    for _ in range(9):
        stubber.add_response("batch_write_item", {"UnprocessedItems": left}, {"RequestItems": ANY})
    with pytest.raises(AwsError, match="has not taken 1 of 1 items in 9 tries"):
        table.put_all([{"p": "a", "s": "b"}])


def test_a_task_that_ended_before_its_stop_is_stopped(access):
    task = ReplicationTask(
        "arn:ours", "ours", "running", "cdc", "", "", "", "", None, None, None, 0, 0
    )
    refused = {
        "kind": "request-refused",
        "code": "InvalidResourceStateFault",
        "message": "Replication task ours cannot be stopped, it is stopped and not running.",
        "operation": "StopReplicationTask",
        "times": 1,
    }
    _inject(access, refused)
    client = DmsClient(new_client("dms", access))
    client.stop_task(task)
    _inject(access, {**refused, "code": "AccessDeniedException"})
    with pytest.raises(AwsError, match="StopReplicationTask ours"):
        client.stop_task(task)
    _inject(access)
