"""A pipeline's DMS task settings, and what a load reads in them or changes. Pure."""

import json
from typing import Any

from dms_pipeline.aws.dms import MigrationType

_DEFAULT_LOB_KB = 32


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


def lob_limit(task_settings: str) -> int | None:
    """Bytes of a large object that DMS copies at least; None if all.

    https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.LOBSupport.html
    """
    metadata = json.loads(task_settings).get("TargetMetadata") or {}
    if metadata.get("FullLobMode") or not metadata.get("LimitedSizeLobMode", True):
        return None
    return 1024 * int(metadata.get("LobMaxSize", _DEFAULT_LOB_KB)) or None
