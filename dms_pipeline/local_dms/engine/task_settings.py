"""Typed view on the task settings that the engine obeys; everything else is AWS's business."""

from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from dms_pipeline.errors import ConfigError
from dms_pipeline.local_dms.engine.error_policies import ErrorPolicies
from dms_pipeline.local_dms.engine.lob_settings import LobSettings

PrepMode = Literal["DROP_AND_CREATE", "TRUNCATE_BEFORE_LOAD", "DO_NOTHING"]


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """The defaults are those AWS documents."""

    prep_mode: PrepMode = "DROP_AND_CREATE"
    stop_after_cached_changes: bool = False
    stop_before_cached_changes: bool = False
    target_schema: str = ""
    control_schema: str = "public"
    fail_on_no_tables: bool = True
    apply_truncate: bool = True
    apply_alter: bool = True
    policies: ErrorPolicies = field(default_factory=lambda: ErrorPolicies.from_settings({}))
    status_table: bool = False
    suspended_tables_table: bool = False
    history_table: bool = False
    history_timeslot_min: int = 5
    memory_mb: int = 1024
    full_load_subtasks: int = 8
    lobs: LobSettings = field(default_factory=LobSettings)
    skips_partition_ddl: bool = False
    """Said by the source endpoint, not by the task."""

    @classmethod
    def from_message(cls, settings: dict[str, Any]) -> "TaskSettings":
        full_load = settings.get("FullLoadSettings") or {}
        prep_mode = full_load.get("TargetTablePrepMode") or "DROP_AND_CREATE"
        ddl = settings.get("ChangeProcessingDdlHandlingPolicy") or {}
        control = settings.get("ControlTablesSettings") or {}
        behavior = settings.get("ErrorBehavior") or {}
        tuning = settings.get("ChangeProcessingTuning") or {}
        return cls(
            prep_mode=_prep_mode(prep_mode),
            stop_after_cached_changes=bool(full_load.get("StopTaskCachedChangesApplied")),
            stop_before_cached_changes=bool(full_load.get("StopTaskCachedChangesNotApplied")),
            target_schema=(settings.get("TargetMetadata") or {}).get("TargetSchema") or "",
            control_schema=control.get("ControlSchema") or "public",
            fail_on_no_tables=bool(behavior.get("FailOnNoTablesCaptured", True)),
            apply_truncate=bool(ddl.get("HandleSourceTableTruncated", True)),
            apply_alter=bool(ddl.get("HandleSourceTableAltered", True)),
            policies=ErrorPolicies.from_settings(behavior),
            status_table=bool(control.get("StatusTableEnabled")),
            suspended_tables_table=bool(control.get("SuspendedTablesTableEnabled")),
            history_table=bool(control.get("HistoryTableEnabled")),
            history_timeslot_min=int(control.get("HistoryTimeslotInMinutes") or 5),
            full_load_subtasks=int(full_load.get("MaxFullLoadSubTasks") or 8),
            lobs=LobSettings.from_message(settings),
            memory_mb=int(tuning.get("MemoryLimitTotal") or 1024),
        )


def _prep_mode(text: str) -> PrepMode:
    if text in get_args(PrepMode):
        return cast(PrepMode, text)
    raise ConfigError(
        f"FullLoadSettings.TargetTablePrepMode {text!r} is not one of"
        f" {', '.join(get_args(PrepMode))}"
    )
