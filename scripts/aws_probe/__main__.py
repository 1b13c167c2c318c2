"""`scripts/probe_aws`: asks, writes what was found, and cleans up."""

import secrets
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

import click
import psycopg
import pymysql
from botocore.exceptions import BotoCoreError, ClientError

from aws_probe.cleanup import clean_up
from aws_probe.findings import Finding, Report
from aws_probe.questions import FIRST, QUESTIONS, Question
from aws_probe.workbench import AWS, LOCAL, PREFIX, SCHEMA, OutOfTimeError, Workbench
from dms_pipeline.aws.secrets import DatabaseSecrets
from dms_pipeline.aws.session import AwsAccess, new_client
from dms_pipeline.errors import DmsPipelineError
from dms_pipeline.resources.source import MySQLSource
from dms_pipeline.resources.target import PostgresTarget

_REFUSALS = (
    BotoCoreError,
    ClientError,
    DmsPipelineError,
    OutOfTimeError,
    psycopg.Error,
    pymysql.MySQLError,
)
_HOURS = 1.2
# Of a role's session; less what the last question may take.
_SESSION_S = 3000.0


@dataclass(frozen=True, slots=True)
class Stack:
    """What the probe uses of a stack: its outputs, under their names there."""

    SourceEndpoint: str
    SourceSecret: str
    TargetEndpoint: str
    TargetSecret: str
    SubnetGroup: str = ""
    SecurityGroups: str = ""

    @property
    def network(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.SubnetGroup:
            found["ReplicationSubnetGroupIdentifier"] = self.SubnetGroup
        if self.SecurityGroups:
            found["VpcSecurityGroupIds"] = self.SecurityGroups.split(",")
        return found


@click.command()
@click.option("--stack", required=True, help="CloudFormation stack with endpoints and secrets.")
@click.option("--region", help="Default: that of the AWS settings.")
@click.option("--admin-secret", help="Login that may create a schema; default: the source's own.")
@click.option(
    "--as-role",
    default="",
    help="ARN of the orchestrator's role: DMS is called as it, for an hour. Its policy has to name "
    "the pipeline `probe`.",
)
@click.option("--instance-class", default="dms.t3.medium", show_default=True)
@click.option("--engine-version", default="3.5.4", show_default=True)
@click.option(
    "--price-per-hour",
    type=float,
    default=0.1,
    show_default=True,
    help="USD for the instance: https://aws.amazon.com/dms/pricing/ has the one of your region.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder for the findings; default: the working folder.",
)
@click.option("--only", multiple=True, help="Key of a question; repeatable.")
@click.option("--clean-up", "only_cleans", is_flag=True, help="Only remove what a probe left.")
@click.option("--yes", is_flag=True, help="Do not ask before it begins.")
def main(
    *,
    stack: str,
    region: str | None,
    admin_secret: str | None,
    as_role: str,
    instance_class: str,
    engine_version: str,
    price_per_hour: float,
    output: Path,
    only: tuple[str, ...],
    only_cleans: bool,
    yes: bool,
) -> None:
    """Ask AWS DMS what its documentation leaves open, on the endpoints and databases of a stack.

    Takes about an hour and less than 2 USD, writes the answers as JSON and Markdown, and deletes
    all that it has created, also after Ctrl-C. Run it where both databases can be reached.
    """
    access = AwsAccess(region=region)
    dms = new_client("dms", access)
    outputs = _outputs(access, stack)
    logins = DatabaseSecrets(new_client("secretsmanager", access))
    own = logins.read(outputs.SourceSecret)
    reader = own.username if admin_secret else ""
    if admin_secret:
        login = logins.read_login(admin_secret)
        own = replace(own, username=login.username, password=login.password)
    source, target = MySQLSource(own), PostgresTarget(logins.read(outputs.TargetSecret))
    host = urlsplit(str(dms.meta.endpoint_url)).hostname
    pace = LOCAL if host in ("127.0.0.1", "localhost") else AWS
    if as_role:
        pace = replace(pace, budget_s=min(pace.budget_s, _SESSION_S))
    if only_cleans:
        clean_up(dms, source, target, reader=reader, pace=pace, say=_say)
        return
    asked = [each for each in QUESTIONS if not only or each.key in (*only, *FIRST)]
    _ask_first(instance_class, price_per_hour, len(asked), own.host, yes=yes)
    name = f"{PREFIX}{secrets.token_hex(3)}"
    bench = Workbench(
        dms=new_client("dms", _assumed(access, as_role)) if as_role else dms,
        source=source,
        target=target,
        source_endpoint=_endpoint(dms, outputs.SourceEndpoint),
        target_endpoint=_endpoint(dms, outputs.TargetEndpoint),
        reader=reader,
        role=as_role,
        name=name,
        pace=pace,
        instance_class=instance_class,
        engine_version=engine_version,
        network=outputs.network,
        say=_say,
    )
    began = datetime.now(UTC)
    findings: list[Finding] = []
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        for question in asked:
            findings.append(_asked(question, bench))
            _say(f"{question.key}: {findings[-1].status}: {findings[-1].found}")
            if question.key in FIRST and findings[-1].status == "failed":
                raise click.ClickException("without that nothing else can be asked")
    finally:
        seconds = bench.instance_seconds()
        told = {finding.key for finding in findings}
        findings += [_not_asked(each) for each in QUESTIONS if each.key not in told]
        report = Report(
            probe=name,
            where="the local DMS" if pace.poll_s == LOCAL.poll_s else f"AWS DMS {engine_version}",
            began=began.isoformat(timespec="seconds"),
            instance_seconds=round(seconds, 1),
            cost_usd=round(seconds / 3600 * price_per_hour, 4),
            findings=tuple(findings),
        )
        for path in report.write(output):
            click.echo(path)
        with _told_how_to_clean_up(stack):
            clean_up(dms, source, target, reader=reader, pace=pace, say=_say)


def _asked(question: Question, bench: Workbench) -> Finding:
    if bench.out_of_time():
        return _finding(question, "open", "the time for the probe was over")
    _say(f"asking: {question.text}")
    try:
        answer = question.ask(bench)
    except _REFUSALS as error:
        return _finding(question, "failed", f"{type(error).__name__}: {error}")
    status = "open" if answer.is_open else "answered"
    return replace(_finding(question, status, answer.found), evidence=answer.evidence)


def _not_asked(question: Question) -> Finding:
    return _finding(question, "open", "not asked")


def _finding(question: Question, status: Any, found: str) -> Finding:
    return Finding(question.key, question.text, question.expected, status, found, {})


def _ask_first(instance_class: str, price: float, count: int, host: str, *, yes: bool) -> None:
    click.echo(
        f"{count} questions, one {instance_class} for about {_HOURS:g} hours: reckoned as "
        f"{_HOURS * price:.2f} USD at {price:g} USD an hour. The databases of the stack cost what "
        f"they cost anyway. On the source {host} the schema {SCHEMA} is created and dropped; in "
        "the target it and that of DMS's control tables.",
        err=True,
    )
    if not yes:
        click.confirm("Begin?", abort=True, err=True)


def _outputs(access: AwsAccess, stack: str) -> Stack:
    found = new_client("cloudformation", access).describe_stacks(StackName=stack)["Stacks"][0]
    values = {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}
    needed = ("SourceEndpoint", "SourceSecret", "TargetEndpoint", "TargetSecret")
    if missing := [name for name in needed if name not in values]:
        raise click.ClickException(f"the stack {stack} has no output {', '.join(missing)}")
    known = (*needed, "SubnetGroup", "SecurityGroups")
    return Stack(**{name: values[name] for name in known if name in values})


def _assumed(access: AwsAccess, role: str) -> AwsAccess:
    """The credentials of a session of the role, which lasts for an hour."""
    answer = new_client("sts", access).assume_role(RoleArn=role, RoleSessionName="probe")
    given = answer["Credentials"]
    return replace(
        access,
        access_key_id=given["AccessKeyId"],
        secret_access_key=given["SecretAccessKey"],
        session_token=given["SessionToken"],
    )


def _endpoint(dms: Any, identifier: str) -> str:
    by_name = [{"Name": "endpoint-id", "Values": [identifier]}]
    return str(dms.describe_endpoints(Filters=by_name)["Endpoints"][0]["EndpointArn"])


@contextmanager
def _told_how_to_clean_up(stack: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        command = f"scripts/probe_aws --stack {stack} --clean-up"
        click.secho(f"not all is removed: {command} does it", fg="red", err=True)
        raise


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


_BEGAN = time.monotonic()


def _say(text: str) -> None:
    click.echo(f"{time.monotonic() - _BEGAN:6.0f} s  {text}", err=True)


if __name__ == "__main__":
    try:
        main()
    except _REFUSALS as problem:
        click.secho(f"error: {problem}", fg="red", err=True)
        sys.exit(1)
