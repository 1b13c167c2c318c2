"""How a task and the tables of its run look in an answer."""

import json
from typing import Any

from dms_pipeline.local_dms.control_plane.resources import ReplicationTask, TaskRun

_COUNTERS = ("Inserts", "Deletes", "Updates", "Ddls")
_TABLE_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(_COUNTERS, 0),
    **dict.fromkeys((f"Applied{name}" for name in _COUNTERS), 0),
    "FullLoadRows": 0,
    "FullLoadCondtnlChkFailedRows": 0,
    "FullLoadErrorRows": 0,
    "FullLoadReloaded": False,
    "ValidationPendingRecords": 0,
    "ValidationFailedRecords": 0,
    "ValidationSuspendedRecords": 0,
    "ValidationState": "Not enabled",
}
_TABLE_MEMBERS = {
    *_TABLE_DEFAULTS,
    "SchemaName",
    "TableName",
    "TableState",
    "FullLoadStartTime",
    "FullLoadEndTime",
    "LastUpdateTime",
}


def described_task(task: ReplicationTask, *, with_settings: bool = True) -> dict[str, Any]:
    status, run = task.life.status, task.run
    # What a run came to shows only once its end shows, not while `running` is held for a poller.
    ended = run if run and status not in ("starting", "running", "stopping") else None
    return {
        "ReplicationTaskIdentifier": task.identifier,
        "SourceEndpointArn": task.source_arn,
        "TargetEndpointArn": task.target_arn,
        "ReplicationInstanceArn": task.instance_arn,
        "MigrationType": task.migration_type,
        "TableMappings": task.table_mappings if with_settings else None,
        "ReplicationTaskSettings": _echoed_settings(task) if with_settings else None,
        "Status": status,
        "LastFailureMessage": (ended.failure or None) if ended else None,
        "StopReason": (ended.stop_reason or None) if ended else None,
        "ReplicationTaskCreationDate": task.created_at,
        "ReplicationTaskStartDate": run.started_at if run else None,
        "CdcStartPosition": task.start_position,
        "CdcStopPosition": task.stop_position,
        "RecoveryCheckpoint": task.recovery_checkpoint if run else None,
        "ReplicationTaskArn": task.arn,
        "ReplicationTaskStats": _statistics(run, is_over=ended is not None) if run else None,
        "TaskData": task.task_data,
        "TargetReplicationInstanceArn": task.moving_to,
    }


def _echoed_settings(task: ReplicationTask) -> str:
    settings = json.loads(task.settings)
    if settings["Logging"].get("EnableLogging"):
        settings["Logging"] |= {
            "CloudWatchLogGroup": f"dms-tasks-{task.instance_arn.rsplit(':', 1)[1].lower()}",
            "CloudWatchLogStream": f"dms-task-{task.resource_id}",
        }
    return json.dumps(settings)


def _statistics(run: TaskRun, *, is_over: bool) -> dict[str, Any]:
    progress = run.progress
    loads = [row["FullLoadStartTime"] for row in run.tables if row.get("FullLoadStartTime")]
    ends = [row["FullLoadEndTime"] for row in run.tables if row.get("FullLoadEndTime")]
    latest = max([run.started_at, *(row["LastUpdateTime"] for row in run.tables)])
    end = run.stopped_at if is_over and run.stopped_at else latest
    return {
        "FullLoadProgressPercent": progress.get("full_load_percent", 0),
        "ElapsedTimeMillis": max(0, round((end - run.started_at) * 1000)),
        "TablesLoaded": progress.get("tables_loaded", 0),
        "TablesLoading": progress.get("tables_loading", 0),
        "TablesQueued": progress.get("tables_queued", 0),
        "TablesErrored": progress.get("tables_errored", 0),
        "FreshStartDate": run.fresh_started_at,
        "StartDate": run.started_at,
        "StopDate": run.stopped_at if is_over else None,
        "FullLoadStartDate": min(loads) if loads else None,
        "FullLoadFinishDate": max(ends) if ends and len(ends) == len(loads) else None,
    }


def described_table(row: dict[str, Any]) -> dict[str, Any]:
    known = {name: value for name, value in row.items() if name in _TABLE_MEMBERS}
    return {**_TABLE_DEFAULTS, **known}
