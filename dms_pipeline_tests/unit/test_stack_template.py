"""The CloudFormation template: what is in it, and what moto makes of it."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from moto.backends import get_backend
from moto.cloudformation.parsing import get_model_map

from dms_pipeline.aws.cloudformation import Stack, Stacks
from dms_pipeline.aws.dynamodb import KeyedTable
from dms_pipeline.aws.secrets import DatabaseCredentials, DatabaseSecrets
from dms_pipeline.cli import students
from dms_pipeline.dms_objects import identifier
from dms_pipeline.pipeline_config import load_pipeline
from dms_pipeline.stack_environment import OUTPUTS, differences, environment, usable
from dms_pipeline_tests.a_pipeline import PIPELINES
from dms_pipeline_tests.stack_template import (
    NOT_IN_MOTO,
    TARGET_ADDRESS,
    TEMPLATE,
    create_in_dms,
    deploy,
    files_of_jump_host,
    properties,
    template,
)
from dms_pipeline_tests.wsgi_bridge import client, local_aws

_EVERYTHING = {"MultiAZ": "true", "DeletionProtection": "true"}
_SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop-AbCdEf"
_LEAST = {
    "SourceSecretArn": _SECRET,
    "TargetSecretArn": _SECRET,
    "CreateDmsRoles": "false",
    "CreateJumpHost": "false",
}


class Account:
    """An empty account, in process."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def client(self, service: str) -> Any:
        return client(self._app, service)

    def deploy(self, **parameters: str) -> dict[str, str]:
        return deploy(self.client("cloudformation"), "loads", **parameters)

    def stack(self) -> Stack:
        found = Stacks(self.client("cloudformation")).find("loads")
        return usable(found, name="loads", region="us-east-1")

    def properties(self, physical_id: str) -> dict[str, Any]:
        return properties(self.client("ssm"), physical_id)


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    services: tuple[Any, ...] = ("ec2", "iam", "logs", "rds", "ssm")
    for service in services:
        get_backend(service).reset()
    with local_aws(tmp_path) as app:
        yield Account(app)


def _nodes(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a document with its path."""
    yield path, node
    children = (
        node.items()
        if isinstance(node, Mapping)
        else enumerate(node if isinstance(node, list) else ())
    )
    for key, child in children:
        yield from _nodes(child, f"{path}/{key}")


def test_template_fits_into_a_call():
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    assert len(TEMPLATE.read_bytes()) <= 51_200


def test_only_the_user_comes_in_and_only_clients_go_out_to_the_world():
    world = [path for path, node in _nodes(template()["Resources"]) if node == "0.0.0.0/0"]
    assert world == [
        "/PublicRoute/Properties/DestinationCidrBlock",
        "/ClientSecurityGroup/Properties/SecurityGroupEgress/2/CidrIp",
    ]
    groups = {
        name: resource["Properties"]
        for name, resource in template()["Resources"].items()
        if resource["Type"] == "AWS::EC2::SecurityGroup"
    }
    # Without rules for what goes out, CloudFormation allows everything.
    assert all(group["SecurityGroupEgress"] for group in groups.values())
    ranges = {
        (name, str(rule["CidrIp"]))
        for name, group in groups.items()
        for rule in group.get("SecurityGroupIngress", [])
        if "CidrIp" in rule
    }
    assert ranges == {
        ("JumpHostSecurityGroup", str({"Ref": "UserIpAddress"})),
        ("SecretsEndpointSecurityGroup", str({"Ref": "VpcCidr"})),
    }


def test_password_is_shown_nowhere_and_has_no_default():
    parameter = template()["Parameters"]["DatabasePassword"]
    assert parameter["NoEcho"] is True
    assert parameter["Default"] == ""
    users = {
        path.split("/")[1]
        for path, node in _nodes(template()["Resources"])
        if node == "DatabasePassword" or (isinstance(node, str) and "${DatabasePassword}" in node)
    }
    assert users == {"SourceDatabase", "TargetCluster", "SourceSecret", "TargetSecret"}
    assert "Password" not in str(template()["Outputs"])


@pytest.mark.parametrize(
    ("password", "is_taken"),
    [
        ("", True),
        ("twelve_signs", True),
        ("too_short", False),
        *((f"twelve{sign}signs", False) for sign in ";.:+/@\" '\\"),
    ],
)
def test_password_that_dms_or_rds_or_json_would_misread_is_refused(password: str, is_taken: bool):
    pattern = template()["Parameters"]["DatabasePassword"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, password)) is is_taken


def test_every_resource_is_deployed_or_known_to_be_too_much_for_moto(account: Account):
    assert account.deploy(**_EVERYTHING).keys() == template()["Resources"].keys()
    for name in NOT_IN_MOTO:
        resource_type = template()["Resources"][name]["Type"]
        in_cluster = "DBClusterIdentifier" in template()["Resources"][name]["Properties"]
        assert in_cluster or resource_type not in get_model_map(), (
            f"moto has learnt {resource_type}"
        )


def test_least_of_it_is_what_your_own_network_and_databases_lack(account: Account):
    subnets = {"VpcId": "vpc-1", "PrivateSubnetIds": "subnet-1,subnet-2"}
    made = account.deploy(**_LEAST, **subnets)
    assert made.keys() == {
        "ReplicationSecurityGroup",
        "ClientSecurityGroup",
        "SecretAccessRole",
        "ReplicationSubnetGroup",
        "SourceEndpoint",
        "TargetEndpoint",
        "CheckpointTable",
        "MetricsTable",
        "NotificationTopic",
        "TaskLog",
    }
    group = account.properties(made["ReplicationSubnetGroup"])
    assert group["SubnetIds"] == ["subnet-1", "subnet-2"]
    assert account.stack().outputs["PrivateSubnets"] == "subnet-1,subnet-2"
    endpoint = account.properties(made["TargetEndpoint"])
    assert endpoint["EngineName"] == "postgres"
    assert endpoint["PostgreSqlSettings"]["SecretsManagerSecretId"] == _SECRET


def test_outputs_are_the_environment_and_fit_the_pipeline(account: Account):
    made = account.deploy()
    stack = account.stack()
    group = account.properties(made["ReplicationSubnetGroup"])
    assert environment(stack) == {
        "DMS_PIPELINE_DEPLOYMENT": "aws",
        "AWS_DEFAULT_REGION": "us-east-1",
        "DMS_CHECKPOINT_TABLE": made["CheckpointTable"],
        "DMS_METRICS_TABLE": made["MetricsTable"],
        "DMS_NOTIFICATION_TOPIC": made["NotificationTopic"],
        "DMS_SUBNET_GROUP": group["ReplicationSubnetGroupIdentifier"],
        "DMS_SECURITY_GROUPS": made["ReplicationSecurityGroup"],
    }
    assert list(differences(stack, load_pipeline(PIPELINES, "studentdb"))) == []
    for side in ("Source", "Target"):
        endpoint = account.properties(made[f"{side}Endpoint"])["EndpointIdentifier"]
        assert stack.outputs[f"{side}Endpoint"] == endpoint
        assert stack.outputs[f"{side}Secret"] == account.properties(made[f"{side}Secret"])["Name"]
    outputs = template()["Outputs"]
    assert all(outputs[key]["Description"] == name for name, key in OUTPUTS.items())


def test_tables_have_the_keys_that_the_code_makes_are_backed_up_and_protected(account: Account):
    account.deploy(**_EVERYTHING)
    dynamodb = account.client("dynamodb")
    sort_keys = {"dms_load_checkpoints": "version", "dms_load_cdc_metrics": "load_key"}
    for made, sort_key in sort_keys.items():
        KeyedTable(dynamodb, f"{made}-2", partition_key="pipeline", sort_key=sort_key).create()
        ours, theirs = (
            dynamodb.describe_table(TableName=name)["Table"] for name in (f"{made}-2", made)
        )
        for member in ("KeySchema", "AttributeDefinitions", "BillingModeSummary"):
            assert theirs[member] == ours[member]
        assert theirs["DeletionProtectionEnabled"]
    # These moto passes over.
    for name in ("CheckpointTable", "MetricsTable"):
        table = template()["Resources"][name]["Properties"]
        assert table["SSESpecification"] == {"SSEEnabled": True}
        recovery = table["PointInTimeRecoverySpecification"]
        assert recovery == {"PointInTimeRecoveryEnabled": True}


def test_secrets_have_the_form_that_the_code_reads(account: Account):
    made = account.deploy(DatabasePassword="a_password_of_yours")
    secrets = account.client("secretsmanager")
    read = {}
    for name in ("SourceSecret", "TargetSecret"):
        secrets.create_secret(**account.properties(made[name]))
        read[name] = DatabaseSecrets(secrets).read(account.stack().outputs[name])
    address = account.stack().outputs["SourceAddress"]
    login = ("dms_user", "a_password_of_yours")
    assert read == {
        "SourceSecret": DatabaseCredentials(address, 3306, *login),
        "TargetSecret": DatabaseCredentials(TARGET_ADDRESS, 5432, *login, "auroradb"),
    }
    assert "DatabaseLogin" not in made


def test_password_that_is_left_out_is_made_by_secrets_manager(account: Account):
    made = account.deploy()
    login = account.properties(made["DatabaseLogin"])["GenerateSecretString"]
    assert login["ExcludePunctuation"]
    made_of = "{{resolve:secretsmanager:DatabaseLogin:SecretString:password}}"
    for name in ("SourceSecret", "TargetSecret"):
        assert made_of in account.properties(made[name])["SecretString"]
    assert account.properties(made["TargetCluster"])["MasterUserPassword"] == made_of


def test_names_are_those_that_the_code_gives_and_asks_for(account: Account):
    made = account.deploy(PipelineName="web-shop")
    assert made["TaskLog"] == f"dms-tasks-{identifier('web_shop')}"
    assert account.stack().outputs["SubnetGroup"] == identifier("web_shop")
    found = account.properties(made["SourceEndpoint"])["EndpointIdentifier"]
    assert found == account.stack().outputs["SourceEndpoint"] == "web-shop-source"


def test_source_logs_rows_with_full_images_while_it_makes_backups(account: Account):
    account.deploy()
    group = template()["Resources"]["SourceParameterGroup"]["Properties"]["Parameters"]
    assert group["binlog_format"] == "ROW"
    assert group["binlog_row_image"] == "full"
    (database,) = account.client("rds").describe_db_instances()["DBInstances"]
    assert database["BackupRetentionPeriod"] == 1
    assert template()["Parameters"]["BackupRetentionDays"]["MinValue"] == 1
    # With a database's name, DMS would load every table into a schema of that name.
    assert "DatabaseName" not in template()["Resources"]["SourceEndpoint"]["Properties"]


def test_jump_host_begins_with_the_rows_of_the_demo():
    text = files_of_jump_host()["/usr/local/share/studentdb/create.sql"]
    rows = re.findall(r"\((\d), '(\w+)', '(\w+)', '(\S+)', (\d+)\)", text)
    assert [(int(row[0]), *row[1:4], int(row[4])) for row in rows] == students.first_students()


def test_what_moto_cannot_deploy_is_created_by_the_calls_that_cloudformation_makes(
    account: Account,
):
    made = account.deploy(**_EVERYTHING)
    assert made.keys() >= NOT_IN_MOTO.keys()
    secrets, rds, dms = (account.client(service) for service in ("secretsmanager", "rds", "dms"))
    wanted = account.properties(made["DatabaseLogin"])["GenerateSecretString"]
    password = secrets.get_random_password(
        PasswordLength=wanted["PasswordLength"], ExcludePunctuation=wanted["ExcludePunctuation"]
    )["RandomPassword"]
    assert re.fullmatch(template()["Parameters"]["DatabasePassword"]["AllowedPattern"], password)
    for name in ("SourceSecret", "TargetSecret"):
        secrets.create_secret(**account.properties(made[name]))
    subnets = template()["Resources"]["DatabaseSubnetGroup"]["Properties"]
    rds.create_db_subnet_group(
        DBSubnetGroupName="DatabaseSubnetGroup",
        DBSubnetGroupDescription=subnets["DBSubnetGroupDescription"]["Fn::Sub"],
        SubnetIds=[made["PrivateSubnetA"], made["PrivateSubnetB"]],
    )
    cluster = account.properties(made["TargetCluster"])
    rds.create_db_cluster(**cluster)
    for number, name in enumerate(("TargetInstance", "TargetStandby")):
        instance = {
            **account.properties(made[name]),
            "DBInstanceIdentifier": f"target-{number}",
            "DBClusterIdentifier": cluster["DBClusterIdentifier"],
        }
        rds.create_db_instance(**instance)
    create_in_dms(dms, account.client("ssm"), made)
    endpoints = {row["EndpointIdentifier"]: row for row in dms.describe_endpoints()["Endpoints"]}
    assert endpoints.keys() == {"studentdb-source", "studentdb-target"}
    assert endpoints["studentdb-target"]["EngineName"] == "aurora-postgresql"


@pytest.mark.parametrize(
    ("secret", "line"),
    [
        ("", "*/5 * * * * ec2-user source-mysql < /usr/local/share/studentdb/insert.sql"),
        (_SECRET, "# the source is not the stack's own: nothing is inserted"),
    ],
    ids=["new", "yours"],
)
def test_source_gets_a_row_every_five_minutes_only_if_it_is_the_stack_s_own(
    account: Account, secret: str, line: str
):
    made = account.deploy(SourceSecretArn=secret)
    described = account.client("ec2").describe_instance_attribute(
        InstanceId=made["JumpHostInstance"], Attribute="userData"
    )
    script = base64.b64decode(described["UserData"]["Value"]).decode()
    assert line in script
    assert ("source-mysql < /" in script) is (secret == "")


_HELD = {"host": "db", "port": 1, "username": "me", "password": "s3cret", "dbname": "auroradb"}
_STUBS = {
    "aws": f"printf %s '{json.dumps(_HELD)}'",
    # What they are told, and what everybody could see of it in the list of processes.
    "mysql": 'cat "${1#--defaults-extra-file=}"; shift; echo "arguments: $*"',
    "psql": 'env | grep ^PG | sort; echo "arguments: $*"',
}


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("jq")), reason="needs bash and jq")
@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            "source-mysql",
            '[client]\nssl\nhost=db\nport=1\nuser="me"\npassword="s3cret"\n'
            "arguments: -e SELECT 1\n",
        ),
        (
            "target-psql",
            "PGDATABASE=any\nPGHOST=db\nPGPASSWORD=s3cret\nPGPORT=1\n"
            "PGSSLMODE=require\nPGUSER=me\narguments: -e SELECT 1\n",
        ),
    ],
    ids=["mysql", "psql"],
)
def test_clients_of_the_jump_host_log_in_by_the_secret_and_show_it_to_nobody(
    command: str, told: str, tmp_path: Path
):
    script = files_of_jump_host()[f"/usr/local/bin/{command}"]
    scripts = {**_STUBS, command: re.sub(r"\$\{[\w:]+\}", "any", script)}
    for name, text in scripts.items():
        file = tmp_path / name
        file.write_text(text if text.startswith("#!") else f"#!/bin/bash\n{text}\n")
        file.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    said = subprocess.run(
        [tmp_path / command, "-e", "SELECT 1"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == told
