"""`dms-pipeline demo`: the AWS walkthrough, on real servers and through the real jobs."""

import mailbox
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import click
import psycopg
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dms_pipeline.cli import students
from dms_pipeline.cli.output import say
from dms_pipeline.cli.stack import local_deployment, running_stack
from dms_pipeline.deployments import Deployment
from dms_pipeline.dms_objects import identifier
from dms_pipeline.errors import ConfigError, LoadError
from dms_pipeline.launch import run_cleanup, run_load
from dms_pipeline.local_dms.stack import StackInfo
from dms_pipeline.ops import LoadKind
from dms_pipeline.records import LoadRecord

PIPELINE = "studentdb"


@click.command()
def demo() -> None:
    """Walk through full and incremental loads; exit status 0 only if every comparison held."""
    here = local_deployment()
    with running_stack(here) as info:
        if info.source_is_external or info.target_is_external:
            raise ConfigError(
                "the demo empties its tables, so it does not run on servers of your own; "
                "run it with another DMS_LOCAL_HOME"
            )
        walkthrough = Walkthrough(here, info)
        walkthrough.run()
        walkthrough.show()
    failed = [claim.text for claim in walkthrough.claims if not claim.held]
    if failed:
        raise LoadError("the demo found what it should not: " + "; ".join(failed))
    click.secho(f"\nAll {len(walkthrough.claims)} comparisons held.", fg="green", bold=True)


@dataclass(frozen=True, slots=True)
class Claim:
    """One comparison: what should be, and whether it is."""

    step: str
    text: str
    held: bool


@dataclass(slots=True)
class Walkthrough:
    """The steps in their order; each adds what it compared to ``claims``."""

    here: Deployment
    info: StackInfo
    claims: list[Claim] = field(default_factory=list)
    mails_before: frozenset[str] = frozenset()
    step: str = ""

    def run(self) -> None:
        self._start_over()
        self._full_load()
        self._two_inserts()
        self._mixed_changes()
        self._nothing_to_load()
        self._nothing_left()

    def show(self) -> None:
        """The mails, the metrics and the checkpoints that are left, and the comparisons."""
        # Into a file or a pipe, wide enough for a whole checkpoint.
        # A checkpoint holds `:-1:`, which rich would show as an emoji.
        width = None if sys.stdout.isatty() else 170
        console = Console(width=width, emoji=False, markup=False)
        console.print()
        console.print(self._mail_table())
        console.print(self._metrics_table())
        console.print(self._checkpoint_table())
        table = Table("step", "compared", "result", title="The walkthrough", title_justify="left")
        for claim in self.claims:
            table.add_row(claim.step, claim.text, _verdict(claim.held))
        console.print(table)

    def _start_over(self) -> None:
        self._begin("0 start", "an empty source table")
        self.mails_before = frozenset(self._mails().keys())
        if self._leftovers():
            say("an earlier demo left an instance or a task: cleaning up")
            run_cleanup(self.here, PIPELINE, say=say)
        with students.connect(self.info.mysql_dsn) as source:
            students.create_table(source)
            students.execute(source, f"DELETE FROM {students.SCHEMA}.{students.TABLE}")

    def _full_load(self) -> None:
        self._begin("1 full load", "7 rows in MySQL, then the job studentdb_full_load")
        with students.connect(self.info.mysql_dsn) as source:
            students.insert(source, students.first_students())
        self._load("full", reload=self._latest_sequence() > 0)
        self._claim("7 rows in PostgreSQL", len(self._target_rows()) == 7)
        self._claim("source and target equal row by row", self._sides_equal())
        self._claim("a checkpoint in DynamoDB", self._latest_sequence() > 0)

    def _two_inserts(self) -> None:
        self._begin("2 inserts", "2 rows in MySQL, then the job studentdb_incremental_load")
        with students.connect(self.info.mysql_dsn) as source:
            students.insert(source, students.new_students(8, 2))
        self._claim("the 2 rows are not in PostgreSQL yet", len(self._target_rows()) == 7)
        load = self._load("incremental")
        self._claim("9 rows in PostgreSQL", len(self._target_rows()) == 9)
        self._claim("metrics: 2 inserts, 0 updates, 0 deletes", _changes(load) == (2, 0, 0))
        self._claim("the full load was not repeated", load.counts.full_load_rows == 0)

    def _mixed_changes(self) -> None:
        self._begin("3 changes", "12 inserts, an update and a delete, then the job again")
        table = f"{students.SCHEMA}.{students.TABLE}"
        with students.connect(self.info.mysql_dsn) as source:
            students.insert(source, students.new_students(10, 12))
            students.execute(
                source, f"UPDATE {table} SET department = %s WHERE student_id = %s", "Physics", 3
            )
            students.execute(source, f"DELETE FROM {table} WHERE student_id = %s", 5)
        load = self._load("incremental")
        self._claim("20 rows in PostgreSQL", len(self._target_rows()) == 20)
        self._claim("source and target equal row by row", self._sides_equal())
        self._claim("metrics: 12 inserts, 1 update, 1 delete", _changes(load) == (12, 1, 1))

    def _nothing_to_load(self) -> None:
        self._begin("4 nothing new", "the job again, with nothing to load")
        before = self._latest_sequence()
        load = self._load("incremental")
        self._claim("metrics: 0 inserts, 0 updates, 0 deletes", _changes(load) == (0, 0, 0))
        self._claim("the checkpoint is still valid", self._latest_sequence() == before + 1)
        self._claim("source and target equal row by row", self._sides_equal())

    def _nothing_left(self) -> None:
        self._begin("5 afterwards", "what is left on AWS")
        self._claim("instance and task are gone", not self._leftovers())
        self._claim("4 mails were sent", len(set(self._mails().keys()) - self.mails_before) == 4)

    def _begin(self, step: str, what: str) -> None:
        self.step = step
        click.secho(f"\n{step}: {what}", bold=True)

    def _claim(self, text: str, held: bool) -> None:
        self.claims.append(Claim(self.step, text, held))
        mark = click.style("yes", fg="green") if held else click.style("NO", fg="red")
        click.echo(f"          {mark}  {text}")

    def _load(self, kind: LoadKind, *, reload: bool = False) -> LoadRecord:
        """Runs the job; what it recorded of the one table."""
        outcome = run_load(self.here, PIPELINE, kind, say=say, reload=reload)
        if not outcome.succeeded:
            raise LoadError(f"the {kind} load failed: {outcome.failure}")
        self._claim(
            f"the run and its {len(outcome.checks)} checks succeeded",
            bool(outcome.checks) and all(check.passed for check in outcome.checks),
        )
        return list(self.here.load_metrics().metrics().history(PIPELINE))[-1]

    def _latest_sequence(self) -> int:
        latest = self.here.checkpoints().store().latest(PIPELINE)
        return latest.sequence if latest else 0

    def _leftovers(self) -> bool:
        dms, name = self.here.dms().client(), identifier(PIPELINE)
        return dms.find_instance(name) is not None or dms.find_task(name) is not None

    def _sides_equal(self) -> bool:
        with students.connect(self.info.mysql_dsn) as source:
            return students.rows(source) == self._target_rows()

    def _target_rows(self) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.info.postgres_dsn) as target:
            return target.execute(
                f"SELECT * FROM {students.SCHEMA}.{students.TABLE} ORDER BY student_id"
            ).fetchall()

    def _mails(self) -> "mailbox.Maildir":
        return mailbox.Maildir(self.info.home / "aws" / "mail")

    def _mail_table(self) -> Table:
        table = Table("to", "subject", title="Mails of this demo", title_justify="left")
        mails = self._mails()
        for key in sorted(set(mails.keys()) - self.mails_before):
            table.add_row(str(mails[key]["To"]), str(mails[key]["Subject"]))
        return table

    def _metrics_table(self) -> Table:
        return _table(
            f"Metrics: DynamoDB table {self.here.metrics_table}",
            {
                "TableName": lambda row: str(row.counts.table),
                "load_date": lambda row: f"{row.load_date:%Y-%m-%d %H:%M:%S}",
                "FullLoadRows": lambda row: str(row.counts.full_load_rows),
                "Inserts": lambda row: str(row.counts.inserts),
                "Updates": lambda row: str(row.counts.updates),
                "Deletes": lambda row: str(row.counts.deletes),
            },
            list(self.here.load_metrics().metrics().history(PIPELINE))[-8:],
        )

    def _checkpoint_table(self) -> Table:
        return _table(
            f"Checkpoints: DynamoDB table {self.here.checkpoint_table}",
            {
                "number": lambda row: str(row.sequence),
                "checkpoint": lambda row: row.checkpoint,
                "stop reason": lambda row: row.stop_reason,
            },
            list(self.here.checkpoints().store().history(PIPELINE))[-8:],
        )


def _verdict(held: bool) -> Text:
    return Text("yes", style="green") if held else Text("NO", style="red")


def _changes(load: LoadRecord) -> tuple[int, int, int]:
    return load.counts.inserts, load.counts.updates, load.counts.deletes


def _table(title: str, columns: dict[str, Callable[[Any], str]], rows: list[Any]) -> Table:
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(cell(row) for cell in columns.values()))
    return table
