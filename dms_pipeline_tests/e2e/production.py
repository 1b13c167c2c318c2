"""Dagster as in production on this machine: the template's commands, each part a process.

PostgreSQL keeps its records, the EcsRunLauncher starts its runs, S3 has what their steps print; the
local endpoint stands for AWS.
"""

import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cfnlint.decode import cfn_yaml

import dms_pipeline
from dms_pipeline.local_dms.servers.process import choose_port
from dms_pipeline_tests.dagster_records import new_database
from dms_pipeline_tests.e2e.dagster_dev import Ui
from dms_pipeline_tests.e2e.ecs_of_processes import TASK_DEFINITION, EcsOfProcesses, serve
from dms_pipeline_tests.e2e.loaded_pipeline import LoadedPipeline, load_full
from dms_pipeline_tests.e2e.local_run import LocalRun, copied_pipelines, wait_for

_DEPLOY = Path(dms_pipeline.__file__).parent / "deploy"
_BUCKET = "step-output"
PARTS = ("code", "webserver", "daemon")


@dataclass(slots=True)
class Production:
    """The parts by their names; each can be killed and started anew."""

    run: LocalRun
    folder: Path
    environment: dict[str, str]
    commands: dict[str, list[str]]
    ecs: EcsOfProcesses
    ui: Ui
    processes: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    def start(self, part: str) -> None:
        with (self.folder / f"{part}.log").open("a") as output:
            self.processes[part] = subprocess.Popen(
                self.commands[part],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self, part: str) -> None:
        """kill -9, of what it started too."""
        process = self.processes[part]
        os.killpg(process.pid, 9)
        process.wait()

    def is_healthy(self, part: str) -> bool:
        """What the health check of its container says."""
        done = subprocess.run(
            self.commands[f"{part} health"], env=self.environment, capture_output=True, check=False
        )
        return done.returncode == 0

    def start_all(self) -> None:
        self.start("code")
        wait_for("the code server", lambda: self.is_healthy("code"))
        self.start("webserver")
        self.start("daemon")
        wait_for("the web server", self._answers)
        self.ui.find_location()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.ui.url}/server_info", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            assert self.processes["webserver"].poll() is None, self.log("webserver")
            return False

    def log(self, part: str) -> str:
        return (self.folder / f"{part}.log").read_text()

    def worker(self, run_id: str) -> int:
        return self.ecs.process_of(run_id).pid


@contextmanager
def production(
    run: LocalRun, folder: Path, change: Callable[[dict[str, Any]], None]
) -> Iterator[Production]:
    """All parts, running on the stack of ``run``; ``change`` makes dagster.yaml impatient."""
    home = folder / "dagster"
    home.mkdir()
    config = yaml.safe_load((_DEPLOY / "dagster.yaml").read_text())
    change(config)
    (home / "dagster.yaml").write_text(yaml.safe_dump(config))
    code_port, ui_port = choose_port(), choose_port()
    workspace = (_DEPLOY / "workspace.yaml").read_text().replace("4000", str(code_port))
    (home / "workspace.yaml").write_text(workspace)
    environment = _environment(run, home)
    run.client("s3").create_bucket(Bucket=_BUCKET)
    ecs = EcsOfProcesses(folder, environment, network=[_interface(run)])
    with serve(ecs) as address:
        environment |= {"AWS_ENDPOINT_URL_ECS": address, "ECS_CONTAINER_METADATA_URI_V4": address}
        commands = _commands({"4000": str(code_port), "3000": str(ui_port)}, home)
        ui = Ui(f"http://127.0.0.1:{ui_port}")
        environment["DMS_PIPELINE_DAGSTER_URL"] = ui.url
        made = Production(run, folder, environment, commands, ecs, ui)
        try:
            made.start_all()
            yield made
            # In production nothing can be written there. Dagster gets over that for these two.
            left = {path.name for path in home.iterdir()}
            assert left <= {"dagster.yaml", "workspace.yaml", "logs", ".logs_queue"}
        finally:
            for part, process in made.processes.items():
                if process.poll() is None:
                    made.kill(part)


@contextmanager
def loaded_production(
    folder: Path, names: Iterable[str], configure: Callable[[dict[str, Any]], Any]
) -> Iterator[Production]:
    """A production Dagster, impatient, of pipelines that are loaded; nothing is left running."""
    run = LocalRun(folder / "local", copied_pipelines(folder))
    pipelines = [LoadedPipeline(run, name) for name in names]
    for pipeline in pipelines:
        pipeline.configure(configure)
    try:
        run.succeed("local", "up")
        load_full(pipelines)
        with production(run, folder, impatient) as made:
            yield made
    finally:
        run.kill_everything()


def _environment(run: LocalRun, home: Path) -> dict[str, str]:
    """What the template gives to the processes, and where AWS is here."""
    addresses = run.addresses
    return {
        **run.environment(),
        **new_database(addresses["postgres_dsn"], "dagster"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONWARNINGS": "ignore",
        "DAGSTER_HOME": str(home),
        "DAGSTER_LOGS_BUCKET": _BUCKET,
        "DAGSTER_RUN_TASK_DEFINITION": TASK_DEFINITION,
        "DMS_PIPELINE_DEPLOYMENT": "aws",
        "DMS_POLL_INTERVAL_S": "0.1",
        "DMS_DRAIN_WINDOW_S": "1",
        "AWS_ENDPOINT_URL": addresses["endpoint_url"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }


def _interface(run: LocalRun) -> dict[str, Any]:
    """The network interface of the service's task, with its subnet."""
    ec2 = run.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    made = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
    details = {"subnetId": subnet, "networkInterfaceId": made["NetworkInterfaceId"]}
    return {
        "type": "ElasticNetworkInterface",
        "details": [{"name": name, "value": value} for name, value in details.items()],
    }


def _commands(ports: dict[str, str], home: Path) -> dict[str, list[str]]:
    """The commands of the containers and of their health checks, by the names of the parts."""
    template = cfn_yaml.load(str(_DEPLOY / "dagster_service.yaml"))
    containers = template["Resources"]["ServiceTask"]["Properties"]["ContainerDefinitions"]
    found = re.search(r"^CMD \[(.*)\]$", (_DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    of_image = shlex.split(found.group(1).replace(",", " "))
    commands: dict[str, list[str]] = {}
    for each in containers:
        _, *check = each["HealthCheck"]["Command"]
        commands[each["Name"]] = [str(part) for part in each.get("Command", of_image)]
        commands[f"{each['Name']} health"] = [str(part) for part in check]
    here = {
        **ports,
        "/opt/dagster/workspace.yaml": str(home / "workspace.yaml"),
        "0.0.0.0": "127.0.0.1",
    }
    return {name: [_replaced(part, here) for part in command] for name, command in commands.items()}


def _replaced(part: str, here: dict[str, str]) -> str:
    for old, new in here.items():
        part = part.replace(old, new)
    return part


def impatient(config: dict[str, Any]) -> None:
    """Looks at its runs as often as a test wants."""
    config["run_monitoring"] |= {"poll_interval_seconds": 1, "start_timeout_seconds": 60}
