"""What a task is asked to do: the specification that the control plane sends, parsed once."""

from dataclasses import dataclass, field
from typing import Any, Literal

from dms_pipeline.binlog.connection import ConnectionSettings
from dms_pipeline.errors import ConfigError

MigrationType = Literal["full-load", "cdc", "full-load-and-cdc"]
StopReason = Literal[
    "NORMAL",
    "STOPPED_AT_SERVER_TIME",
    "STOPPED_AT_COMMIT_TIME",
    "FULL_LOAD_ONLY_FINISHED",
    "STOPPED_AFTER_CACHED_EVENTS",
    "STOPPED_AFTER_FULL_LOAD",
]
FailureReason = Literal["FATAL_ERROR", "RECOVERABLE_ERROR"]


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """Address and account of the target PostgreSQL database."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    dbname: str

    def __str__(self) -> str:
        return f"target postgres at {self.host}:{self.port}/{self.dbname} as user {self.user}"


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """What the control plane asks of one run of a task."""

    task_id: str
    task_name: str
    migration_type: MigrationType
    source: ConnectionSettings
    target: TargetSettings
    table_mappings: dict[str, Any]
    task_settings: dict[str, Any]
    start_position: str | None = None
    start_time: float | None = None
    resume: bool = False
    stop_position: str | None = None
    counters: tuple[dict[str, Any], ...] = ()
    skips_partition_ddl: bool = False

    @property
    def server_name(self) -> str:
        """The source as the control tables on the target name it."""
        return f"{self.source.host}:{self.source.port}"

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> "TaskSpec":
        """Parse the first line the control plane sends."""
        try:
            return cls._parse(message)
        except (KeyError, TypeError, ValueError) as error:
            # The message holds passwords: only the name of what is wrong may be shown.
            raise ConfigError(f"task specification is incomplete or malformed: {error!r}") from None

    @classmethod
    def _parse(cls, message: dict[str, Any]) -> "TaskSpec":
        migration_type = message["migration_type"]
        if migration_type not in ("full-load", "cdc", "full-load-and-cdc"):
            raise ValueError("migration_type")
        start = message.get("start") or {}
        return cls(
            task_id=message["task_id"],
            task_name=message.get("task_name") or message["task_id"],
            migration_type=migration_type,
            source=source_settings(message["source"]),
            target=target_settings(message["target"]),
            table_mappings=message["table_mappings"],
            task_settings=message.get("task_settings") or {},
            start_position=start.get("position") or None,
            start_time=start.get("time"),
            resume=bool(message.get("resume")),
            stop_position=message.get("stop_position") or None,
            counters=tuple(message.get("counters") or ()),
            skips_partition_ddl=bool(message["source"].get("skip_partition_ddl")),
        )


def source_settings(message: dict[str, Any]) -> ConnectionSettings:
    return ConnectionSettings(
        host=message["host"],
        port=int(message["port"]),
        user=message["user"],
        password=message["password"],
        engine=message.get("engine") or "mysql",
    )


def target_settings(message: dict[str, Any]) -> TargetSettings:
    return TargetSettings(
        host=message["host"],
        port=int(message["port"]),
        user=message["user"],
        password=message["password"],
        dbname=message["dbname"],
    )
