"""What happens to a row or table that fails, as the task's ErrorBehavior says.

An action that AWS does not document for an error is refused when the task starts.
"""

from dataclasses import dataclass
from typing import Any, Literal, cast

from dms_pipeline.binlog.events import RowKind
from dms_pipeline.errors import ConfigError

RowAction = Literal[
    "IGNORE_RECORD", "LOG_ERROR", "SUSPEND_TABLE", "STOP_TASK", "INSERT_RECORD", "UPDATE_RECORD"
]
TableAction = Literal["SUSPEND_TABLE", "STOP_TASK"]
EscalationAction = Literal["LOG_ERROR", "SUSPEND_TABLE", "STOP_TASK"]

_RECORD = ("IGNORE_RECORD", "LOG_ERROR", "SUSPEND_TABLE", "STOP_TASK")
_TABLE = ("SUSPEND_TABLE", "STOP_TASK")
_ALLOWED: dict[str, tuple[str, ...]] = {
    "DataErrorPolicy": _RECORD,
    "DataTruncationErrorPolicy": _RECORD,
    "DataErrorEscalationPolicy": _TABLE,
    "TableErrorPolicy": _TABLE,
    "TableErrorEscalationPolicy": ("STOP_TASK",),
    "ApplyErrorInsertPolicy": (*_RECORD, "INSERT_RECORD"),
    "ApplyErrorUpdatePolicy": (*_RECORD, "UPDATE_RECORD"),
    "ApplyErrorDeletePolicy": _RECORD,
    "ApplyErrorEscalationPolicy": ("LOG_ERROR", *_TABLE),
}
_DEFAULTS = {
    "DataErrorPolicy": "LOG_ERROR",
    "DataTruncationErrorPolicy": "LOG_ERROR",
    "DataErrorEscalationPolicy": "SUSPEND_TABLE",
    "TableErrorPolicy": "SUSPEND_TABLE",
    "TableErrorEscalationPolicy": "STOP_TASK",
    "ApplyErrorInsertPolicy": "LOG_ERROR",
    "ApplyErrorUpdatePolicy": "LOG_ERROR",
    "ApplyErrorDeletePolicy": "IGNORE_RECORD",
    "ApplyErrorEscalationPolicy": "LOG_ERROR",
}


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how long a lost connection is tried again; a count of -1 is AWS's choice."""

    count: int = -1
    interval_s: float = 5.0
    throttling: bool = True
    throttling_max_s: float = 1800.0

    @property
    def attempts(self) -> int:
        """A running task is tried nine times unless the settings say otherwise."""
        return 9 if self.count < 0 else self.count

    def delay_s(self, attempt: int) -> float:
        """How long to wait before the ``attempt``-th repetition, counted from 1."""
        if not self.throttling:
            return self.interval_s
        longest = max(self.throttling_max_s, self.interval_s)
        return float(min(self.interval_s * 2 ** (attempt - 1), longest))


class RecoveryAttempts:
    """Attempts to go on after a loss; whoever gets further in between has all of them again."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._lost_at: str | None = None
        self.most = retries.attempts
        self.count = 0
        """The number of the attempt since the last progress; 0 before the first loss."""

    def lost_at(self, checkpoint: str | None) -> float | None:
        """How many seconds to wait before the next attempt; None when all were used up."""
        if checkpoint != self._lost_at:
            self.count, self._lost_at = 0, checkpoint
        if self.count >= self.most:
            return None
        self.count += 1
        return self._retries.delay_s(self.count)


@dataclass(frozen=True, slots=True)
class ErrorPolicies:
    """The settings by their AWS names; a count of 0 means that errors never escalate."""

    data: RowAction
    truncation: RowAction
    data_escalation: TableAction
    data_escalation_count: int
    table: TableAction
    table_escalation_count: int
    insert: RowAction
    update: RowAction
    delete: RowAction
    apply_escalation: EscalationAction
    apply_escalation_count: int
    fail_on_truncation_ddl: bool
    retries: Retries

    @classmethod
    def from_settings(cls, behavior: dict[str, Any]) -> "ErrorPolicies":
        actions = {name: _action(behavior, name) for name in _ALLOWED}

        def count(name: str) -> int:
            return int(behavior.get(name) or 0)

        return cls(
            data=cast(RowAction, actions["DataErrorPolicy"]),
            truncation=cast(RowAction, actions["DataTruncationErrorPolicy"]),
            data_escalation=cast(TableAction, actions["DataErrorEscalationPolicy"]),
            data_escalation_count=count("DataErrorEscalationCount"),
            table=cast(TableAction, actions["TableErrorPolicy"]),
            table_escalation_count=count("TableErrorEscalationCount"),
            insert=cast(RowAction, actions["ApplyErrorInsertPolicy"]),
            update=cast(RowAction, actions["ApplyErrorUpdatePolicy"]),
            delete=cast(RowAction, actions["ApplyErrorDeletePolicy"]),
            apply_escalation=cast(EscalationAction, actions["ApplyErrorEscalationPolicy"]),
            apply_escalation_count=count("ApplyErrorEscalationCount"),
            fail_on_truncation_ddl=bool(behavior.get("ApplyErrorFailOnTruncationDdl")),
            retries=_retries(behavior),
        )

    def on_apply_error(self, kind: RowKind) -> RowAction:
        return {"insert": self.insert, "update": self.update, "delete": self.delete}[kind]


def _action(behavior: dict[str, Any], name: str) -> str:
    action = str(behavior.get(name) or _DEFAULTS[name])
    if action not in _ALLOWED[name]:
        raise ConfigError(
            f"ErrorBehavior.{name} {action!r} is not one of {', '.join(_ALLOWED[name])}"
        )
    return action


def _retries(behavior: dict[str, Any]) -> Retries:
    def number(name: str, default: float) -> float:
        value = behavior.get(name)
        return default if value is None else float(value)

    return Retries(
        count=int(number("RecoverableErrorCount", -1)),
        interval_s=number("RecoverableErrorInterval", 5),
        throttling=bool(behavior.get("RecoverableErrorThrottling", True)),
        throttling_max_s=number("RecoverableErrorThrottlingMax", 1800),
    )
