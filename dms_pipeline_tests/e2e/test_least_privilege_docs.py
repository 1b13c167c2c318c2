"""Every command in docs/least-privilege.md, typed as it stands there, in its order."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from dms_pipeline.cli import students
from dms_pipeline_tests.e2e.local_run import LocalRun, copied_pipelines

_ROOT = Path(__file__).parents[2]
_CLIENTS = Path(sys.prefix) / "clients"
_PAGE = (_ROOT / "docs" / "least-privilege.md").read_text()
# Paragraphs of indented lines are commands; one that goes on is indented further.
_COMMANDS = [
    re.sub(r"^    ", "", command, flags=re.MULTILINE)
    for command in re.findall(r"^    \S.*(?:\n      .*)*", _PAGE, re.MULTILINE)
]
# One shows what is missing, and one asks before it costs anything; both say so by their status.
_STATUS = {
    "dms-pipeline source prepare studentdb --admin-secret studentdb-admin": 1,
    "scripts/probe_aws --stack studentdb --admin-secret studentdb-admin": 1,
}

pytestmark = pytest.mark.skipif(
    not (_CLIENTS / "installed").exists(), reason="needs .venv/clients, which `make test` makes"
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRun]:
    """A stack with a role for Dagster, an administrator's secret, and no account on the source."""
    folder = tmp_path_factory.mktemp("docs")
    run = LocalRun(folder / "local", copied_pipelines(folder))
    try:
        run.succeed("local", "up")
        dsn = run.addresses["mysql_dsn"]
        with students.connect(dsn) as connection:
            students.create_table(connection)
        login = urlsplit(dsn)
        secrets = run.client("secretsmanager")
        admin = {"username": login.username, "password": login.password}
        secrets.create_secret(Name="studentdb-admin", SecretString=json.dumps(admin))
        own = {"host": login.hostname, "port": login.port, "username": "dms_new", "password": "p"}
        secrets.put_secret_value(SecretId="studentdb-source", SecretString=json.dumps(own))
        run.client("iam").create_role(RoleName="dagster", AssumeRolePolicyDocument="{}")
        outputs = {
            f"{side.title()}{kind}": {"Value": f"studentdb-{side}"}
            for side in ("source", "target")
            for kind in ("Endpoint", "Secret")
        }
        template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Outputs": outputs}
        run.client("cloudformation").create_stack(
            StackName="studentdb", TemplateBody=json.dumps(template)
        )
        yield run
    finally:
        run.command("local", "down")
        run.kill_everything()


def test_commands_do_what_the_page_says(stack: LocalRun, tmp_path: Path):
    assert len(_COMMANDS) == 7
    path = f"{Path(sys.prefix) / 'bin'}:{_CLIENTS / 'bin'}:{os.environ['PATH']}"
    environment = stack.environment(
        PATH=path,
        HOME=str(tmp_path),
        PYTHON=sys.executable,
        AWS_ENDPOINT_URL=stack.addresses["endpoint_url"],
        AWS_ACCESS_KEY_ID="any",
        AWS_SECRET_ACCESS_KEY="any",
        AWS_DEFAULT_REGION="us-east-1",
        DMS_SUBNET_GROUP="dms-pipeline-studentdb",
        DMS_CHECKPOINT_TABLE="dms_load_checkpoints",
        DMS_METRICS_TABLE="dms_load_cdc_metrics",
        DMS_NOTIFICATION_TOPIC="arn:aws:sns:us-east-1:123456789012:studentdb-mails",
    )
    for command in _COMMANDS:
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            env=environment,
            cwd=_ROOT,
            input="n\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        said = ended.stdout + ended.stderr
        assert ended.returncode == _STATUS.get(command, 0), (command, said)
        assert "Traceback" not in said
    [attached] = stack.client("iam").list_attached_role_policies(RoleName="dagster")[
        "AttachedPolicies"
    ]
    assert "dms-pipeline-policy" in attached["PolicyArn"]
