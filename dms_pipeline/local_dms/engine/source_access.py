"""What the account of the source may not read: the server hides it instead of refusing.

information_schema shows an account nothing of a table on which it has no privilege, and of a table
of which it may read some columns only those. A load would leave them out without a word.
"""

import logging
from collections.abc import Iterable
from typing import Any

import pymysql
from pymysql.connections import Connection

from dms_pipeline.binlog.table_id import TableId, quoted, quoted_table
from dms_pipeline.errors import SourceError
from dms_pipeline.local_dms.engine.mapping_rules import MappingRules
from dms_pipeline.local_dms.engine.mapping_rules_wildcards import has_wildcard

logger = logging.getLogger(__name__)

# ER_DBACCESS_DENIED_ERROR, ER_TABLEACCESS_DENIED_ERROR, ER_COLUMNACCESS_DENIED_ERROR:
# https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
_DENIED = frozenset({1044, 1142, 1143})


def check_access(
    connection: "Connection[Any]", account: str, rules: MappingRules, selected: Iterable[TableId]
) -> None:
    """Warns of tables that a rule may mean and the account cannot see.

    Raises:
        SourceError: of a selected table the account may not read every column.
    """
    hiding = [name for name in rules.included_names() if _is_denied(connection, name)]
    for name in hiding:
        logger.warning(
            "%s may not read everything that a selection of %s can mean; the server does not show"
            " it such tables, and they are left out. If there are any: GRANT SELECT ON %s TO %s",
            account,
            name,
            _grant_level(name),
            account,
        )
    if not hiding:
        return
    for table in selected:
        if _is_denied(connection, table):
            raise SourceError(
                f"{account} may not read table {table}, or not every column of it, and the server"
                f" hides such columns; GRANT SELECT ON {quoted_table(table)} TO {account}, or leave"
                " the table out with an exclude rule"
            )


def _is_denied(connection: "Connection[Any]", name: TableId) -> bool:
    """Whether the account lacks SELECT on a table of that name, be there one or not.

    Privileges are looked at before the table is. A pattern, taken as a name, is denied unless the
    account may read every table of the schema.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {quoted_table(name)} LIMIT 0")
    except pymysql.MySQLError as error:
        # Any other error is no answer of the privileges; whoever reads the table meets it again.
        return error.args[0] in _DENIED
    return False


def _grant_level(name: TableId) -> str:
    if has_wildcard(name.schema):
        return "*.*"
    return f"{quoted(name.schema)}.*" if has_wildcard(name.table) else quoted_table(name)
