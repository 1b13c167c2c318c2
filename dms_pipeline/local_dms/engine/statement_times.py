"""The moments that a statement names, as its session's time zone had them.

Only the source knows its own time zone and the rules of the named ones, so the source converts.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pymysql
from pymysql.connections import Connection

from dms_pipeline.binlog.events import QueryEvent

logger = logging.getLogger(__name__)

_UNKNOWN_TIME_ZONE = 1298
_WHOLE_SECONDS = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class StatementTimes:
    """Datetimes without a time zone.

    Attributes:
        utc: when the statement ran, to the second.
        local: the same in the session's time zone; None where that is not known.
        microsecond: of both; None where the log does not tell.
        in_utc: what local times in whole seconds, such as those of literals, are in UTC.
    """

    utc: datetime
    local: datetime | None = None
    microsecond: int | None = None
    in_utc: Mapping[datetime, datetime] = field(default_factory=dict)


def utc_time(timestamp: int) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC).replace(tzinfo=None)


def read_times(
    source: "Connection[Any]", event: QueryEvent, literals: Iterable[datetime]
) -> StatementTimes:
    """The time of a statement and of the literals in it, which are in whole seconds."""
    utc, session = utc_time(event.timestamp), event.session
    if session.time_zone is None:
        return StatementTimes(utc, microsecond=session.microsecond)
    with source.cursor() as cursor:
        try:
            cursor.execute("SET time_zone = %s", (session.time_zone,))
        except pymysql.MySQLError as error:
            if error.args[0] != _UNKNOWN_TIME_ZONE:
                raise
            logger.warning("the source does not know time zone %s any more", session.time_zone)
            return StatementTimes(utc, microsecond=session.microsecond)
        cursor.execute("SELECT CAST(FROM_UNIXTIME(%s) AS CHAR)", (event.timestamp,))
        [(local,)] = cursor.fetchall()
        in_utc = {}
        for literal in literals:
            cursor.execute("SELECT UNIX_TIMESTAMP(%s)", (f"{literal:{_WHOLE_SECONDS}}",))
            [(seconds,)] = cursor.fetchall()
            # The server answers 0 for what no TIMESTAMP can hold.
            if seconds:
                in_utc[literal] = utc_time(int(seconds))
    return StatementTimes(
        utc, datetime.strptime(local, _WHOLE_SECONDS), session.microsecond, in_utc
    )
