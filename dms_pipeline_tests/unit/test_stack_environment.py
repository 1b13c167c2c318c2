"""What `configure` makes of a stack's outputs."""

import subprocess
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from dotenv import dotenv_values

from dms_pipeline.aws.cloudformation import Stack, Stacks
from dms_pipeline.cli.configure import _write
from dms_pipeline.deployments import deployment
from dms_pipeline.errors import ConfigError, PreflightError
from dms_pipeline.pipeline_config import Network, load_pipeline
from dms_pipeline.stack_environment import differences, dotenv, environment, usable
from dms_pipeline_tests.a_pipeline import PIPELINES
from dms_pipeline_tests.wsgi_bridge import client, local_aws

STACK = Stack(
    name="loads",
    region="eu-central-1",
    status="CREATE_COMPLETE",
    reason="",
    outputs={
        "Pipeline": "studentdb",
        "SourceEndpoint": "studentdb-source",
        "SourceSecret": "studentdb-source",
        "TargetEndpoint": "studentdb-target",
        "TargetSecret": "studentdb-target",
        "SubnetGroup": "dms-pipeline-studentdb",
        "SecurityGroups": "sg-1,sg-2",
        "CheckpointTable": "checkpoints",
        "MetricsTable": "metrics",
        "NotificationTopic": "arn:aws:sns:eu-central-1:123456789012:topic",
    },
)
_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:"


def test_deployment_of_the_environment_is_that_of_the_stack():
    here = deployment(environment(STACK))
    assert here.name == "aws"
    assert here.checkpoint_table == "checkpoints"
    assert here.metrics_table == "metrics"
    assert here.topic == "arn:aws:sns:eu-central-1:123456789012:topic"
    assert here.network == Network("dms-pipeline-studentdb", ("sg-1", "sg-2"))


def test_pipeline_is_where_it_says_and_else_where_the_deployment_is():
    pipeline = load_pipeline(PIPELINES, "studentdb")
    network = Network("subnets", ("sg-1",))
    assert pipeline.within(Network()) == pipeline
    assert pipeline.within(network).instance.subnet_group == "subnets"
    assert pipeline.within(network).instance.security_groups == ("sg-1",)
    own = pipeline.within(Network("its-own", ("sg-9",)))
    assert own.within(network) == own


@pytest.mark.parametrize("value", ["plain", "two words", "it's", 'a$b `c` \\ "d"', "#", ""])
def test_shell_and_dotenv_read_every_value_as_it_is(value: str, tmp_path: Path):
    text = dotenv({"A": value, "B": "last"})
    (tmp_path / "file").write_text(text)
    script = f'. {tmp_path}/file; printf "%s|%s" "$A" "$B"'
    read = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert read.stdout == f"{value}|last"
    if "'" not in value:  # python-dotenv does not join quoted pieces as shells do
        assert dict(dotenv_values(stream=StringIO(text))) == {"A": value, "B": "last"}


@pytest.mark.parametrize(
    ("stack", "said"),
    [
        (None, "there is no stack loads in eu-central-1; .*--stack.*--region"),
        (
            replace(STACK, status="CREATE_IN_PROGRESS"),
            "is CREATE_IN_PROGRESS, needed is CREATE_COMPLETE.*wait stack-create-complete",
        ),
        (
            replace(STACK, status="ROLLBACK_COMPLETE", reason="a role exists"),
            r"is ROLLBACK_COMPLETE \(a role exists\), needed is.*describe-stack-events",
        ),
        (
            replace(STACK, outputs={"Pipeline": "studentdb"}),
            "has no outputs CheckpointTable, .*TargetSecret; update it",
        ),
    ],
    ids=["missing", "not yet", "failed", "another template"],
)
def test_stack_that_cannot_be_used_is_refused_with_what_to_do(stack: Stack | None, said: str):
    with pytest.raises(PreflightError, match=said):
        usable(stack, name="loads", region="eu-central-1")


def test_stack_whose_update_was_taken_back_can_be_used():
    stack = replace(STACK, status="UPDATE_ROLLBACK_COMPLETE")
    assert usable(stack, name="loads", region="eu-central-1") is stack


def test_pipeline_that_fits_has_no_differences():
    pipeline = load_pipeline(PIPELINES, "studentdb")
    by_arn = {**STACK.outputs, "SourceSecret": f"{_ARN}studentdb-source-AbCdEf"}
    assert list(differences(STACK, pipeline)) == []
    assert list(differences(replace(STACK, outputs=by_arn), pipeline)) == []


def test_endpoint_or_secret_that_is_another_is_named_with_what_to_write():
    pipeline = load_pipeline(PIPELINES, "studentdb")
    others = {"SourceSecret": f"{_ARN}shop-AbCdEf", "TargetEndpoint": "shop-target"}
    stack = replace(STACK, outputs={**STACK.outputs, **others})
    source, target = differences(stack, pipeline)
    assert f"source.secret: studentdb-source, the stack's is {_ARN}shop-AbCdEf" in source
    assert "target.endpoint: studentdb-target, the stack's is shop-target" in target


def test_stack_that_is_not_there_is_none_whatever_aws_calls_it(tmp_path: Path):
    with local_aws(tmp_path) as app:
        assert Stacks(client(app, "cloudformation")).find("missing") is None


def test_file_that_configure_did_not_write_is_left_alone(tmp_path: Path):
    file = tmp_path / "notes"
    file.write_text("mine")
    with pytest.raises(ConfigError, match="not written by this command; name another"):
        _write(file, "A=1\n")
    assert file.read_text() == "mine"


def test_file_that_cannot_be_written_is_named_with_the_reason(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"aws.env cannot be written \(No such file"):
        _write(tmp_path / "missing" / "aws.env", "A=1\n")
