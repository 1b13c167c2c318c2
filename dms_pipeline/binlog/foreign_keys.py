"""Foreign keys by which the source itself changes rows. Such changes may be missing from its log.

InnoDB makes them below the log. MySQL since 9.6 makes and logs them itself, unless it is told to
leave them to InnoDB: https://dev.mysql.com/doc/refman/9.7/en/create-table-foreign-keys.html
"""

import re
from collections.abc import Iterable
from typing import Any

import pymysql
from pymysql.connections import Connection

from dms_pipeline.binlog.connection import is_about_statement
from dms_pipeline.binlog.table_id import TableId, quoted_table

_RULE = re.compile(rb"ON (?:DELETE|UPDATE) (?:CASCADE|SET NULL)")
_LOGGED = "SELECT @@innodb_native_foreign_keys = 0"


def unlogged_rules(
    connection: "Connection[Any]", tables: Iterable[TableId]
) -> dict[TableId, list[str]]:
    """By table the rules of its foreign keys whose effect on it is not in the log.

    Tables without such rules are left out, and so are those that the source does not have or
    cannot read.
    """
    if _answer(connection, _LOGGED) == (1,):
        return {}
    found = {}
    for table in tables:
        # information_schema hides foreign keys from an account that may only SELECT.
        answer = _answer(connection, f"SHOW CREATE TABLE {quoted_table(table)}")
        if answer and (rules := sorted(set(_RULE.findall(answer[1])))):
            found[table] = [rule.decode() for rule in rules]
    return found


def _answer(connection: "Connection[Any]", statement: str) -> tuple[Any, ...] | None:
    """The first row, texts as bytes: a default may be bytes that are no text.

    None if the server does not know what it is asked about.
    """
    use_unicode, connection.use_unicode = connection.use_unicode, False
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            row: tuple[Any, ...] | None = cursor.fetchone()
            return row
    except pymysql.MySQLError as error:
        if is_about_statement(error):
            return None
        raise
    finally:
        connection.use_unicode = use_unicode
