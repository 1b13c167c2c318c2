"""The engine's frozen values: what a task is asked to do and the tables it works on."""

from dataclasses import dataclass, field
from typing import Any, Literal

from dms_pipeline.binlog.connection import ConnectionSettings
from dms_pipeline.binlog.table_id import TableId
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
class Column:
    """One column of a source table as information_schema describes it."""

    name: str
    data_type: str
    column_type: str
    charset: str | None = None
    char_length: int | None = None
    octet_length: int | None = None
    precision: int | None = None
    scale: int | None = None
    fraction_digits: int = 0
    collation: str | None = None
    is_nullable: bool = True
    is_falsely_logged: bool = False
    """Whether the source's log may hold other values than the table."""
    computed_from: tuple[str, ...] = ()
    """The columns that the expression of a generated column names, in lower case."""
    uses_defaults: bool = False
    """Whether that expression asks for the default of a column."""
    varies_by: str = ""
    """What of the session that reads it the value of a virtual column depends on, for people."""

    @property
    def is_unsigned(self) -> bool:
        return "unsigned" in self.column_type or "zerofill" in self.column_type


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A base table of the source; ``primary_key`` holds column names in key order.

    ``hidden_columns`` is how many columns the rows in the log may have behind those that can be
    seen. ``charset`` is the default for columns of text, if it is known. ``why_refused``: why
    tables of its kind are not replicated.
    """

    table_id: TableId
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...]
    estimated_rows: int = field(default=0, compare=False)
    hidden_columns: int = 0
    charset: str | None = None
    why_refused: str = ""


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
