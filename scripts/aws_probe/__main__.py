"""`scripts/probe_aws`: asks, writes what was found, and cleans up."""

import secrets
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import click
import psycopg
import pymysql
from botocore.exceptions import BotoCoreError, ClientError

from aws_probe.cleanup import clean_up
from aws_probe.findings import Finding, Report
from aws_probe.place import Place, place_of
from aws_probe.questions import FIRST, QUESTIONS, Question
from aws_probe.workbench import CONTROL_SCHEMA, PREFIX, SCHEMA, OutOfTimeError, Workbench
from dms_pipeline.aws.session import AwsAccess, new_client
from dms_pipeline.errors import DmsPipelineError

_REFUSALS = (
    BotoCoreError,
    ClientError,
    DmsPipelineError,
    OutOfTimeError,
    psycopg.Error,
    pymysql.MySQLError,
)
_HOURS = 1.2
# Of the hour that a role's session lasts, without what the last question may take.
_SESSION_S = 3000.0


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
@click.option(
    "--only",
    multiple=True,
    type=click.Choice([question.key for question in QUESTIONS]),
    help="Only this question; repeatable.",
)
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
    place = place_of(access, stack, admin_secret)
    if only_cleans:
        clean_up(place, _say)
        return
    asked = [each for each in QUESTIONS if not only or each.key in (*only, *FIRST)]
    _ask_first(place, instance_class, price_per_hour, len(asked), yes=yes)
    pace = place.pace
    if as_role:
        pace = replace(pace, budget_s=min(pace.budget_s, _SESSION_S))
    bench = Workbench(
        place=place,
        dms=new_client("dms", _assumed(access, as_role)) if as_role else place.dms,
        role=as_role,
        name=f"{PREFIX}{secrets.token_hex(3)}",
        instance_class=instance_class,
        engine_version=engine_version,
        say=_say,
        pace=pace,
    )
    began = datetime.now(UTC)
    findings: list[Finding] = []
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        _ask_all(bench, asked, findings)
    finally:
        try:
            report = _report(bench, began, findings, price_per_hour)
            for path in report.write(output):
                click.echo(path)
        finally:
            with _told_how_to_clean_up(stack):
                clean_up(place, _say)


def _ask_all(bench: Workbench, questions: Iterable[Question], findings: list[Finding]) -> None:
    """Adds to the findings one by one: whatever ends it, what is known is known."""
    for question in questions:
        findings.append(_asked(question, bench))
        _say(f"{question.key}: {findings[-1].status}: {findings[-1].found}")
        if question.key in FIRST and findings[-1].status == "failed":
            raise click.ClickException("without that nothing else can be asked")


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


def _finding(question: Question, status: Any, found: str) -> Finding:
    return Finding(question.key, question.text, question.expected, status, found, {})


def _report(
    bench: Workbench, began: datetime, findings: Sequence[Finding], price_per_hour: float
) -> Report:
    seconds = bench.instance_seconds()
    told = {finding.key for finding in findings}
    left = [_finding(each, "open", "not asked") for each in QUESTIONS if each.key not in told]
    return Report(
        probe=bench.name,
        where="the local DMS" if bench.place.is_local else f"AWS DMS {bench.engine_version}",
        began=began.isoformat(timespec="seconds"),
        instance_seconds=round(seconds, 1),
        cost_usd=round(seconds / 3600 * price_per_hour, 4),
        findings=(*findings, *left),
    )


def _ask_first(
    place: Place, instance_class: str, price_per_hour: float, count: int, *, yes: bool
) -> None:
    click.echo(
        f"{count} questions, one {instance_class} for about {_HOURS:g} hours: reckoned as "
        f"{_HOURS * price_per_hour:.2f} USD at {price_per_hour:g} USD an hour. The databases of "
        f"the stack cost what they cost anyway. The schema {SCHEMA} is created and dropped in "
        f"both, and {CONTROL_SCHEMA} in the target; the source is {place.source.settings}.",
        err=True,
    )
    if not yes:
        click.confirm("Begin?", abort=True, err=True)


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
