"""A real `dms-pipeline dev`, and the GraphQL that Dagster's UI speaks."""

import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default as default_policy
from pathlib import Path
from typing import Any, Literal

from dms_pipeline.local_dms.servers.process import choose_port
from dms_pipeline_tests.e2e.local_run import PATIENCE_S, LocalRun, wait_for

ENDED = ("SUCCESS", "FAILURE", "CANCELED")

_REPOSITORIES = "{repositoriesOrError {... on RepositoryConnection {nodes {name location {name}}}}}"
_LAUNCHED = """{
    __typename
    ... on LaunchRunSuccess {run {runId}}
    ... on RunConfigValidationInvalid {errors {message}}
    ... on PythonError {message}}"""
_LAUNCH = f"""mutation ($execution: ExecutionParams!) {{
  launchRun(executionParams: $execution) {_LAUNCHED}}}"""
_RELAUNCH = f"""mutation ($again: ReexecutionParams!) {{
  launchRunReexecution(reexecutionParams: $again) {_LAUNCHED}}}"""
_TERMINATE = """mutation ($run: String!, $policy: TerminateRunPolicy!) {
  terminateRun(runId: $run, terminatePolicy: $policy) {
    __typename ... on TerminateRunFailure {message} ... on PythonError {message}}}"""
_RUN = """query ($run: ID!) {runOrError(runId: $run) {
  ... on Run {status startTime endTime parentRunId}}}"""
_CHILDREN = """query ($parent: String!) {runsOrError(filter: {
    tags: [{key: "dagster/parent_run_id", value: $parent}]}) {
  ... on Runs {results {runId}}}}"""
_EVENTS = """query ($run: ID!) {logsForRun(runId: $run) {... on EventConnection {
  events {... on MessageEvent {message}
    ... on ExecutionStepFailureEvent {error {message} failureMetadata {description}}}}}}"""

Strategy = Literal["FROM_FAILURE", "ALL_STEPS"]
TerminatePolicy = Literal["SAFE_TERMINATE", "MARK_AS_CANCELED_IMMEDIATELY"]


@dataclass(slots=True)
class Ui:
    """Dagster's GraphQL, with what it needs to name a job."""

    url: str
    location: dict[str, str] = field(default_factory=dict)

    def ask(self, question: str, **variables: Any) -> Any:
        request = urllib.request.Request(
            f"{self.url}/graphql",
            data=json.dumps({"query": question, "variables": variables}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer
        return next(iter(answer["data"].values()))

    def find_location(self) -> None:
        (repository,) = self.ask(_REPOSITORIES)["nodes"]
        self.location = {
            "repositoryName": repository["name"],
            "repositoryLocationName": repository["location"]["name"],
        }

    def launch(self, job: str, *, tags: dict[str, str] | None = None, **selection: Any) -> str:
        """Launches a job with the configuration that it brings along."""
        execution = {
            "selector": {**self.location, "pipelineName": job, **selection},
            "runConfigData": {},
            "executionMetadata": {"tags": _tags(tags)},
        }
        return _run_id(self.ask(_LAUNCH, execution=execution))

    def relaunch(
        self,
        run_id: str,
        strategy: Strategy = "FROM_FAILURE",
        *,
        tags: dict[str, str] | None = None,
    ) -> str:
        """The "Re-execute" button."""
        again = {"parentRunId": run_id, "strategy": strategy, "extraTags": _tags(tags)}
        return _run_id(self.ask(_RELAUNCH, again=again))

    def terminate(self, run_id: str, policy: TerminatePolicy = "SAFE_TERMINATE") -> None:
        answer = self.ask(_TERMINATE, run=run_id, policy=policy)
        assert answer["__typename"] == "TerminateRunSuccess", answer

    def run(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask(_RUN, run=run_id)
        return found

    def ended(self, run_id: str) -> str:
        """The status of the run once it has ended."""

        def look() -> str:
            status: str = self.run(run_id)["status"]
            return status if status in ENDED else ""

        return str(wait_for(f"the end of the run {run_id}", look))

    def succeeds(self, run_id: str) -> None:
        status = self.ended(run_id)
        assert status == "SUCCESS", "\n".join([status, *self.said(run_id)])

    def said(self, run_id: str) -> list[str]:
        """All messages of a run, the failures of its steps among them."""
        said = []
        for event in self.ask(_EVENTS, run=run_id)["events"]:
            failure = event.get("failureMetadata") or event.get("error") or {}
            said += [event["message"], *filter(None, failure.values())]
        return said

    def worker(self, run_id: str) -> int:
        """The process id of the run's worker."""
        said = "\n".join(self.said(run_id))
        (pid,) = set(re.findall(r"Started process for run \(pid: (\d+)\)", said))
        return int(pid)

    def children(self, run_id: str) -> list[str]:
        """The runs that re-execute this one, by whomever they were launched."""
        return [run["runId"] for run in self.ask(_CHILDREN, parent=run_id)["results"]]


@dataclass(slots=True)
class DagsterDev:
    """`dms-pipeline dev` of one home; ``ui`` is there once it was started."""

    run: LocalRun
    folder: Path
    ui: Ui = field(default_factory=lambda: Ui(""))
    processes: "list[subprocess.Popen[str]]" = field(default_factory=list)

    @property
    def log(self) -> Path:
        """What the newest one has said."""
        return self.folder / f"dev-{len(self.processes)}.log"

    def start(self) -> None:
        port = choose_port()
        with (self.folder / f"dev-{len(self.processes) + 1}.log").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "dms_pipeline.cli", "dev", "--port", str(port)],
                env=self.run.environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.processes.append(process)
        url = f"http://127.0.0.1:{port}"

        def is_ready() -> bool:
            assert process.poll() is None, self.log.read_text()
            return f"Dagster     {url}\n" in self.log.read_text()

        wait_for("the address of the UI", is_ready)
        self.ui = Ui(url)
        self.ui.find_location()

    def kill(self, but: Collection[int] = ()) -> None:
        """kill -9 of all of the home, save the ids in ``but``."""
        self.run.kill_everything(but)
        for process in self.processes:
            process.wait()


@contextmanager
def dagster_dev(run: LocalRun, folder: Path) -> Iterator[DagsterDev]:
    """`dms-pipeline dev` of this home; nothing of the home is left running afterwards."""
    dev = DagsterDev(run, folder)
    try:
        dev.start()
        yield dev
    finally:
        dev.kill()


def failure_mails(run: LocalRun) -> list[Any]:
    mails = [message_from_bytes(path.read_bytes(), policy=default_policy) for path in run.mails()]
    return [mail for mail in mails if "failed" in str(mail["Subject"])]


def _run_id(launched: Any) -> str:
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


def _tags(tags: dict[str, str] | None) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in (tags or {}).items()]
