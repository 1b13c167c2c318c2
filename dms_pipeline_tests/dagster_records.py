"""Databases for Dagster's records on a private PostgreSQL server, and how to reach them."""

from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql


def new_database(dsn: str, name: str) -> dict[str, str]:
    """Creates an empty database; the variables by which the production dagster.yaml finds it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    parts = urlsplit(dsn)
    return {
        "DAGSTER_PG_HOST": parts.hostname or "",
        "DAGSTER_PG_PORT": str(parts.port),
        "DAGSTER_PG_DATABASE": name,
        "DAGSTER_PG_USERNAME": unquote(parts.username or ""),
        "DAGSTER_PG_PASSWORD": unquote(parts.password or ""),
    }
