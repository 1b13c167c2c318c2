"""ReloadTables: refused as on AWS, and where AWS would reload, with a fault that says so."""

import json
from collections.abc import Mapping
from typing import Any

from dms_pipeline.local_dms.control_plane.faults import (
    invalid_combination,
    invalid_state,
    invalid_value,
    not_emulated,
)
from dms_pipeline.local_dms.control_plane.protocol import Operation, Request
from dms_pipeline.local_dms.control_plane.registry import Registry
from dms_pipeline.local_dms.control_plane.replication_tasks import WHAT, find_task

_OPTIONS = ("data-reload", "validate-only")
# User guide, "Reloading tables during a task".
_MOST_TABLES = 10


class TableReloads:
    """The operation on tables of running tasks."""

    def __init__(self, registry: Registry) -> None:
        """Look at the tasks of `registry`."""
        self._registry = registry

    def operations(self) -> Mapping[str, Operation]:
        return {"ReloadTables": self.reload}

    def reload(self, request: Request) -> dict[str, Any]:
        task = find_task(self._registry, request.params["ReplicationTaskArn"])
        option = checked_reload(request.params)
        if task.life.status != "running":
            raise invalid_state(
                f"{WHAT} {task.identifier} must be running to reload tables, it is "
                f"{task.life.status}."
            )
        validates = json.loads(task.settings)["ValidationSettings"]["EnableValidation"]
        if option == "validate-only" and not validates:
            raise invalid_combination(
                f"{WHAT} {task.identifier} does not validate, validate-only is for tasks that do."
            )
        raise not_emulated(
            "ReloadTables: a running task loads no table anew; stop the task and start it with "
            "reload-target"
        )


def checked_reload(params: Mapping[str, Any]) -> str:
    """The option of a request to reload tables."""
    option: str = params.get("ReloadOption", "data-reload")
    if option not in _OPTIONS:
        raise invalid_value(f"ReloadOption must be one of {', '.join(_OPTIONS)}.")
    if not 1 <= len(params["TablesToReload"]) <= _MOST_TABLES:
        raise invalid_value(f"TablesToReload must name 1 to {_MOST_TABLES} tables.")
    return option
