"""The stack of Dagster on ECS, as far as moto deploys it, and what it lets whom do."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
import yaml
from cfnlint.decode import cfn_yaml
from moto import mock_aws

from dms_pipeline_tests.unit.deploy.linters import DEPLOY

REGION, ACCOUNT = "us-east-1", "123456789012"
STACK = "dagster"
TEMPLATE = DEPLOY / "dagster_service.yaml"
_POLICY = {"Statement": [{"Effect": "Allow", "Action": "dms:Describe*", "Resource": "*"}]}
_DATABASE = {
    "DatabaseHost": "records.example.com",
    "DatabaseSecretArn": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:records-abcdef",
}
# moto's CloudFormation knows these not; cfn-lint has checked them against AWS's own schemas.
_NOT_IN_MOTO = ("AWS::S3::BucketPolicy", "AWS::EC2::SecurityGroupEgress")
_NOT_IN_MOTO_EITHER = ("AWS::SecretsManager::Secret", "AWS::RDS::DBInstance")

Document = dict[str, Any]


@pytest.fixture
def template() -> Document:
    """The template with its short functions (!Ref) written out."""
    loaded: Document = json.loads(json.dumps(cfn_yaml.load(str(TEMPLATE))))
    return loaded


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    with mock_aws():
        yield


def _client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]


def _parameters() -> dict[str, str]:
    vpc = _client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = ",".join(row["SubnetId"] for row in _client("ec2").describe_subnets()["Subnets"][:2])
    policy = json.dumps({"Version": "2012-10-17", **_POLICY})
    created = _client("iam").create_policy(PolicyName="orchestrator", PolicyDocument=policy)
    certificate = _client("acm").request_certificate(DomainName="dagster.example.com")
    return {
        "Repository": "dms-pipeline",
        "ImageTag": "7",
        "VpcId": vpc,
        "TaskSubnetIds": subnets,
        "LoadBalancerSubnetIds": subnets,
        "UserCidr": "10.1.0.0/16",
        "CertificateArn": certificate["CertificateArn"],
        "AwsApiCidr": "10.0.0.0/16",
        "DatabasesCidr": "10.0.0.0/16",
        "OrchestratorPolicyArn": created["Policy"]["Arn"],
        "DagsterUrl": "https://dagster.example.com",
    }


def _deploy(template: Document, **changes: str) -> set[str]:
    """Creates the stack; the logical ids of its resources."""
    parameters = [
        {"ParameterKey": name, "ParameterValue": value}
        for name, value in {**_parameters(), **changes}.items()
    ]
    client = _client("cloudformation")
    client.create_stack(
        StackName=STACK,
        TemplateBody=json.dumps(template),
        Parameters=parameters,
        Capabilities=["CAPABILITY_IAM"],
    )
    [stack] = client.describe_stacks(StackName=STACK)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    made = client.describe_stack_resources(StackName=STACK)["StackResources"]
    assert {row["ResourceStatus"] for row in made} == {"CREATE_COMPLETE"}
    # moto lists those without a name whose condition does not hold.
    return {row["LogicalResourceId"] for row in made if "LogicalResourceId" in row}


def _of(template: Document, *kinds: str) -> set[str]:
    return {name for name, each in template["Resources"].items() if each["Type"] in kinds}


def _without(template: Document, names: set[str]) -> Document:
    """The template without these resources and the orders to wait for them."""
    left = {name: each for name, each in template["Resources"].items() if name not in names}
    for each in left.values():
        if "DependsOn" in each:
            each["DependsOn"] = [name for name in each["DependsOn"] if name not in names]
    return {**template, "Resources": left}


def _conditional(template: Document) -> set[str]:
    return {name for name, each in template["Resources"].items() if "Condition" in each}


def test_every_resource_is_deployed_beside_an_existing_database(aws: None, template: Document):
    unknown = _of(template, *_NOT_IN_MOTO)
    made = _deploy(_without(template, unknown), **_DATABASE)
    assert made == set(template["Resources"]) - unknown - _conditional(template)
    [cluster] = _client("ecs").list_clusters()["clusterArns"]
    [service] = _client("ecs").list_services(cluster=cluster)["serviceArns"]
    [described] = _client("ecs").describe_services(cluster=cluster, services=[service])["services"]
    assert described["desiredCount"] == 1


def test_the_database_is_made_with_its_surroundings_where_there_is_none(
    aws: None, template: Document
):
    wanted = _conditional(template) | {"TaskGroup"}
    unknown = _of(template, *_NOT_IN_MOTO, *_NOT_IN_MOTO_EITHER)
    others = set(template["Resources"]) - wanted
    alone = {**_without(template, others | unknown), "Outputs": {}}
    assert _deploy(alone) == wanted - unknown
    assert wanted & unknown == {"Database", "DatabaseSecret", "TasksToDatabase"}


def _containers(family: str) -> dict[str, Document]:
    described = _client("ecs").describe_task_definition(taskDefinition=f"{STACK}-{family}")
    return {each["name"]: each for each in described["taskDefinition"]["containerDefinitions"]}


def _environment(container: Document) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["environment"]}


def test_each_process_has_the_variables_that_it_reads(aws: None, template: Document):
    _deploy(_without(template, _of(template, *_NOT_IN_MOTO)), **_DATABASE)
    containers = {**_containers("service"), **_containers("run")}
    assert set(containers) == {"code", "webserver", "daemon", "run"}
    instance = set(_named_in(yaml.safe_load((DEPLOY / "dagster.yaml").read_text())))
    pipelines = {name for name in _parameters_of(template) if name.startswith("DMS_")}
    for name, container in containers.items():
        variables = _environment(container)
        secrets = {each["name"] for each in container["secrets"]}
        # A run starts no other, and needs no task definition to do so.
        wanted = instance - ({"DAGSTER_RUN_TASK_DEFINITION"} if name == "run" else set())
        assert wanted <= set(variables) | secrets
        assert secrets == {"DAGSTER_PG_USERNAME", "DAGSTER_PG_PASSWORD"}
        assert variables["PGSSLMODE"] == "require"
        loads = name in ("code", "run")
        assert (pipelines <= set(variables)) == loads
    assert _environment(containers["run"])["DMS_PIPELINE_DEPLOYMENT"] == "aws"


def _named_in(config: Any) -> Iterator[str]:
    """The variables that a dagster.yaml names."""
    if isinstance(config, Mapping):
        if set(config) == {"env"}:
            yield config["env"]
        for value in config.values():
            yield from _named_in(value)


def _parameters_of(template: Document) -> set[str]:
    """The variables that parameters are for."""
    return {each["Description"].split(",")[0] for each in template["Parameters"].values()}


def test_every_container_is_unprivileged_and_logs(aws: None, template: Document):
    _deploy(_without(template, _of(template, *_NOT_IN_MOTO)), **_DATABASE)
    for container in [*_containers("service").values(), *_containers("run").values()]:
        assert container["user"] == "10001:10001"
        assert container["readonlyRootFilesystem"] is True
        assert container["image"] == f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/dms-pipeline:7"
        assert container["logConfiguration"]["options"]["awslogs-group"]
        assert not any("PASSWORD" in name for name in _environment(container))


def test_only_the_ui_is_reached_and_only_by_whom_the_user_named(aws: None, template: Document):
    _deploy(_without(template, _of(template, *_NOT_IN_MOTO)), **_DATABASE)
    groups = _client("ec2").describe_security_groups()["SecurityGroups"]
    opened = {
        (group["Description"], rule["FromPort"], source)
        for group in groups
        if group["GroupName"].startswith(STACK)
        for rule in group["IpPermissions"]
        for source in (
            *(each["CidrIp"] for each in rule["IpRanges"]),
            *("a group" for _ in rule["UserIdGroupPairs"]),
        )
    }
    assert opened == {
        ("Load balancer of the UI", 443, "10.1.0.0/16"),
        ("Tasks of Dagster, the service and the runs", 3000, "a group"),
    }
    [balancer] = _client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert balancer["Scheme"] == "internal"
    assert "0.0.0.0/0" not in json.dumps(template["Resources"])


def test_two_daemons_never_run_at_once(template: Document):
    service = template["Resources"]["Service"]["Properties"]
    assert service["DesiredCount"] == 1
    assert service["DeploymentConfiguration"]["MaximumPercent"] == 100


def _statements(template: Document, role: str) -> dict[str, Document]:
    policies = template["Resources"][role]["Properties"]["Policies"]
    found = [each for policy in policies for each in policy["PolicyDocument"]["Statement"]]
    return {each["Sid"]: each for each in found}


def test_roles_may_pass_on_two_roles_to_ecs_and_start_one_task_definition(template: Document):
    may = _statements(template, "ServiceRole")
    passing = may["GiveRunsTheirRoles"]
    roles = [{"Fn::GetAtt": ["RunRole", "Arn"]}, {"Fn::GetAtt": ["ExecutionRole", "Arn"]}]
    assert passing["Resource"] == roles
    assert passing["Condition"] == {
        "StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}
    }
    assert may["StartRuns"]["Resource"]["Fn::Sub"].endswith("/${AWS::StackName}-run:*")
    for role in ("ServiceRole", "RunRole", "ExecutionRole"):
        for sid, statement in _statements(template, role).items():
            everywhere = statement["Resource"] == "*"
            assert everywhere == (sid in ("OwnNetworkAndTasks", "LogIn")), sid
    assert set(_statements(template, "RunRole")) == {"StepOutput", "WhetherThereIsAny"}
