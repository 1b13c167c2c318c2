"""`dms-pipeline local ...`: the local stack without the UI."""

import json
import re
import time

import click
from rich.console import Console
from rich.table import Table

from dms_pipeline.cli import students
from dms_pipeline.cli.output import say
from dms_pipeline.cli.stack import local_deployment, start_stack
from dms_pipeline.local_dms.stack import LocalStack

_UNITS = {"s": 1, "m": 60, "h": 3600}
_as_json = click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")


@click.group()
def local() -> None:
    """The local stack: a MySQL and a PostgreSQL server, and AWS with a DMS that moves rows."""


@local.command()
@click.option("--mysql-dsn", help="Use this source: mysql://user:password@host:port/")
@click.option("--postgres-dsn", help="Use this target: postgresql://user:password@host:port/dbname")
@_as_json
def up(mysql_dsn: str | None, postgres_dsn: str | None, as_json: bool) -> None:
    """Start the stack, and create what CloudFormation creates on AWS. Repeating it does no harm."""
    info = start_stack(local_deployment(), mysql_dsn=mysql_dsn, postgres_dsn=postgres_dsn)
    answer = {
        "endpoint_url": info.endpoint_url,
        "mysql_dsn": info.mysql_dsn,
        "postgres_dsn": info.postgres_dsn,
        "home": str(info.home),
    }
    if as_json:
        click.echo(json.dumps(answer))
    else:
        for name, value in answer.items():
            click.echo(f"{name:<13} {value}")


@local.command()
@_as_json
def down(as_json: bool) -> None:
    """Stop the stack; its data stays."""
    stack = LocalStack(local_deployment().local_home)
    stack.down(on_progress=say)
    _show(stack, as_json=as_json)


@local.command()
@_as_json
def status(as_json: bool) -> None:
    """Show what runs. Exit status 0 only if all of the stack does."""
    stack = LocalStack(local_deployment().local_home)
    _show(stack, as_json=as_json)
    if not stack.status().is_up:
        raise SystemExit(1)


@local.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@_as_json
def reset(yes: bool, as_json: bool) -> None:
    """Stop the stack and delete all its data."""
    stack = LocalStack(local_deployment().local_home)
    if not yes:
        click.confirm(f"Delete the databases and all else in {stack.home}?", abort=True, err=True)
    stack.reset(on_progress=say)
    _show(stack, as_json=as_json)


def _duration(_context: click.Context, _parameter: click.Parameter, text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    seconds = float(found.group(1)) * _UNITS[found.group(2) or "s"] if found else 0.0
    if seconds <= 0:
        raise click.BadParameter(f"{text!r} is not a time such as 30s, 5m or 1h")
    return seconds


@local.command()
@click.option("--every", default="5m", callback=_duration, help="Time between two rows: 30s, 5m.")
@click.option("--count", type=click.IntRange(min=1), help="Stop after so many rows.")
def traffic(every: float, count: int | None) -> None:
    """Insert a student at regular times, as the walkthrough's script does, until Ctrl-C."""
    info = LocalStack(local_deployment().local_home).info()
    inserted = 0
    with students.connect(info.mysql_dsn) as connection:
        students.create_table(connection)
        while True:
            number = students.next_id(connection)
            students.insert(connection, students.new_students(number, 1))
            inserted += 1
            say(f"inserted student {number}")
            if inserted == count:
                return
            time.sleep(every)


def _show(stack: LocalStack, *, as_json: bool) -> None:
    components = stack.status().components
    if as_json:
        parts = {
            part.name: {"state": part.state, "pid": part.pid, "port": part.port}
            for part in components
        }
        click.echo(json.dumps({"home": str(stack.home), "components": parts}))
        return
    table = Table("part", "state", "pid", "port", title=str(stack.home), title_justify="left")
    for part in components:
        table.add_row(part.name, part.state, str(part.pid or ""), str(part.port or ""))
    Console().print(table)
