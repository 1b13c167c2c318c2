"""What PostgreSQL complained about, without the contents of the row it complained about."""

import re

import psycopg


def describe_target_error(error: psycopg.Error) -> str:
    """The primary message with the column, and a remedy where the cause is known."""
    message = error.diag.message_primary or str(error).strip()
    column = error.diag.column_name or _column_in_context(error.diag.context)
    where = f" in column {column}" if column else ""
    state = f" ({error.sqlstate})" if error.sqlstate else ""
    remedy = ""
    if isinstance(error, psycopg.errors.InvalidColumnReference):
        remedy = "; the target table needs the primary key of the source table"
    return f"the target refused{where}: {message}{state}{remedy}"


def _column_in_context(context: str | None) -> str | None:
    """COPY names the column only in its context: ``COPY t, line 3, column c: "value"``."""
    found = re.search(r"^COPY .*?, line \d+, column ([^:]+)", context or "")
    return found[1] if found else None
