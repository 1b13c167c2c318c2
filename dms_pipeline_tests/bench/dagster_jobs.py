"""Jobs as Dagster runs them: each in a process of its own that loads the definitions first."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dms_pipeline_tests.bench.errors import BenchError

_ROOT = Path(__file__).parents[2]
_SHOWN_LINES = 30
_URL = "BENCH_DAGSTER_URL"


@dataclass(frozen=True, slots=True)
class JobRun:
    """How long a process took from its start to its end, and how much of that it slept."""

    seconds: float
    slept_s: float


@dataclass(frozen=True, slots=True)
class DagsterHome:
    """Dagster's own records in a folder, and the environment of those who work with them."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DMS_", "DAGSTER_", "AWS_"))
        }
        quiet = {"PYTHONWARNINGS": "ignore", "PYTHONPATH": str(_ROOT)}
        return {**kept, **quiet, "DAGSTER_HOME": str(self.folder), **self.settings}

    def stored_in_postgres(self, url: str) -> "DagsterHome":
        """The same with its records in a database; only the environment has the password."""
        own = self.folder / "dagster.yaml"
        settings = own.read_text() + f"\nstorage: {{postgres: {{postgres_url: {{env: {_URL}}}}}}}\n"
        own.unlink()
        own.write_text(settings)
        return replace(self, settings={**self.settings, _URL: url})

    def execute(self, module: str, job: str) -> JobRun:
        """Runs the job; raises `BenchError` if it fails."""
        with tempfile.NamedTemporaryFile("r") as slept:
            seconds = self.run(
                "dms_pipeline_tests.bench.sleeper",
                *(slept.name, "dagster", "job", "execute", "-m", module, "-j", job),
            )
            return JobRun(seconds, json.loads(slept.read()))

    def run(self, module: str, *arguments: str) -> float:
        """Runs a module as a program to its end; its duration. Raises `BenchError` if it fails."""
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - begun
        if done.returncode != 0:
            last = "\n".join(done.stdout.splitlines()[-_SHOWN_LINES:])
            raise BenchError(f"{' '.join((module, *arguments))} failed:\n{last}")
        return seconds


def dagster_home(folder: Path, **settings: str) -> DagsterHome:
    """A new one with the project's own settings of Dagster."""
    folder.mkdir()
    (folder / "dagster.yaml").symlink_to(_ROOT / "dagster.yaml")
    return DagsterHome(folder, settings)
