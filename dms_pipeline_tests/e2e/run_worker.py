"""What Dagster starts for a run: a process that executes a job of the definitions."""

import dagster as dg
from dagster import ReexecutionOptions
from dagster._core.definitions.reconstruct import ReconstructableRepository

_DEFINITIONS = "dms_pipeline.definitions"


def execute(job: str, died: str = "") -> int:
    """Runs the job of that name: 0 if the run succeeded, else 1.

    With the id of a run whose worker was killed it re-executes that run from its failure, as the UI
    does.
    """
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
        return 0 if result.success else 1
