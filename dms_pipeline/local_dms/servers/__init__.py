"""Private database servers for local use: MySQL/MariaDB as the source, PostgreSQL as the target.

They listen on 127.0.0.1 only, keep everything in one folder of this user, survive the command that
started them, and recover after `kill -9`.
"""

from dms_pipeline.local_dms.servers.lifecycle import PrivateServer
from dms_pipeline.local_dms.servers.mysql import MySQLServer
from dms_pipeline.local_dms.servers.postgres import PostgresServer

__all__ = ["MySQLServer", "PostgresServer", "PrivateServer"]
