"""Where change capture begins: a checkpoint, a native position, or a time."""

import logging
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from dms_pipeline.binlog.connection import ConnectionSettings
from dms_pipeline.binlog.events import FormatEvent
from dms_pipeline.binlog.position import BinlogPosition, parse_checkpoint
from dms_pipeline.binlog.snapshot import binary_logs, current_position
from dms_pipeline.binlog.stream import BinlogStream
from dms_pipeline.errors import BinlogError
from dms_pipeline.local_dms.engine.stop_condition import parse_utc

logger = logging.getLogger(__name__)

_FILE_HEADER_END = 4
_FIRST_EVENT_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class CaptureStart:
    """Read from ``position``; transactions committed before ``not_before`` are passed over."""

    position: BinlogPosition
    not_before: float = 0.0


def resolve_start(
    settings: ConnectionSettings,
    connection: "Connection[Any]",
    position: str | None,
    *,
    time: float | None,
) -> CaptureStart:
    """With neither a position nor a time, capture begins with the next change.

    Raises:
        BinlogError: the position is malformed, or its file is no longer on the source.
    """
    if position is not None:
        moment = _as_time(position)
        if moment is None:
            return CaptureStart(_checked(connection, parse_checkpoint(position)))
        time = moment
    if time is None:
        return CaptureStart(current_position(connection))
    return CaptureStart(_file_begun_before(settings, connection, time), not_before=time)


def _as_time(text: str) -> float | None:
    try:
        return parse_utc(text)
    except ValueError:
        return None


def _checked(connection: "Connection[Any]", position: BinlogPosition) -> BinlogPosition:
    logs = binary_logs(connection)
    if logs and position.base_is_abbreviated:
        position = position.with_base_of(logs[-1][0])
    size = dict(logs).get(position.file)
    if size is None:
        have = f"it has {logs[0][0]} to {logs[-1][0]}" if logs else "it has none"
        raise BinlogError(
            f"binary log file {position.file} is no longer on the source ({have}): changes since"
            " the checkpoint are lost there, a full load is needed"
        )
    if position.offset > size:
        raise BinlogError(
            f"position {position} lies behind the end of that file ({size} bytes):"
            " the position belongs to another server or the server was restored; a full load is"
            " needed"
        )
    return position


def _file_begun_before(
    settings: ConnectionSettings, connection: "Connection[Any]", time: float
) -> BinlogPosition:
    for file, _ in reversed(binary_logs(connection)):
        position = BinlogPosition(file, _FILE_HEADER_END)
        if _begun_at(settings, position) <= time:
            return position
    raise BinlogError(
        "the oldest binary log on the source was begun after the start time: earlier changes are"
        " lost there, a full load is needed"
    )


def _begun_at(settings: ConnectionSettings, position: BinlogPosition) -> float:
    with BinlogStream(settings, start=position) as stream:
        while (event := stream.poll(_FIRST_EVENT_TIMEOUT_S)) is not None:
            if isinstance(event, FormatEvent):
                return event.timestamp
    raise BinlogError(f"binary log file {position.file} does not begin with a format event")
