"""The local endpoint as a process of its own, over a real socket."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from dms_pipeline.local_dms import __main__ as local_dms
from dms_pipeline_tests.warm_process import start_warm

KEYS: dict[str, Any] = {
    "aws_access_key_id": "local",
    "aws_secret_access_key": "local",
    "region_name": "us-east-1",
}
Client = Callable[[str], Any]


@contextmanager
def endpoint(home: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], Client]]:
    """The program that users start, and a function that makes clients of it; killed in the end."""
    command = [sys.executable, "-m", "dms_pipeline.local_dms", "--port", "0", "--home", str(home)]
    command += options
    with (home / "stderr.log").open("a") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        yield process, _clients(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def warm_endpoint(home: Path) -> Iterator[tuple[BaseProcess, Client]]:
    """The same without the command line, for tests that start many; its clients try once."""
    printed, log = home / "stdout", home / "stderr.log"
    with printed.open("w+") as output, log.open("a") as errors:
        process = start_warm(_serve, str(home), output=output, errors=errors)
        try:
            once = Config(retries={"total_max_attempts": 1}, read_timeout=20)
            yield process, _clients(_line(printed), once)
        finally:
            process.kill()
            process.join()


def _serve(home: str) -> None:
    local_dms.serve(Path(home), host="127.0.0.1", port=0, speed="fast")


def _line(printed: Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if (text := printed.read_text()).endswith("\n"):
            return text
        time.sleep(0.01)
    raise AssertionError("the endpoint does not answer")


def _clients(ready_line: str, config: Config | None = None) -> Client:
    url = ready_line.rsplit(maxsplit=1)[-1]
    session: Any = boto3.session.Session(**KEYS)
    return lambda service: session.client(service, endpoint_url=url, config=config)
