"""The CloudFormation template, deployed in moto as far as moto can.

A resource that moto cannot create has a parameter of SSM in its place, which holds its properties
as CloudFormation resolves them: what AWS would create is then known, and can be created by its API.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml

import dms_pipeline

TEMPLATE = Path(dms_pipeline.__file__).parent / "deploy" / "cloudformation.yaml"
_PASSED_OVER = "moto has no CloudFormation for its type and passes over it"
_IN_A_CLUSTER = "moto has no CloudFormation for the cluster that it belongs to"
NOT_IN_MOTO: Mapping[str, str] = {
    "DatabaseLogin": _PASSED_OVER,
    "SourceSecret": _PASSED_OVER,
    "TargetSecret": _PASSED_OVER,
    "TargetCluster": _PASSED_OVER,
    "TargetInstance": _IN_A_CLUSTER,
    "TargetStandby": _IN_A_CLUSTER,
    "ReplicationSubnetGroup": _PASSED_OVER,
    "SourceEndpoint": _PASSED_OVER,
    "TargetEndpoint": _PASSED_OVER,
}
"""The resources that moto cannot create of a template, and why."""
TARGET_ADDRESS = "studentdb-target.cluster-local.us-east-1.rds.amazonaws.com"
REQUIRED = {"UserIpAddress": "198.51.100.7/32", "NotificationEmail": "somebody@example.com"}
"""The parameters that have no default."""


class _Loader(yaml.SafeLoader):
    """YAML with the short forms of CloudFormation's functions."""


def _function(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        return {name: value.split(".", 1) if suffix == "GetAtt" else value}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _function)


@cache
def template() -> dict[str, Any]:
    """The template, with the long forms of all functions; nobody may change it."""
    loaded: dict[str, Any] = yaml.load(TEMPLATE.read_text(), Loader=_Loader)
    return loaded


def for_moto(parameters: Mapping[str, str]) -> str:
    """The template as moto can deploy it, as JSON."""
    original = template()
    vpc_cidr = parameters.get("VpcCidr", original["Parameters"]["VpcCidr"]["Default"])
    resources = {
        name: _stand_in(name, resource) if name in NOT_IN_MOTO else resource
        for name, resource in original["Resources"].items()
    }
    return json.dumps(_computed({**original, "Resources": resources}, vpc_cidr))


def deploy(cloudformation: Any, name: str, **parameters: str) -> dict[str, str]:
    """Creates the stack; returns the physical ids of its resources by their logical ids."""
    given = {**REQUIRED, **parameters}
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=for_moto(given),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 10}
    )
    found = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    # What a condition leaves out has no name there, and groups of RDS have no id.
    return {
        row["LogicalResourceId"]: row.get("PhysicalResourceId", "")
        for row in found
        if "LogicalResourceId" in row
    }


def properties(ssm: Any, physical_id: str) -> dict[str, Any]:
    """The resolved properties of a resource that moto could not create."""
    held: dict[str, Any] = json.loads(ssm.get_parameter(Name=physical_id)["Parameter"]["Value"])
    return held


def create_in_dms(dms: Any, ssm: Any, physical_ids: Mapping[str, str]) -> None:
    """The DMS resources of the stack, by the calls that CloudFormation makes on AWS."""
    group = properties(ssm, physical_ids["ReplicationSubnetGroup"])
    dms.create_replication_subnet_group(**group)
    for endpoint in ("SourceEndpoint", "TargetEndpoint"):
        # The API spells two members otherwise than CloudFormation.
        text = json.dumps(properties(ssm, physical_ids[endpoint]))
        text = text.replace("MySqlSettings", "MySQLSettings")
        dms.create_endpoint(**json.loads(text.replace("PostgreSqlSettings", "PostgreSQLSettings")))


def _stand_in(name: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    held = {"Fn::ToJsonString": resource["Properties"]}
    stand_in = {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Name": name, "Type": "String", "Value": held},
    }
    return {**stand_in, **({"Condition": resource["Condition"]} if "Condition" in resource else {})}


def _computed(node: Any, vpc_cidr: str) -> Any:
    """Without what moto does not compute: Fn::Cidr, a cluster's address, names of groups of RDS."""
    match node:
        case {"Fn::Cidr": [_, count, host_bits]}:
            subnets = ip_network(vpc_cidr).subnets(new_prefix=32 - int(host_bits))
            computed: Any = [str(next(subnets)) for _ in range(int(count))]
        case {"Fn::GetAtt": ["TargetCluster", "Endpoint.Address"]}:
            computed = TARGET_ADDRESS
        case {"Ref": "SourceParameterGroup"}:
            computed = "default.mysql8.4"
        case {"DBClusterIdentifier": _, "DBSubnetGroupName": {"Ref": name}}:
            computed = _computed({**node, "DBSubnetGroupName": name}, vpc_cidr)
        case dict():
            computed = {key: _computed(value, vpc_cidr) for key, value in node.items()}
        case list():
            computed = [_computed(each, vpc_cidr) for each in node]
        case _:
            computed = node
    return computed


def files_of_jump_host() -> dict[str, str]:
    """What the jump host's start script writes, by path, with CloudFormation's variables in it."""
    text = template()["Resources"]["JumpHostInstance"]["Properties"]["UserData"]["Fn::Base64"]
    found = re.findall(r"^cat > (\S+) <<'END'\n(.*?)^END$", text["Fn::Sub"][0], re.M | re.S)
    return dict(found)
