"""`dms-pipeline dev`: the local stack and Dagster's UI and daemon, until Ctrl-C."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import psutil

from dms_pipeline.cli.output import say
from dms_pipeline.cli.stack import local_deployment, running_stack
from dms_pipeline.deployments import Deployment
from dms_pipeline.errors import StackError
from dms_pipeline.launch import dagster_instance

_READY_TIMEOUT_S = 120
_STOP_TIMEOUT_S = 20


@click.command()
@click.option("--port", type=int, default=3000, show_default=True, help="Port of the UI.")
def dev(port: int) -> None:
    """Start the local stack and Dagster; Ctrl-C stops all that this started."""
    here = local_deployment()
    # A closed terminal or `kill` ends it as cleanly as Ctrl-C.
    # A shell starts background jobs with SIGINT ignored; here it has one meaning.
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        with running_stack(here) as info, _dagster(here, port) as (process, url):
            click.echo(f"\n  Dagster     {url}\n  mails       {info.endpoint_url}/mail")
            click.echo("\n  Ctrl-C stops it all.\n")
            process.wait()
            raise StackError(f"Dagster ended by itself with status {process.returncode}")
    except KeyboardInterrupt:
        say("stopped")


@contextmanager
def _dagster(here: Deployment, port: int) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    port = _free_port(port)
    url = f"http://127.0.0.1:{port}"
    say("starting Dagster")
    with dagster_instance(here.dagster_home):
        pass  # From here on every part of `dagster dev` finds its files made.
    # A session of its own: Ctrl-C reaches only us, and we stop the parts in the right order.
    # Its informational lines, two every half minute, would bury the address.
    options = ["-h", "127.0.0.1", "-p", str(port), "--log-level", "warning", *_workspace()]
    process = subprocess.Popen(
        [sys.executable, "-m", "dagster", "dev", *options],
        env={
            **os.environ,
            "DAGSTER_HOME": str(here.dagster_home),
            "DMS_LOCAL_HOME": str(here.local_home),
            "DMS_PIPELINES_DIR": str(here.pipelines),
            "DMS_PIPELINE_DAGSTER_URL": here.dagster_url or url,
            "PYTHONWARNINGS": "ignore",
        },
        start_new_session=True,
    )
    try:
        _wait_until_ready(process, url)
        yield process, url
    finally:
        _stop(process)


def _workspace() -> list[str]:
    workspace = Path(__file__).parents[2] / "workspace.yaml"
    return ["-w", str(workspace)] if workspace.is_file() else ["-m", "dms_pipeline.definitions"]


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StackError(f"Dagster did not start: status {process.returncode}, see above")
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise StackError(f"Dagster did not answer at {url} within {_READY_TIMEOUT_S} s")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Stops Dagster and the runs in progress, whose workers would outlive it."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    say("stopping Dagster")
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(family, timeout=1)
    for member in alive:
        member.terminate()
    _, alive = psutil.wait_procs(alive, timeout=_STOP_TIMEOUT_S)
    for member in alive:
        member.kill()


def _free_port(wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            say(f"port {wanted} is taken; using another")
            probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt
