"""The source as its administrator sees it: its service, and the account of a pipeline."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pymysql.connections import Connection

from dms_pipeline.aws.secrets import DatabaseCredentials
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.errors import SourceError
from dms_pipeline.resources.source import MySQLSource
from dms_pipeline.source_setup import RDS_CONFIGURATION, Account, Service, SourceState, Statement

_RDS_PROCEDURE = """
    SELECT 1 FROM information_schema.routines
     WHERE routine_schema = 'mysql' AND routine_name = 'rds_set_configuration'
"""
_RDS_FOLDER = """
    SHOW GLOBAL VARIABLES WHERE Variable_name = 'datadir' AND Value LIKE '/rdsdbdata/%'
"""
_GLOBAL = "SELECT privilege_type FROM information_schema.user_privileges WHERE grantee = %s"
# A grant on a schema names it by a pattern.
_SCHEMA = """
    SELECT 1 FROM information_schema.schema_privileges
     WHERE grantee = %s AND privilege_type = 'SELECT' AND %s LIKE table_schema
"""
_TABLE = """
    SELECT 1 FROM information_schema.table_privileges
     WHERE grantee = %s AND privilege_type = 'SELECT' AND table_schema = %s AND table_name = %s
"""


@dataclass(frozen=True, slots=True)
class SourceAdmin:
    """One server, seen as an administrator or as the pipeline's own account (``is_own``).

    Both methods raise `SourceError` when the server refuses or is unreachable.
    """

    source: MySQLSource
    is_own: bool = field(default=False)

    def state(
        self, own: DatabaseCredentials, tables: Iterable[TableId], *, host: str
    ) -> SourceState:
        """What the server and the pipeline's account are like.

        Args:
            own: the pipeline's account, as in its secret.
            tables: those of the pipeline.
            host: where the account comes from, as the server matches it.
        """
        server = self.source.server()
        with self.source.connect() as connection:
            account = _current(connection) if self.is_own else Account(own.username, host)
            exists = self.is_own or _exists(connection, account)
            privileges = frozenset(
                str(row[0]).upper() for row in _rows(connection, _GLOBAL, str(account))
            )
            readable = frozenset(
                table
                for table in (*tables, RDS_CONFIGURATION)
                if "SELECT" in privileges or _may_read(connection, account, table)
            )
            return SourceState(
                server=server,
                service=_service(connection),
                account=account,
                exists=exists,
                refusal=_refusal(own) if exists else "",
                privileges=privileges,
                readable=readable,
            )

    def execute(self, statement: Statement) -> None:
        with self.source.connect() as connection, connection.cursor() as cursor:
            cursor.execute(statement.sql, (*statement.values, *statement.secret))


def _current(connection: "Connection[Any]") -> Account:
    """The account that the server takes this connection for."""
    user, _, host = str(_rows(connection, "SELECT CURRENT_USER()")[0][0]).rpartition("@")
    return Account(user, host)


def _exists(connection: "Connection[Any]", account: Account) -> bool:
    sql = "SELECT 1 FROM mysql.user WHERE user = %s AND host = %s"
    return bool(_rows(connection, sql, account.user, account.host))


def _may_read(connection: "Connection[Any]", account: Account, table: TableId) -> bool:
    who = str(account)
    return bool(
        _rows(connection, _SCHEMA, who, table.schema)
        or _rows(connection, _TABLE, who, table.schema, table.table)
    )


def _service(connection: "Connection[Any]") -> Service:
    if _rows(connection, "SHOW GLOBAL VARIABLES LIKE 'aurora_version'"):
        return "Aurora"
    # Not every account may see the procedures, but every one sees the folder.
    is_rds = _rows(connection, _RDS_PROCEDURE) or _rows(connection, _RDS_FOLDER)
    return "RDS" if is_rds else ""


def _refusal(own: DatabaseCredentials) -> str:
    try:
        MySQLSource(own).settings.connect().close()
    except SourceError as error:
        return str(error)
    return ""


def _rows(connection: "Connection[Any]", sql: str, *values: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return list(cursor.fetchall())
