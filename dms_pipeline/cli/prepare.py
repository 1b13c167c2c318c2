"""`dms-pipeline source prepare`: makes a MySQL or MariaDB server ready to be a source."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import click
from rich.text import Text

from dms_pipeline.aws.secrets import DatabaseCredentials, DatabaseSecrets
from dms_pipeline.cli.findings import findings_table, new_console
from dms_pipeline.cli.output import say
from dms_pipeline.deployments import deployment
from dms_pipeline.errors import ConfigError, PreflightError, SourceError
from dms_pipeline.pipeline_config import PipelineConfig, load_pipeline
from dms_pipeline.resources.source import MySQLSource
from dms_pipeline.resources.source_admin import SourceAdmin
from dms_pipeline.source_setup import Step, retention_hours, steps


@click.group()
def source() -> None:
    """The source server of a pipeline."""


@source.command(short_help="Show what the source of PIPELINE lacks, or do it.")
@click.argument("pipeline")
@click.option("--apply", "is_applied", is_flag=True, help="Do what is missing.")
@click.option("--admin-user", help="Who may do it; the password is asked for.")
@click.option("--admin-secret", help="The same by a secret: its username and password are used.")
@click.option(
    "--from-host", default="%", show_default=True, help="Where the pipeline's account comes from."
)
@click.option(
    "--retention-hours",
    type=click.IntRange(min=1),
    help="For how long to keep binary logs; default: five loads of the schedule, at least 24.",
)
def prepare(
    pipeline: str,
    is_applied: bool,
    admin_user: str | None,
    admin_secret: str | None,
    from_host: str,
    retention_hours: int | None,
) -> None:
    """Show what the source server of PIPELINE has and lacks: binary log, account, privileges.

    The server is the one in the pipeline's secret, and the account is that of the secret, which is
    created with its password. With an administrator (--admin-user or --admin-secret) all can be
    seen, and with --apply all is done that can be done while the server runs. Repeating it does no
    harm. Exit status 0 only if nothing is missing any more.
    """
    here = deployment()
    config = load_pipeline(here.pipelines, pipeline)
    secrets = DatabaseSecrets(here.aws.client("secretsmanager"))
    own = secrets.read(config.source.secret)
    admin = _admin(secrets, own, user=admin_user, secret=admin_secret)
    if is_applied and admin.is_own:
        raise ConfigError(
            f"--apply needs an administrator of {own.host}: name one with --admin-user, or a "
            "secret with --admin-secret"
        )
    preparation = Preparation(config, own, admin, from_host, retention_hours)
    left = preparation.left()
    if is_applied and any(step.statement for step in left):
        preparation.apply(left)
        left = preparation.left()
    missing = [step for step in left if not step.is_optional]
    if missing:
        _tell(left, is_applied=is_applied)
        things = "one thing is" if len(missing) == 1 else f"{len(missing)} things are"
        raise PreflightError(f"{things} missing on the source of {pipeline}, see above")
    click.echo(f"the source of {pipeline} is ready")


@dataclass(frozen=True, slots=True)
class Preparation:
    """The source of one pipeline, and how it is wanted."""

    pipeline: PipelineConfig
    own: DatabaseCredentials
    admin: SourceAdmin
    from_host: str
    wanted_hours: int | None

    def left(self) -> list[Step]:
        """Shows all steps; those that are to be done."""
        tables = tuple(table.source for table in self.pipeline.tables)
        try:
            state = self.admin.state(self.own, tables, host=self.from_host)
        except SourceError as error:
            if not self.admin.is_own:
                raise
            raise SourceError(
                f"{error} An administrator can look, with --admin-user or --admin-secret"
            ) from error
        hours = retention_hours(
            self.pipeline, state.service, datetime.now(UTC), wanted=self.wanted_hours
        )
        found = steps(state, self.pipeline, password=self.own.password, hours=hours)
        where = f"{self.own.host}:{self.own.port}"
        kind = f"{state.service} " if state.service else ""
        title = f"Source of {self.pipeline.name}: {kind}{state.server.version} at {where}"
        new_console().print(findings_table((step.finding for step in found), title=title))
        return [step for step in found if not step.is_done]

    def apply(self, left: Sequence[Step]) -> None:
        """Raises `SourceError` at the first that the server refuses, if a load needs it."""
        for step in left:
            if step.statement is None:
                continue
            say(str(step.statement))
            try:
                self.admin.execute(step.statement)
            except SourceError as error:
                if not step.is_optional:
                    raise
                say(f"refused, and not needed: {error}")
            else:
                if step.advice and not step.is_optional:
                    say(step.advice)


def _admin(
    secrets: DatabaseSecrets, own: DatabaseCredentials, *, user: str | None, secret: str | None
) -> SourceAdmin:
    """Whoever was named, on the pipeline's own server; the pipeline's own account if nobody was."""
    if user and secret:
        raise ConfigError("--admin-user and --admin-secret name an administrator each: give one")
    if secret:
        login = secrets.read_login(secret)
        user, password = login.username, login.password
    elif user:
        password = click.prompt(f"Password of {user} at {own.host}", hide_input=True, err=True)
    else:
        return SourceAdmin(MySQLSource(own), is_own=True)
    return SourceAdmin(MySQLSource(replace(own, username=user, password=password)))


def _tell(left: Sequence[Step], *, is_applied: bool) -> None:
    console = new_console()
    for step in left:
        if step.statement is None or is_applied:
            console.print(Text(f"{step.checked}: {step.finding.problem}\n", style="red"))
    statements = [str(step.statement) for step in left if step.statement]
    if statements and not is_applied:
        console.print("An administrator can do this, or --apply with --admin-user:\n")
        for statement in statements:
            console.print(f"    {statement}", soft_wrap=True)
        console.print()
