"""Typed view on the task settings that the engine obeys; everything else is AWS's business."""

from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from dms_pipeline.errors import ConfigError

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

    @classmethod
    def from_message(cls, settings: dict[str, Any]) -> "TaskSettings":
        full_load = settings.get("FullLoadSettings") or {}
        prep_mode = full_load.get("TargetTablePrepMode") or "DROP_AND_CREATE"
        ddl = settings.get("ChangeProcessingDdlHandlingPolicy") or {}
        return cls(
            prep_mode=_prep_mode(prep_mode),
            stop_after_cached_changes=bool(full_load.get("StopTaskCachedChangesApplied")),
            stop_before_cached_changes=bool(full_load.get("StopTaskCachedChangesNotApplied")),
            target_schema=(settings.get("TargetMetadata") or {}).get("TargetSchema") or "",
            control_schema=(settings.get("ControlTablesSettings") or {}).get("ControlSchema")
            or "public",
            fail_on_no_tables=bool(
                (settings.get("ErrorBehavior") or {}).get("FailOnNoTablesCaptured", True)
            ),
            apply_truncate=bool(ddl.get("HandleSourceTableTruncated", True)),
        )


def _prep_mode(text: str) -> PrepMode:
    if text in get_args(PrepMode):
        return cast(PrepMode, text)
    raise ConfigError(
        f"FullLoadSettings.TargetTablePrepMode {text!r} is not one of"
        f" {', '.join(get_args(PrepMode))}"
    )
