"""A pipeline's DMS task settings, and what a load reads in them or changes. Pure."""

import json
from typing import Any

from dms_pipeline.aws.dms import MigrationType


def settings_for(task_settings: str, migration_type: MigrationType) -> str:
    """The pipeline's settings with the two that depend on what the task is for.

    A full load stops once the changes made meanwhile are applied too: only then has the task a
    checkpoint that the next load can begin at.
    """
    settings: dict[str, Any] = json.loads(task_settings)
    full_load = dict(settings.get("FullLoadSettings", {}))
    if migration_type == "cdc":
        full_load["TargetTablePrepMode"] = "DO_NOTHING"
        full_load["StopTaskCachedChangesApplied"] = False
    else:
        full_load["StopTaskCachedChangesApplied"] = True
    return json.dumps({**settings, "FullLoadSettings": full_load})


def control_schema(task_settings: str) -> str:
    """The PostgreSQL schema of DMS's control tables; ``public`` unless the settings name one."""
    control_tables = json.loads(task_settings).get("ControlTablesSettings") or {}
    return control_tables.get("ControlSchema") or "public"
