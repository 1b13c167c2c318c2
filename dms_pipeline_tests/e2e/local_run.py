"""A private local stack, driven as a user does: by the command, by boto3, and by SQL."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import boto3
import psutil
import psycopg
import yaml
from botocore.config import Config

import dms_pipeline
import dms_pipeline.cli
from dms_pipeline.cli import students
from dms_pipeline_tests.warm_process import start_warm

NAME = "dms-pipeline-studentdb"
PATIENCE_S = 180.0
_POLL_S = 0.1
_PIPELINES = Path(dms_pipeline.__file__).parent / "pipelines"
_ROOT = str(Path(dms_pipeline.__file__).parents[1])


def command_line(*arguments: str) -> None:
    """The program `dms-pipeline`."""
    sys.argv = ["dms-pipeline", *arguments]
    dms_pipeline.cli.main()


@dataclass(frozen=True, slots=True)
class LocalRun:
    """One home folder, and a folder of pipelines to go with it."""

    home: Path
    pipelines: Path

    def environment(self, **changes: str) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DMS_", "DAGSTER_", "AWS_"))
        }
        return {
            **kept,
            "PYTHONPATH": _ROOT,
            "DMS_LOCAL_HOME": str(self.home),
            "DMS_PIPELINES_DIR": str(self.pipelines),
            **changes,
        }

    def command(self, *arguments: str, **changes: str) -> "subprocess.CompletedProcess[str]":
        """Runs `dms-pipeline` with these arguments to its end."""
        with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
            process = start_warm(
                command_line,
                *arguments,
                environment=self.environment(**changes),
                output=output,
                errors=errors,
            )
            process.join(PATIENCE_S)
            if process.exitcode is None:
                process.kill()
                process.join()
            output.seek(0)
            errors.seek(0)
            return subprocess.CompletedProcess(
                arguments, process.exitcode or 0, output.read(), errors.read()
            )

    def begin(self, *arguments: str, **changes: str) -> "subprocess.Popen[str]":
        """Starts `dms-pipeline` as a user does."""
        return subprocess.Popen(
            [sys.executable, "-m", "dms_pipeline.cli", *arguments],
            env=self.environment(**changes),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def succeed(self, *arguments: str) -> str:
        done = self.command(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout

    def load_incrementally(self) -> None:
        """A load that has to succeed, leave both sides equal and nothing running."""
        self.succeed("run", "studentdb", "incremental")
        assert self.source_rows() == self.target_rows()
        assert self.left_in_dms() == []

    @property
    def addresses(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.home / "stack.json").read_text())
        return found

    def client(self, service: str) -> Any:
        return _client(service, self.addresses["endpoint_url"])

    def left_in_dms(self) -> list[str]:
        """What is billed: the instances and tasks there are."""
        dms = self.client("dms")
        instances = dms.describe_replication_instances()["ReplicationInstances"]
        tasks = dms.describe_replication_tasks()["ReplicationTasks"]
        return [
            *(f"instance {row['ReplicationInstanceIdentifier']}" for row in instances),
            *(f"task {row['ReplicationTaskIdentifier']}" for row in tasks),
        ]

    def inject(self, *faults: dict[str, Any]) -> None:
        """These faults of the local DMS, in place of the former ones."""
        self._faults("PUT", json.dumps(faults).encode())

    def faults(self) -> list[dict[str, Any]]:
        """The injected faults, each with `struck`: how often it has."""
        return self._faults("GET")

    def _faults(self, method: str, data: bytes | None = None) -> list[dict[str, Any]]:
        url = f"{self.addresses['endpoint_url']}/_faults"
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method)) as reply:
            found: list[dict[str, Any]] = json.load(reply)
        return found

    def items(self, table: str) -> list[dict[str, Any]]:
        """All of a DynamoDB table, in the order of its keys."""
        rows = self.client("dynamodb").scan(TableName=table)["Items"]
        return sorted(rows, key=json.dumps)

    def checkpoints(self) -> list[dict[str, Any]]:
        """Without the lease and the note of a load that has begun, which lie beside them."""
        items = self.items("dms_load_checkpoints")
        return [item for item in items if item["version"]["S"] not in ("lease", "begun")]

    def mails(self) -> list[Path]:
        return sorted((self.home / "aws" / "mail" / "new").iterdir())

    def execute(self, statement: str, *values: Any) -> None:
        with students.connect(self.addresses["mysql_dsn"]) as source:
            students.execute(source, statement, *values)

    def execute_on_target(self, statement: str) -> None:
        with psycopg.connect(self.addresses["postgres_dsn"]) as target:
            target.execute(statement.encode())

    def insert(self, count: int) -> None:
        with students.connect(self.addresses["mysql_dsn"]) as source:
            students.insert(source, students.new_students(students.next_id(source), count))

    def source_rows(self) -> list[Any]:
        with students.connect(self.addresses["mysql_dsn"]) as source:
            return students.rows(source)

    def source_logs(self) -> list[str]:
        """The binary logs that the source still has, the oldest first."""
        with students.connect(self.addresses["mysql_dsn"]) as source, source.cursor() as cursor:
            cursor.execute("SHOW BINARY LOGS")
            return [row[0] for row in cursor.fetchall()]

    def target_rows(self) -> list[Any]:
        with psycopg.connect(self.addresses["postgres_dsn"]) as target:
            return target.execute(
                "SELECT * FROM studentdb.student_details ORDER BY student_id"
            ).fetchall()

    def passwords(self) -> set[str]:
        """Every secret of this stack that a careless message could show."""
        found = set()
        for part in ("source", "target"):
            settings = json.loads((self.home / part / "settings.json").read_text())
            found |= {settings["admin_password"], settings["dms_password"]}
        return found

    def pid(self, part: str) -> int:
        return int((self.home / part / "server.pid").read_text())

    def kill(self, part: str) -> None:
        """kill -9 of one server with its children, and until they are gone."""
        server = psutil.Process(self.pid(part))
        _kill_all([server, *server.children(recursive=True)])

    def processes(self) -> list[psutil.Process]:
        """Whatever has this home in its arguments or environment, and their children."""
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            try:
                is_ours = process.pid != os.getpid() and (
                    str(self.home) in " ".join(process.cmdline())
                    or process.environ().get("DMS_LOCAL_HOME") == str(self.home)
                )
                family = [process, *process.children(recursive=True)] if is_ours else []
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            found |= {member.pid: member for member in family}
        return [process for process in found.values() if not _is_gone(process)]

    def kill_everything(self, but: Collection[int] = ()) -> None:
        """kill -9 of all of this home, the command included, save the ids in ``but``."""
        _kill_all([process for process in self.processes() if process.pid not in but])

    def pipelines_with(self, name: str, change: Callable[[Path], None]) -> str:
        """Another folder of pipelines, in which ``change`` was done to studentdb's folder."""
        folder = self.pipelines.parent / f"pipelines-{name}"
        shutil.copytree(self.pipelines, folder)
        change(folder / "studentdb")
        return str(folder)


@contextmanager
def new_local_run(folder: Path) -> Iterator[LocalRun]:
    """A stack that is up, loaded once and equal on both sides; nothing is left of it afterwards."""
    run = LocalRun(folder / "local", copied_pipelines(folder))
    try:
        run.succeed("local", "up")
        with students.connect(run.addresses["mysql_dsn"]) as source:
            students.create_table(source)
            students.insert(source, students.first_students())
        run.succeed("run", "studentdb", "full-load")
        yield run
    finally:
        run.command("local", "down")
        run.kill_everything()


def copied_pipelines(folder: Path) -> Path:
    """The pipelines of the package, to be changed."""
    return Path(shutil.copytree(_PIPELINES, folder / "pipelines"))


def change_yaml(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content))


def wait_for(what: str, look: Callable[[], Any], *, timeout_s: float = PATIENCE_S) -> Any:
    """What ``look`` finds, once it is truthy."""
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:.0f} s in vain: {what}")
        time.sleep(_POLL_S)
    return found


@cache
def _client(service: str, endpoint_url: str) -> Any:
    # Reading the service's model takes far longer than a call.
    return boto3.session.Session(
        region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
    ).client(
        service,  # type: ignore[call-overload]
        endpoint_url=endpoint_url,
        config=Config(retries={"max_attempts": 1}),
    )


def _is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _kill_all(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    for process in processes:
        wait_for(f"the end of {process}", partial(_is_gone, process))
