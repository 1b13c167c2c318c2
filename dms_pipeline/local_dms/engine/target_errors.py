"""What PostgreSQL complained about, without the contents of the row it complained about."""

import re
from typing import Any

import psycopg

from dms_pipeline.errors import TargetError, TargetUnavailableError
from dms_pipeline.local_dms.engine.task_spec import TargetSettings

Target = psycopg.Connection[Any] | TargetSettings

_TOO_MANY = "raise max_connections or the account's CONNECTION LIMIT on the target, or end others"
_REMEDIES = {
    "25006": (
        "the target takes no changes: it is a standby, or default_transaction_read_only is on for"
        " the server, the database or the account"
    ),
    "42P10": "the target table needs the primary key of the source table",
    "53100": "make space on the target's disk, then start the task again",
    "53300": _TOO_MANY,
}
_PRIVILEGES = {
    "table": "SELECT, INSERT, UPDATE, DELETE, TRUNCATE",
    "schema": "USAGE, CREATE",
    "database": "CREATE, TEMPORARY",
}
_PASSING_CLASSES = ("08", "40", "57P")
_PASSING = frozenset({"53300", "55P03"})
"""Others are in the way: too many connections, a lock."""
_CONNECTION_REFUSALS = {
    "password authentication failed": "the user name or password of the endpoint is not the role's",
    "no pg_hba.conf entry": "let the account in with an entry in pg_hba.conf",
    "is not permitted to log in": "ALTER ROLE ... LOGIN lets it in",
    "permission denied for database": "GRANT CONNECT ON DATABASE lets it in",
    "does not exist": "create it, or correct the endpoint",
}
"""libpq tells no SQLSTATE of a connection that was refused, only the server's words."""
_CONNECTION_LIMITS = ("too many clients", "too many connections", "remaining connection slots")


def describe_target_error(error: psycopg.Error, target: Target | None = None) -> str:
    """The primary message with the column, and a remedy where the cause is known.

    Args:
        error: what the server answered.
        target: where it was said, which tells whose privilege is missing.
    """
    message = error.diag.message_primary or str(error).strip()
    column = error.diag.column_name or _column_in_context(error.diag.context)
    where = f" in column {column}" if column else ""
    state = f" ({error.sqlstate})" if error.sqlstate else ""
    remedy = _REMEDIES.get(error.sqlstate or "", "")
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        remedy = _grant(message, _account(target))
    return f"the target refused{where}: {message}{state}" + (f"; {remedy}" if remedy else "")


def target_error(what: str, error: psycopg.Error, target: Target) -> TargetError:
    """What an error means for the task: may it pass when the same is tried again?"""
    text = f"{what}: {describe_target_error(error, target)}"
    return TargetUnavailableError(text) if _is_passing(error) else TargetError(text)


def connection_error(settings: TargetSettings, error: psycopg.Error) -> TargetError:
    """A connection that could not be made."""
    text = str(error).strip()
    for words, remedy in _CONNECTION_REFUSALS.items():
        if words in text:
            return TargetError(f"cannot connect to {settings}: {text}; {remedy}")
    if any(words in text for words in _CONNECTION_LIMITS):
        text = f"{text}; {_TOO_MANY}"
    return TargetUnavailableError(f"cannot connect to {settings}: {text}")


def _account(target: Target | None) -> str:
    if isinstance(target, TargetSettings):
        return target.user
    return "the account" if target is None or target.closed else target.info.user


def _grant(message: str, account: str) -> str:
    """What makes good ``permission denied for table t`` and ``must be owner of table t``."""
    denied = re.match(r"permission denied for (\w+) (.+)", message)
    if denied and denied[1] in _PRIVILEGES:
        return f"GRANT {_PRIVILEGES[denied[1]]} ON {denied[1].upper()} {denied[2]} TO {account}"
    owned = re.match(r"must be owner of (\w+) (.+)", message)
    if owned:
        change = f"ALTER {owned[1].upper()} {owned[2]} OWNER TO {account}"
        return f"only its owner may drop or change it: {change}"
    return f"{account} lacks a privilege"


def _is_passing(error: psycopg.Error) -> bool:
    state = error.sqlstate
    if state is None:
        # Not the server's word: the connection broke.
        return isinstance(error, psycopg.OperationalError)
    return state.startswith(_PASSING_CLASSES) or state in _PASSING


def _column_in_context(context: str | None) -> str | None:
    """COPY names the column only in its context: ``COPY t, line 3, column c: "value"``."""
    found = re.search(r"^COPY .*?, line \d+, column ([^:]+)", context or "")
    return found[1] if found else None
