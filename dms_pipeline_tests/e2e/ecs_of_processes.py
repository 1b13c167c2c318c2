"""An ECS whose tasks are processes of this machine, for Dagster's own EcsRunLauncher.

It answers the operations that the launcher calls, in ECS's JSON; botocore checks both directions
against AWS's service description. It also is the metadata endpoint of the one task that is the
service itself.
"""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

_ARN = "arn:aws:ecs:us-east-1:123456789012"
_SERVICE = f"{_ARN}:task/dagster/service"
CLUSTER = f"{_ARN}:cluster/dagster"
TASK_DEFINITION = f"{_ARN}:task-definition/dagster-run:1"
_TARGET = "AmazonEC2ContainerServiceV20141113."
# https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_TaskOverride.html
_OVERRIDES_MAX = 8192

Answer = dict[str, Any]


@dataclass(slots=True)
class EcsOfProcesses:
    """Runs the command of each task with ``environment``; what it prints goes to ``folder``."""

    folder: Path
    environment: Mapping[str, str]
    network: list[Answer]
    tasks: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)
    requests: list[Answer] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def answer(self, operation: str, asked: Answer) -> Answer:
        with self.lock:
            match operation:
                case "DescribeTaskDefinition":
                    return {"taskDefinition": _definition()}
                case "RunTask":
                    return {"tasks": [self._start(asked)], "failures": []}
                case "DescribeTasks":
                    return {"tasks": [self._task(arn) for arn in asked["tasks"]], "failures": []}
                case "StopTask":
                    self.tasks[asked["task"]].terminate()
                    return {"task": self._task(asked["task"])}
        raise AssertionError(f"{operation} is not one of this ECS's operations")

    def process_of(self, run_id: str) -> "subprocess.Popen[bytes]":
        """The newest process of a run of Dagster."""
        arns = (
            arn
            for arn, asked in zip(self.tasks, self.requests, strict=True)
            if _is_of(asked, run_id)
        )
        *_, newest = arns
        return self.tasks[newest]

    def _start(self, asked: Answer) -> Answer:
        assert (asked["cluster"], asked["taskDefinition"]) == (CLUSTER, TASK_DEFINITION)
        assert len(json.dumps(asked["overrides"])) <= _OVERRIDES_MAX
        [override] = asked["overrides"]["containerOverrides"]
        assert override["name"] == "run"
        arn = f"{_ARN}:task/dagster/{uuid.uuid4().hex}"
        with (self.folder / f"run-{len(self.tasks) + 1}.log").open("w") as output:
            self.tasks[arn] = subprocess.Popen(
                override["command"],
                env={**self.environment, **_variables(override)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.requests.append(asked)
        return self._task(arn)

    def _task(self, arn: str) -> Answer:
        common = {"taskArn": arn, "clusterArn": CLUSTER, "launchType": "FARGATE"}
        if arn == _SERVICE:
            return {**common, "lastStatus": "RUNNING", "attachments": self.network}
        status = self.tasks[arn].poll()
        if status is None:
            return {**common, "lastStatus": "RUNNING", "containers": [{"name": "run"}]}
        return {
            **common,
            "lastStatus": "STOPPED",
            "stopCode": "EssentialContainerExited",
            "stoppedReason": "Essential container in task exited",
            # A process that a signal ended is reported as by a shell.
            "containers": [{"name": "run", "exitCode": status if status >= 0 else 128 - status}],
        }


def _definition() -> Answer:
    return {
        "taskDefinitionArn": TASK_DEFINITION,
        "family": "dagster-run",
        "containerDefinitions": [{"name": "run"}],
    }


def _variables(override: Answer) -> dict[str, str]:
    return {each["name"]: each["value"] for each in override.get("environment", [])}


def _is_of(asked: Answer, run_id: str) -> bool:
    return run_id in json.dumps(asked["overrides"])


@contextmanager
def serve(ecs: EcsOfProcesses) -> Iterator[str]:
    """Its address while the block lasts; kills its tasks afterwards."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            operation = self.headers["X-Amz-Target"].removeprefix(_TARGET)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._reply(ecs.answer(operation, json.loads(body)))

        def do_GET(self) -> None:
            assert self.path == "/task"
            self._reply({"Cluster": CLUSTER, "TaskARN": _SERVICE})

        def log_message(self, *_: object) -> None:
            """The tests' output is for failures."""

        def _reply(self, answer: Answer) -> None:
            content = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        for process in ecs.tasks.values():
            if process.poll() is None:
                os.killpg(process.pid, 9)
            process.wait()
