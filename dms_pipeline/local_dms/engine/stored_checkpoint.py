"""Where a task stands whose engine ended without a last word: what its target says."""

from typing import Any

import psycopg

from dms_pipeline.local_dms.engine.target_errors import target_error
from dms_pipeline.local_dms.engine.target_tables import connect_target
from dms_pipeline.local_dms.engine.task_settings import TaskSettings
from dms_pipeline.local_dms.engine.task_spec import TaskSpec
from dms_pipeline.local_dms.engine.transaction_state import TransactionState


def stored_checkpoint(specification: dict[str, Any]) -> str | None:
    """The checkpoint behind everything that the task has committed; None if it has none.

    Waits, for a minute at most, until nothing that the engine sent can be committed any more.

    Args:
        specification: what the engine was told.

    Raises:
        TargetError: the target does not tell; a TargetUnavailableError may pass.
    """
    spec = TaskSpec.from_message(specification)
    if spec.migration_type == "full-load":
        return None
    settings = TaskSettings.from_message(spec.task_settings)
    return read_stored(spec, TransactionState.of_task(spec, settings.control_schema))


def read_stored(spec: TaskSpec, state: TransactionState) -> str | None:
    """The same for a task whose settings have been read."""
    with connect_target(spec.target) as target:
        try:
            return state.read_finally(target)
        except psycopg.Error as error:
            raise target_error(str(spec.target), error, spec.target) from error
