"""Private database servers for local use: MySQL/MariaDB as the source, PostgreSQL as the target.

They listen on 127.0.0.1 only, keep everything in one folder of this user, survive the command that
started them, and recover after `kill -9`. Run as a module, `ensure` makes sure that the programs
they need are on this machine.
"""

import sys

from dms_pipeline.errors import StackError
from dms_pipeline.local_dms.servers_install import ensure_mysqld, find_postgres_binaries
from dms_pipeline.local_dms.servers_lifecycle import PrivateServer
from dms_pipeline.local_dms.servers_mysql import MySQLServer
from dms_pipeline.local_dms.servers_postgres import PostgresServer

__all__ = ["MySQLServer", "PostgresServer", "PrivateServer", "main"]


def main(arguments: list[str]) -> int:
    """`ensure`: exit 0 when the programs of both servers are there, 1 with a message when not."""
    if arguments != ["ensure"]:
        sys.stderr.write("usage: python -m dms_pipeline.local_dms.servers ensure\n")
        return 2
    try:
        ensure_mysqld(_show)
        find_postgres_binaries()
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
