"""What Dagster starts for a run: a process that executes a job of the definitions."""

import multiprocessing
import os
import sys
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

import dagster as dg
from dagster import ReexecutionOptions
from dagster._core.definitions.reconstruct import ReconstructableRepository

_DEFINITIONS = "dms_pipeline.definitions"
# Workers are forked from a process that has imported Dagster, which takes longer than a run.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__, "dms_pipeline.factory", "dms_pipeline.resources"])


def start_worker(
    job: str, *, died: str = "", environment: Mapping[str, str], output: Path
) -> BaseProcess:
    """A worker that runs the job, and ends with 0 if the run succeeded, else with 1.

    Args:
        job: its name.
        died: the id of a run whose worker was killed: it is re-executed from its failure, as the
            UI does.
        environment: added to that of this process.
        output: the file for what it says.
    """
    worker = _FORKS.Process(target=_work, args=(job, died, dict(environment), output))
    worker.start()
    return worker


def _work(job: str, died: str, environment: Mapping[str, str], output: Path) -> None:
    os.environ.update(environment)
    with output.open("wb") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(died) if died else None
        again = None
        if run is not None:
            # The code server reports that of a worker of its own.
            instance.report_run_failed(run)
            again = ReexecutionOptions.from_failure(died, instance)
        result = dg.execute_job(
            ReconstructableRepository.for_module(_DEFINITIONS, "defs").get_reconstructable_job(job),
            instance=instance,
            run_config=run.run_config if run else None,
            reexecution_options=again,
        )
        sys.exit(0 if result.success else 1)
