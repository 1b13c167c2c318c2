"""AWS's published examples are answered in their shape: all of botocore's and of the AWS CLI's.

Each request is sent by the client it was written for, after what it presupposes was made. The
answers are compared key by key and type by type. What may differ is listed here, with the reason.
"""

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from werkzeug.serving import make_server

from dms_pipeline.local_dms.app import LocalAws
from dms_pipeline_tests.answer_shapes import differences, not_modelled
from dms_pipeline_tests.example_accounts import Account, account_for, as_command, filled_in
from dms_pipeline_tests.fake_engine import FakeEngine, Script, table_row
from dms_pipeline_tests.published_examples import (
    CLIENTS,
    Example,
    aws_cli_examples,
    botocore_examples,
)
from dms_pipeline_tests.random_requests import MODEL
from dms_pipeline_tests.wsgi_bridge import client, local_aws

_NO_PROJECTS = "there are no migration projects here, nor what they are made of"
_NO_S3 = "there are no S3 endpoints here; the request is sent for one of MySQL"

NOT_EMULATED = {
    "CancelMetadataModelConversion",
    "CancelMetadataModelCreation",
    "CreateDataProvider",
    "CreateInstanceProfile",
    "CreateMigrationProject",
    "DeleteCertificate",
    "DeleteDataProvider",
    "DeleteInstanceProfile",
    "DeleteMigrationProject",
    "ExportMetadataModelAssessment",
    "GetTargetSelectionRules",
    "ImportCertificate",
    "ModifyConversionConfiguration",
    "ModifyDataProvider",
    "ModifyInstanceProfile",
    "ModifyMigrationProject",
    "StartExtensionPackAssociation",
    "StartMetadataModelAssessment",
    "StartMetadataModelConversion",
    "StartMetadataModelCreation",
    "StartMetadataModelExportAsScript",
    "StartMetadataModelExportToTarget",
    "StartMetadataModelImport",
}
"""The operations of examples that are answered with UnknownOperationException."""

REFUSED: Mapping[str, tuple[str, str]] = {
    "create-endpoint": ("InvalidParameterValueException", "there are no S3 endpoints here"),
    **dict.fromkeys(
        (
            "describe-conversion-configuration",
            "describe-data-providers",
            "describe-instance-profiles",
            "describe-metadata-model",
            "describe-metadata-model-assessments",
            "describe-metadata-model-conversions",
            "describe-metadata-model-creations",
            "describe-metadata-model-exports-as-script",
            "describe-metadata-model-exports-to-target",
            "describe-metadata-model-imports",
            "describe-migration-projects",
        ),
        ("ResourceNotFoundFault", _NO_PROJECTS),
    ),
}
"""Examples whose operation is emulated and whose request is refused: the code and the reason."""

_FULL_LOAD = "ReplicationTask.ReplicationTaskSettings.FullLoadSettings"
_FORMER_SETTINGS = dict.fromkeys(
    (
        f"{_FULL_LOAD}.ApplyChangesEnabled",
        f"{_FULL_LOAD}.FullLoadEnabled",
        f"{_FULL_LOAD}.ResumeEnabled",
        f"{_FULL_LOAD}.ResumeMinTableSize",
        f"{_FULL_LOAD}.ResumeOnlyClusteredPKTables",
    ),
    "not a setting of the user guide any more",
)
_ONE_STATUS = "the template has the status of a create in the answers of all operations"
_LAST_PAGE = {"Marker": "an empty marker says what none says: this is the last page"}
_S3_ENDPOINT = {"Endpoint.S3Settings": _NO_S3, "Endpoint.ServiceAccessRoleArn": _NO_S3}
_TASK_AS_CREATED = {**_FORMER_SETTINGS, "ReplicationTask.Status": _ONE_STATUS}

EXCEPTIONS: Mapping[str, Mapping[str, str]] = {
    "CreateReplicationTask": _FORMER_SETTINGS,
    "DeleteEndpoint": {"Endpoint.Status": _ONE_STATUS},
    "DeleteReplicationInstance": {"ReplicationInstance.ReplicationInstanceStatus": _ONE_STATUS},
    "DeleteReplicationTask": _TASK_AS_CREATED,
    "ModifyReplicationInstance": {
        "ReplicationInstance.ReplicationInstanceStatus": "ApplyImmediately begins the change"
    },
    "StartReplicationTask": _TASK_AS_CREATED,
    "StopReplicationTask": _TASK_AS_CREATED,
    "DescribeCertificates": _LAST_PAGE,
    "DescribeConnections": _LAST_PAGE,
    "DescribeEndpointTypes": _LAST_PAGE,
    "DescribeEndpoints": _LAST_PAGE,
    "DescribeReplicationInstances": _LAST_PAGE,
    "DescribeReplicationSubnetGroups": _LAST_PAGE,
    "DescribeReplicationTasks": _LAST_PAGE,
    "DescribeSchemas": _LAST_PAGE,
    "DescribeTableStatistics": _LAST_PAGE,
    "delete-endpoint": _S3_ENDPOINT,
    "describe-certificates": {"Certificates": "there are no certificates here"},
    "describe-extension-pack-associations": {"Requests": _NO_PROJECTS},
    "describe-metadata-model-children": {"MetadataModelChildren": _NO_PROJECTS},
    "describe-replication-instances": {
        "ReplicationInstances[].FreeUntil": "there is no free DMS program here"
    },
    "describe-replication-task-assessment-results": {
        "ReplicationTaskAssessmentResults[].AssessmentStatus": "nothing is examined here"
    },
    "modify-endpoint": _S3_ENDPOINT,
}
"""By example: what differs, and the reason."""


needs_aws_cli = pytest.mark.skipif(
    not (CLIENTS / "installed").exists(), reason="needs .venv/clients, which `make test` makes"
)


@dataclass(frozen=True)
class Answer:
    """What the client made of an answer, or the code and text of the error that it tells."""

    output: Any = None
    code: str = ""
    message: str = ""


class Recorder:
    """Passes requests to the local AWS of the present test, and keeps its last answer."""

    def __init__(self) -> None:
        self.app: LocalAws
        self.last = b""

    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        self.last = b"".join(self.app(environ, start_response))
        return [self.last]


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def address(recorder: Recorder) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, recorder, threaded=True)
    thread = threading.Thread(target=server.serve_forever, name="published examples")
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


class AwsCli:
    """`aws`, in one process for all commands."""

    def __init__(self, address: str, folder: Path) -> None:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "PYTHON", "COV_"))
        }
        self._process = subprocess.Popen(
            [CLIENTS / "bin" / "python", Path(__file__).parents[1] / "aws_cli_process.py"],
            env={
                **kept,
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_DEFAULT_OUTPUT": "json",
                "AWS_ENDPOINT_URL": address,
                "AWS_MAX_ATTEMPTS": "1",
                "HOME": str(folder),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, command: list[str]) -> Answer:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(command), file=self._process.stdin, flush=True)
        status, output, errors = json.loads(self._process.stdout.readline())
        if status == 0:
            return Answer(json.loads(output or "{}"))
        refusal = re.match(r"\s*An error occurred \((\w+)\) .* operation: (.*)", errors)
        assert refusal is not None, (command, errors)
        return Answer(code=refusal[1], message=refusal[2])

    def close(self) -> None:
        self._process.communicate(timeout=30)


@pytest.fixture(scope="module")
def aws_cli(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsCli]:
    cli = AwsCli(address, tmp_path_factory.mktemp("home"))
    yield cli
    cli.close()


@pytest.fixture
def dms(recorder: Recorder, tmp_path: Path) -> Iterator[Any]:
    tables = [table_row("prodrep", "ACCT_BAL", FullLoadRows=3)]
    engine = FakeEngine(Script(tables=tables))
    engine.script("endless", Script(tables=tables, runs_until_stopped=True))
    with local_aws(tmp_path / "aws", engine, schema_names=lambda *_: ["prodrep"]) as app:
        recorder.app = app
        yield client(recorder, "dms")


def sent_by_boto3(example: Example, account: Account) -> Answer:
    call = getattr(account.dms, xform_name(example.operation))
    try:
        output = call(**filled_in(example, account))
    except ClientError as error:
        refusal = error.response["Error"]
        return Answer(code=refusal["Code"], message=refusal["Message"])
    del output["ResponseMetadata"]
    return Answer(output)


def check(example: Example, answer: Answer, recorder: Recorder) -> None:
    emulated = example.operation in recorder.app.dms.operation_names
    assert emulated == (example.operation not in NOT_EMULATED), "NOT_EMULATED is wrong"
    if not emulated:
        assert answer.code == "UnknownOperationException"
        assert example.operation in answer.message
        return
    assert answer.code == REFUSED.get(example.name, ("", ""))[0], answer.message
    if answer.code:
        return
    shape = MODEL.operation_model(example.operation).output_shape
    assert shape is not None
    found = dict(differences(example.output, answer.output, shape))
    excepted = EXCEPTIONS.get(example.name, {})
    unexpected = {where: what for where, what in found.items() if where not in excepted}
    assert unexpected == {}
    assert excepted.keys() <= found.keys(), "exceptions that are not needed"
    assert list(not_modelled(json.loads(recorder.last), shape)) == []


@pytest.mark.parametrize("example", botocore_examples(), ids=lambda example: example.name)
def test_example_of_botocore_is_answered_in_its_shape(example, dms, recorder):
    account = account_for(example, dms)
    check(example, sent_by_boto3(example, account), recorder)


@needs_aws_cli
@pytest.mark.parametrize("example", aws_cli_examples(), ids=lambda example: example.name)
def test_example_of_the_aws_cli_is_answered_in_its_shape(example, dms, recorder, aws_cli, tmp_path):
    account = account_for(example, dms)
    check(example, aws_cli(as_command(example, account, tmp_path)), recorder)


@needs_aws_cli
def test_everything_that_is_excepted_is_published():
    examples = [*botocore_examples(), *aws_cli_examples()]
    assert {*EXCEPTIONS, *REFUSED} <= {example.name for example in examples}
    assert {example.operation for example in examples} >= NOT_EMULATED
