"""Where the tests find a real MySQL, beside the MariaDB that most machines have."""

import os
import shutil
from pathlib import Path

from dms_pipeline.local_dms.servers.mysql_program import MySQLProgram

NO_MYSQL = "no MySQL server here; get one with .ci/fetch-mysql"


def find_mysql_program() -> MySQLProgram | None:
    """The server of .ci/fetch-mysql, else one that is installed."""
    prefix = _fetched_folder()
    if (prefix / "usr" / "sbin" / "mysqld").exists():
        return MySQLProgram.unpacked(prefix)
    installed = shutil.which("mysqld", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if installed is None:
        return None
    program = MySQLProgram(Path(installed))
    return None if program.is_mariadb else program


def _fetched_folder() -> Path:
    if named := os.environ.get("DMS_PIPELINE_MYSQL"):
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "dms_pipeline" / "mysql"
