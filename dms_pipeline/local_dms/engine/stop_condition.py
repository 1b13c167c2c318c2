"""When change capture ends: CdcStopPosition, the end of cached changes, or a request."""

from dataclasses import dataclass
from datetime import UTC, datetime

from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.errors import ConfigError


@dataclass(frozen=True, slots=True)
class StopCondition:
    """Whichever comes first; with none set, only a request ends the task."""

    server_time: float | None = None
    commit_time: float | None = None
    cached_changes_end: BinlogPosition | None = None

    @classmethod
    def from_text(cls, text: str | None) -> "StopCondition":
        """``server_time:2026-01-31T12:00:00`` or ``commit_time:...``, both in UTC."""
        if not text:
            return cls()
        kind, _, value = text.partition(":")
        try:
            moment = parse_utc(value)
        except ValueError:
            raise ConfigError(
                f"CdcStopPosition {text!r} is malformed: needed is"
                " server_time:YYYY-MM-DDTHH:MM:SS or commit_time:YYYY-MM-DDTHH:MM:SS, in UTC"
            ) from None
        if kind == "server_time":
            return cls(server_time=moment)
        if kind == "commit_time":
            return cls(commit_time=moment)
        raise ConfigError(f"CdcStopPosition {text!r} is neither a server_time nor a commit_time")


def parse_utc(text: str) -> float:
    """Seconds since the epoch of an ISO time without zone, read as UTC."""
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()
