"""One of several pipelines of a home, each with a table of its own."""

import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from dms_pipeline.cli import students
from dms_pipeline_tests.e2e.dagster_dev import failure_mails
from dms_pipeline_tests.e2e.local_run import LocalRun, change_yaml

_MAPPING = "table_mappings.json"


@dataclass(frozen=True, slots=True)
class LoadedPipeline:
    """A pipeline that loads the table ``<name>.student_details``."""

    run: LocalRun
    name: str

    @property
    def incremental(self) -> str:
        return f"{self.name}_incremental_load"

    @property
    def full(self) -> str:
        return f"{self.name}_full_load"

    @property
    def cleanup(self) -> str:
        return f"{self.name}_cleanup"

    @property
    def asset(self) -> list[str]:
        return ["postgres", self.name, students.TABLE]

    def configure(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Makes the pipeline's folder from studentdb's."""
        template = self.run.pipelines / students.SCHEMA
        folder = shutil.copytree(template, template.with_name(self.name))
        mapping = folder / _MAPPING
        mapping.write_text(mapping.read_text().replace(students.SCHEMA, self.name))

        def own_table(content: dict[str, Any]) -> None:
            content["tables"] = [{"schema": self.name, "table": students.TABLE}]
            change(content)

        change_yaml(folder / "pipeline.yaml", own_table)

    def create_table(self) -> None:
        self.run.execute(f"CREATE DATABASE {self.name}")
        self.run.execute(
            f"CREATE TABLE {self.table} (id int AUTO_INCREMENT PRIMARY KEY, name varchar(30))"
        )
        self.insert(3)

    def insert(self, count: int) -> None:
        for _ in range(count):
            self.run.execute(f"INSERT INTO {self.table} (name) VALUES ('a student')")

    def source_rows(self) -> list[Any]:
        with (
            students.connect(self.run.addresses["mysql_dsn"]) as source,
            source.cursor() as cursor,
        ):
            cursor.execute(f"SELECT * FROM {self.table} ORDER BY id")
            return list(cursor.fetchall())

    def target_rows(self) -> list[Any]:
        with psycopg.connect(self.run.addresses["postgres_dsn"]) as target:
            return target.execute(f"SELECT * FROM {self.table} ORDER BY id").fetchall()

    def checkpoints(self) -> list[dict[str, Any]]:
        """All checkpoints of the history, the oldest first."""
        own = (item for item in self.run.checkpoints() if item["pipeline"]["S"] == self.name)
        history = (item for item in own if item["version"]["S"] != "latest")
        return sorted(history, key=lambda item: str(item["version"]["S"]))

    def is_leased(self) -> bool:
        items = self.run.items("dms_load_checkpoints")
        return any((i["pipeline"]["S"], i["version"]["S"]) == (self.name, "lease") for i in items)

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of its tables and runs, in the order of the loads."""
        own = (
            item
            for item in self.run.items("dms_load_cdc_metrics")
            if item["pipeline"]["S"] == self.name
        )
        return sorted(own, key=lambda item: str(item["load_key"]["S"]))

    def left_in_dms(self) -> list[str]:
        return [left for left in self.run.left_in_dms() if left.endswith(f"-{self.name}")]

    def failure_mails(self, run_id: str) -> list[Any]:
        """The mails of this run's failure."""
        return [mail for mail in failure_mails(self.run) if f"Run  {run_id}" in mail.get_content()]

    @property
    def table(self) -> str:
        return f"{self.name}.{students.TABLE}"


def load_full(pipelines: Iterable[LoadedPipeline]) -> None:
    """Creates their tables and loads them, all at once."""

    def load(pipeline: LoadedPipeline) -> None:
        pipeline.create_table()
        pipeline.run.succeed("run", pipeline.name, "full-load")

    with ThreadPoolExecutor() as side_by_side:
        list(side_by_side.map(load, pipelines))
