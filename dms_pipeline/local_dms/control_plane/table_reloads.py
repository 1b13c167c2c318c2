"""ReloadTables: a running task loads some of its tables again."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from dms_pipeline.local_dms.control_plane.faults import (
    invalid_combination,
    invalid_state,
    invalid_value,
    not_emulated,
    not_found,
)
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.replication_tasks import WHAT, find_task
from dms_pipeline.local_dms.control_plane.resources import ReplicationTask
from dms_pipeline.local_dms.control_plane.task_execution import TaskExecution

_OPTIONS = ("data-reload", "validate-only")
# User guide, "Reloading tables during a task", from which the other conditions are, too.
_MOST_TABLES = 10


class TableReloads:
    """The operation on tables of running tasks."""

    def __init__(self, registry: Registry, execution: TaskExecution) -> None:
        """Reload tables of the tasks of `registry`, whose engines `execution` has."""
        self._registry = registry
        self._execution = execution

    def operations(self) -> Mapping[str, Operation]:
        return {"ReloadTables": self.reload}

    def reload(self, request: Request) -> dict[str, Any]:
        task = find_task(self._registry, request.params["ReplicationTaskArn"])
        option = checked_reload(request.params)
        _check_type_and_state(task)
        if option == "validate-only":
            raise _not_validated(task)
        tables = request.params["TablesToReload"]
        run_tables = task.run.tables if task.run else []
        known = {(row["SchemaName"], row["TableName"]) for row in run_tables}
        for table in tables:
            if (table["SchemaName"], table["TableName"]) not in known:
                raise not_found(
                    f"Table {table['SchemaName']}.{table['TableName']} is not a table of task "
                    f"{task.identifier}."
                )
        self._execution.reload(task, tables)
        return {"ReplicationTaskArn": task.arn}


def _check_type_and_state(task: ReplicationTask) -> None:
    if task.migration_type == "cdc":
        raise invalid_combination(
            f"{WHAT} {task.identifier} is of type cdc and has no full load; tables are reloaded by "
            "tasks of type full-load and full-load-and-cdc."
        )
    for status in (task.life.status, task.life.final_status):
        if status != "running":
            raise invalid_state(
                f"{WHAT} {task.identifier} must be running to reload tables, it is {status}."
            )


def _not_validated(task: ReplicationTask) -> Exception:
    if json.loads(task.settings)["ValidationSettings"]["EnableValidation"]:
        return not_emulated("ReloadTables with validate-only: it validates no tables")
    return invalid_combination(
        f"{WHAT} {task.identifier} does not validate, validate-only is for tasks that do."
    )


def checked_reload(params: Mapping[str, Any]) -> str:
    """The option of a request to reload tables."""
    option: str = params.get("ReloadOption", "data-reload")
    if option not in _OPTIONS:
        raise invalid_value(f"ReloadOption must be one of {', '.join(_OPTIONS)}.")
    if not 1 <= len(params["TablesToReload"]) <= _MOST_TABLES:
        raise invalid_value(f"TablesToReload must name 1 to {_MOST_TABLES} tables.")
    named = Counter((table["SchemaName"], table["TableName"]) for table in params["TablesToReload"])
    twice = [".".join(table) for table, count in named.items() if count > 1]
    if twice:
        raise invalid_value(f"TablesToReload names {', '.join(twice)} more than once.")
    return option
