"""How the binary log and the tables of one MySQL or MariaDB server are reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pymysql
from pymysql.connections import Connection

from dms_pipeline.errors import SourceError


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
            **options,
        }
        try:
            return pymysql.connect(
                host=self.host,
                port=self.port,
                user=self.user,
                password=self.password,
                **arguments,
            )
        except (pymysql.MySQLError, OSError) as error:
            raise SourceError(f"cannot connect to {self}: {describe_error(error)}") from error


def describe_error(error: Exception) -> str:
    """The server's own words with its number in front, as ``(1045) Access denied ...``."""
    if isinstance(error, pymysql.MySQLError) and len(error.args) >= 2:
        return f"({error.args[0]}) {error.args[1]}"
    return str(error) or type(error).__name__
