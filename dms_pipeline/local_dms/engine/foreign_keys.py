"""Foreign keys by which the source itself changes rows. Such changes may be missing from its log.

InnoDB makes them below the log. MySQL since 9.6 makes and logs them itself, unless it is told to
leave them to InnoDB: https://dev.mysql.com/doc/refman/9.7/en/create-table-foreign-keys.html
"""

import logging
import re
from collections.abc import Iterable
from typing import Any

import pymysql
from pymysql.connections import Connection

from dms_pipeline.binlog.connection import is_about_statement
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.source_names import quoted_table

logger = logging.getLogger(__name__)

_RULE = re.compile(r"ON (?:DELETE|UPDATE) (?:CASCADE|SET NULL)")
_LOGGED = "SELECT @@innodb_native_foreign_keys = 0"


def warn_of_unlogged_changes(connection: "Connection[Any]", tables: Iterable[TableId]) -> None:
    """Name every table that may come to differ from the source."""
    if _logs_them(connection):
        return
    for table in tables:
        if rules := sorted(set(_RULE.findall(_definition(connection, table)))):
            logger.warning(
                "table %s: what the source changes by its foreign key (%s) is not in the log, and"
                " is not replicated",
                table,
                ", ".join(rules),
            )


def _definition(connection: "Connection[Any]", table: TableId) -> str:
    """Its statement; information_schema hides foreign keys from an account that may only SELECT."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SHOW CREATE TABLE {quoted_table(table)}")
            _, text = cursor.fetchone() or ("", "")
    except pymysql.MySQLError as error:
        if is_about_statement(error):
            # Whoever reads the table meets it again.
            return ""
        raise
    return str(text)


def _logs_them(connection: "Connection[Any]") -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute(_LOGGED)
            return bool(cursor.fetchone() == (1,))
    except pymysql.MySQLError as error:
        if is_about_statement(error):
            # The server does not know the variable.
            return False
        raise
