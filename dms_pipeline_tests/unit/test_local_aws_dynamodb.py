import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.core.model_instances import model_data

from dms_pipeline_tests.wsgi_bridge import client, local_aws

KEY = [
    {"AttributeName": "pipeline", "KeyType": "HASH"},
    {"AttributeName": "version", "KeyType": "RANGE"},
]
ATTRIBUTES = [{"AttributeName": key["AttributeName"], "AttributeType": "S"} for key in KEY]


def create_table(dynamodb: Any, name: str = "checkpoints", **params: Any) -> None:
    dynamodb.create_table(
        TableName=name,
        KeySchema=KEY,
        AttributeDefinitions=ATTRIBUTES,
        **{"BillingMode": "PAY_PER_REQUEST", **params},
    )


def item(version: str, **values: Any) -> dict[str, Any]:
    return {"pipeline": {"S": "p"}, "version": {"S": version}, **values}


def by_version(dynamodb: Any, table: str = "checkpoints") -> dict[str, Any]:
    return {i["version"]["S"]: i for i in dynamodb.scan(TableName=table)["Items"]}


def after_restart(home: Path, table: str = "checkpoints") -> dict[str, Any]:
    with local_aws(home) as app:
        return by_version(client(app, "dynamodb"), table)


def test_every_kind_of_value_survives(tmp_path):
    whole = item(
        "latest",
        number={"N": "12345678901234567890.5"},
        nested={"M": {"list": {"L": [{"S": "é"}, {"BOOL": True}, {"NULL": True}]}}},
        raw={"B": b"\x00\xff"},
        names={"SS": ["a", "b"]},
        empty={"S": ""},
    )
    with local_aws(tmp_path) as app:
        dynamodb = client(app, "dynamodb")
        create_table(dynamodb)
        dynamodb.put_item(TableName="checkpoints", Item=whole)
    assert after_restart(tmp_path) == {"latest": whole}


def test_every_way_to_write_survives(tmp_path):
    with local_aws(tmp_path) as app:
        dynamodb = client(app, "dynamodb")
        create_table(dynamodb)
        table = {"TableName": "checkpoints"}
        for version in ("1", "2", "3", "4"):
            dynamodb.put_item(**table, Item=item(version))
        dynamodb.delete_item(**table, Key=item("1"))
        dynamodb.update_item(
            **table,
            Key=item("2"),
            UpdateExpression="SET n = :n",
            ExpressionAttributeValues={":n": {"N": "2"}},
        )
        put, delete = {"PutRequest": {"Item": item("5")}}, {"DeleteRequest": {"Key": item("3")}}
        dynamodb.batch_write_item(RequestItems={"checkpoints": [put, delete]})
        dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {**table, "Item": item("6")}},
                {"Delete": {**table, "Key": item("4")}},
            ]
        )
        statement = "INSERT INTO \"checkpoints\" VALUE {'pipeline': 'p', 'version': '7'}"
        dynamodb.execute_statement(Statement=statement)
        before = by_version(dynamodb)
    assert sorted(before) == ["2", "5", "6", "7"]
    assert after_restart(tmp_path) == before
    assert before["2"]["n"] == {"N": "2"}


def test_refused_conditional_write_changes_nothing(tmp_path):
    with local_aws(tmp_path) as app:
        dynamodb = client(app, "dynamodb")
        create_table(dynamodb)
        table = {"TableName": "checkpoints"}
        dynamodb.put_item(**table, Item=item("latest", n={"N": "1"}))
        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            dynamodb.put_item(
                **table,
                Item=item("latest", n={"N": "2"}),
                ConditionExpression="attribute_not_exists(version)",
            )
    assert after_restart(tmp_path)["latest"]["n"] == {"N": "1"}


def test_definition_of_a_table_survives(tmp_path):
    index = {
        "IndexName": "by_version",
        "KeySchema": [{"AttributeName": "version", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    units = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}
    with local_aws(tmp_path) as app:
        dynamodb = client(app, "dynamodb")
        create_table(
            dynamodb,
            BillingMode="PROVISIONED",
            ProvisionedThroughput=units,
            GlobalSecondaryIndexes=[{**index, "ProvisionedThroughput": units}],
            Tags=[{"Key": "pipeline", "Value": "p"}],
        )
        dynamodb.update_time_to_live(
            TableName="checkpoints",
            TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"},
        )
        dynamodb.update_continuous_backups(
            TableName="checkpoints",
            PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        )
    with local_aws(tmp_path) as app:
        dynamodb = client(app, "dynamodb")
        table = dynamodb.describe_table(TableName="checkpoints")["Table"]
        ttl = dynamodb.describe_time_to_live(TableName="checkpoints")["TimeToLiveDescription"]
        tags = dynamodb.list_tags_of_resource(ResourceArn=table["TableArn"])["Tags"]
        backups = dynamodb.describe_continuous_backups(TableName="checkpoints")
    assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 6
    assert table["GlobalSecondaryIndexes"][0]["IndexName"] == "by_version"
    assert (ttl["AttributeName"], tags) == ("expires", [{"Key": "pipeline", "Value": "p"}])
    recovery = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"


def test_dropped_table_stays_dropped(tmp_path):
    with local_aws(tmp_path) as app:
        dynamodb = client(app, "dynamodb")
        create_table(dynamodb)
        dynamodb.put_item(TableName="checkpoints", Item=item("latest"))
        dynamodb.delete_table(TableName="checkpoints")
        create_table(dynamodb)
    assert after_restart(tmp_path) == {}


def test_write_that_cannot_be_committed_is_answered_with_an_error(tmp_path):
    with local_aws(tmp_path) as app:
        dynamodb = client(app, "dynamodb")
        create_table(dynamodb)
        with sqlite3.connect(tmp_path / "dynamodb.sqlite") as database:
            database.execute("DROP TABLE items")
        database.close()
        with pytest.raises(ClientError) as caught:
            dynamodb.put_item(TableName="checkpoints", Item=item("latest"))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500


def test_tables_of_two_regions_are_kept_apart(tmp_path):
    with local_aws(tmp_path) as app:
        for region in ("us-east-1", "eu-west-1"):
            dynamodb = client(app, "dynamodb", region)
            create_table(dynamodb)
            dynamodb.put_item(TableName="checkpoints", Item=item(region))
    assert list(after_restart(tmp_path)) == ["us-east-1"]


def test_endpoint_keeps_nothing_of_what_moto_made_for_a_call(tmp_path):
    with local_aws(tmp_path) as app:
        dynamodb = client(app, "dynamodb")
        create_table(dynamodb)
        for version in ("1", "2"):
            put = {"Put": {"TableName": "checkpoints", "Item": item(version)}}
            dynamodb.transact_write_items(TransactItems=[put])
        made: list[Any] = [model for models in model_data.values() for model in models.values()]
        kept = [model.instances_tracked for model in made]
    assert kept
    assert not any(kept)


_STACK = {
    "Resources": {
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": "checkpoints",
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": KEY,
                "AttributeDefinitions": ATTRIBUTES,
            },
        }
    }
}


def test_table_of_a_stack_is_written_to_survives_and_goes_with_its_stack(tmp_path):
    with local_aws(tmp_path) as app:
        dynamodb, cloudformation = client(app, "dynamodb"), client(app, "cloudformation")
        cloudformation.create_stack(StackName="tables", TemplateBody=json.dumps(_STACK))
        dynamodb.put_item(TableName="checkpoints", Item=item("latest"))
    assert after_restart(tmp_path) == {"latest": item("latest")}
    with local_aws(tmp_path) as app:
        dynamodb, cloudformation = client(app, "dynamodb"), client(app, "cloudformation")
        dynamodb.delete_table(TableName="checkpoints")
        cloudformation.create_stack(StackName="tables", TemplateBody=json.dumps(_STACK))
        cloudformation.delete_stack(StackName="tables")
    with local_aws(tmp_path) as app:
        assert client(app, "dynamodb").list_tables()["TableNames"] == []
