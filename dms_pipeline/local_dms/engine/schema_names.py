"""What DescribeSchemas shows: the schemas of an endpoint's database that its account can see."""

from typing import Any, Literal

import psycopg
import pymysql

from dms_pipeline.errors import SourceError, TargetError
from dms_pipeline.local_dms.engine.source_schema import SYSTEM_SCHEMAS
from dms_pipeline.local_dms.engine.target_tables import connect_target
from dms_pipeline.local_dms.engine.task_spec import source_settings, target_settings

_TIMEOUT_S = 5
_ON_SOURCE = "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN %s"
_ON_TARGET = r"""
    SELECT nspname FROM pg_namespace
    WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'
      AND has_schema_privilege(oid, 'USAGE')
"""


def schema_names(endpoint_kind: Literal["source", "target"], settings: dict[str, Any]) -> list[str]:
    """The names without those of the server's own schemas, in order.

    Raises a DmsPipelineError that says why the server does not tell, or a ValueError or KeyError
    for settings that are incomplete.

    Args:
        endpoint_kind: a source is MySQL or MariaDB, a target PostgreSQL.
        settings: as ``source`` or ``target`` of a task specification.
    """
    return sorted(_on_source(settings) if endpoint_kind == "source" else _on_target(settings))


def _on_source(settings: dict[str, Any]) -> list[str]:
    connection = source_settings(settings).connect(
        connect_timeout=_TIMEOUT_S, read_timeout=_TIMEOUT_S
    )
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(_ON_SOURCE, (SYSTEM_SCHEMAS,))
            return [name for (name,) in cursor.fetchall()]
    except pymysql.Error as error:
        raise SourceError(f"the source does not list its schemas: {error}") from None


def _on_target(settings: dict[str, Any]) -> list[str]:
    try:
        with connect_target(target_settings(settings), timeout_s=_TIMEOUT_S) as connection:
            return [name for (name,) in connection.execute(_ON_TARGET).fetchall()]
    except psycopg.Error as error:
        raise TargetError(f"the target does not list its schemas: {error}") from None
