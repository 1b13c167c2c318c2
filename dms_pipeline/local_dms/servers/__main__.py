"""Run as a module: makes sure that the programs which the servers need are here."""

import sys

from dms_pipeline.errors import StackError
from dms_pipeline.local_dms.servers.install import ensure_mysqld, find_postgres_binaries


def main() -> int:
    """Exit status 0 when both servers can be started, 1 with a message when not."""
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
    sys.exit(main())
