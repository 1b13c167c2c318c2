"""How the binary log and the tables of one MySQL or MariaDB server are reached."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pymysql
from pymysql.connections import Connection

from dms_pipeline.errors import SourceError, SourceUnavailableError

_PASSWORD = "the user name or password of the endpoint is not the account's"
_LOCKED = "unlock the account with ALTER USER ... ACCOUNT UNLOCK"
_GRANT = (
    "the account needs REPLICATION CLIENT and REPLICATION SLAVE on *.*, and SELECT on the tables"
)
_EXPIRED = "give the account a new password"
_REFUSALS: Mapping[int, str] = {
    1044: _GRANT,
    1045: _PASSWORD,
    1049: "create the database, or correct the endpoint",
    1129: "unblock this host with FLUSH HOSTS",
    1130: "create the account for the host that it comes from",
    1142: _GRANT,
    1143: _GRANT,
    1227: _GRANT,
    1698: _PASSWORD,
    1820: _EXPIRED,
    1862: _EXPIRED,
    3118: _LOCKED,
    3159: "the server takes only encrypted connections",
    4151: _LOCKED,
}
"""The server answered, and will answer the same until somebody changes it: what to do."""
_TOO_MANY = "too many connections: raise max_connections, or the account's limit, or end others"
_BUSY: Mapping[int, str] = {
    1040: _TOO_MANY,
    1203: _TOO_MANY,
    1226: _TOO_MANY,
    1412: "the table was altered or truncated while it was being loaded: load again",
}
SERVER_GOES_AWAY = frozenset({
    1053, 1077, 1079, 1080, 1152, 1158, 1159, 1160, 1161, 1184, 1317, 1927, 2006, 2013, 3169, 4031,
})  # fmt: skip
"""It shuts down, or ends this connection: by KILL, after idleness, or unheard."""
# Disk, memory, threads, locks.
_NO_ROOM = frozenset({1021, 1037, 1038, 1041, 1114, 1135, 1205, 1213})
_CLIENT_S = frozenset({0, *range(2000, 3000)})
_WITHOUT_LIMITS = (
    "SET SESSION sql_select_limit = 18446744073709551615, sql_big_selects = 1"
    " /*!50708 , SESSION max_execution_time = 0 */ /*M!100101 , SESSION max_statement_time = 0 */"
)
"""A server's limits for whoever queries it would leave out rows, the first of them in silence."""
_PASSING = (pymysql.OperationalError, pymysql.InterfaceError, OSError)


class _SourceConnection(Connection):
    """Encrypted where the server can be, as PyMySQL does by itself.

    PyMySQL reads all certificates of the system for each connection, which takes longer than the
    rest of it, and then verifies nothing by them.
    """

    def _create_ssl_ctx(self, options: Any) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._create_ssl_ctx(  # type: ignore[misc]
            options or _unverified()
        )
        return context


@cache
def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """Address and account of a source server; ``engine`` is only the word used in messages."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    engine: str = "mysql"
    connect_timeout_s: float = 10.0

    def __str__(self) -> str:
        return f"source {self.engine} at {self.host}:{self.port} as user {self.user}"

    def connect(self, **options: Any) -> "Connection[Any]":
        """A new autocommitting connection; ``options`` go to pymysql."""
        arguments: Mapping[str, Any] = {
            "charset": "utf8mb4",
            "autocommit": True,
            "connect_timeout": self.connect_timeout_s,
            "init_command": _WITHOUT_LIMITS,
            **options,
        }
        try:
            return _SourceConnection(
                host=self.host,
                port=self.port,
                user=self.user,
                password=self.password,
                **arguments,
            )
        except (pymysql.MySQLError, OSError) as error:
            raise source_error(f"cannot connect to {self}", error) from error


def describe_error(error: Exception) -> str:
    """The server's own words with its number in front, as ``(1045) Access denied ...``."""
    if isinstance(error, pymysql.MySQLError) and len(error.args) >= 2:
        return f"({error.args[0]}) {error.args[1]}"
    return str(error) or type(error).__name__


def is_about_statement(error: Exception) -> bool:
    """Whether the server cannot do what was asked, though it is there, willing, and has room.

    0, and the numbers from 2000 to 2999, are the client's own:
    https://dev.mysql.com/doc/mysql-errors/8.4/en/error-reference-introduction.html
    """
    number = error.args[0] if isinstance(error, pymysql.MySQLError) and error.args else None
    passing = SERVER_GOES_AWAY | _NO_ROOM | _BUSY.keys() | _REFUSALS.keys()
    return isinstance(number, int) and number not in _CLIENT_S and number not in passing


def source_error(what: str, error: Exception) -> SourceError:
    """What a driver's error means, with a remedy where there is one: unavailable, or refused."""
    number = int(error.args[0]) if isinstance(error, pymysql.MySQLError) and error.args else 0
    remedy = _REFUSALS.get(number) or _BUSY.get(number)
    text = f"{what}: {describe_error(error)}" + (f"; {remedy}" if remedy else "")
    if isinstance(error, _PASSING) and number not in _REFUSALS:
        return SourceUnavailableError(text)
    return SourceError(text)
