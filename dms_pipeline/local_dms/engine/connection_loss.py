"""Which errors are a connection that was lost, and so may be gone when it is tried again."""

import re

import psycopg
import pymysql

from dms_pipeline.errors import BinlogError, SourceError, TargetError

_REFUSALS = frozenset({1044, 1045, 1049, 1130, 1142, 1227, 1698, 3118, 3159})
"""The server answered, and does not let the account in."""
_SERVER_GOES_AWAY = re.compile(r"\((1053|1077|1079|1152|1184|1317|1927|2006|2013|3169)\)")


def is_connection_loss(error: BaseException) -> bool:
    """Only for errors of a task that has been running."""
    if isinstance(error, BinlogError):
        return _SERVER_GOES_AWAY.search(str(error)) is not None
    cause = error.__cause__
    if isinstance(error, SourceError):
        refused = isinstance(cause, pymysql.MySQLError) and cause.args[:1] != ()
        return not (refused and cause is not None and cause.args[0] in _REFUSALS)
    if isinstance(error, TargetError):
        # Without a cause the connection could not even be made.
        return cause is None or _is_target_loss(cause)
    return _is_target_loss(error)


def _is_target_loss(error: BaseException) -> bool:
    if not isinstance(error, psycopg.OperationalError):
        return False
    state = error.sqlstate
    return state is None or state.startswith(("08", "57P"))
