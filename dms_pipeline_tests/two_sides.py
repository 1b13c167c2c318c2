"""Both databases as orchestration sees them, and a source that is being written."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from dms_pipeline.aws.secrets import DatabaseCredentials
from dms_pipeline.resources.source import MySQLSource


def credentials(dsn: str) -> DatabaseCredentials:
    parts = urlsplit(dsn)
    return DatabaseCredentials(
        parts.hostname or "",
        parts.port or 0,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        parts.path.lstrip("/"),
    )


@contextmanager
def writing(source: MySQLSource, *statements: str) -> Iterator[None]:
    """One transaction after the other with these statements, at full speed."""
    stop = threading.Event()

    def write() -> None:
        with source.connect() as connection, connection.cursor() as cursor:
            while not stop.is_set():
                for statement in statements:
                    cursor.execute(statement)
                connection.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()
