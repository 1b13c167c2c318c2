"""The objects of the local DMS in one SQLite file, private to the user.

A write returns only when it is on disk (WAL with synchronous=FULL): an answer that went out
survives kill -9.
"""

import dataclasses
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dms_pipeline.local_dms.control_plane.events import Event
from dms_pipeline.local_dms.control_plane.lifecycle import Life, Phase
from dms_pipeline.local_dms.control_plane.resources import (
    AssessmentRun,
    Connection,
    Endpoint,
    EventSubscription,
    ReplicationConfig,
    ReplicationInstance,
    ReplicationTask,
    Resource,
    SchemaRefresh,
    SubnetGroup,
)

RESOURCE_TYPES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        ReplicationInstance,
        SubnetGroup,
        Endpoint,
        Connection,
        ReplicationTask,
        EventSubscription,
        SchemaRefresh,
        AssessmentRun,
        ReplicationConfig,
    )
}


def open_database(path: Path) -> sqlite3.Connection:
    """Open or create a database file that only its owner can read."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # SQLite gives its -wal and -shm files the mode of the database file.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    return database


class ResourceStore:
    """Objects by type and key, and the events; each call is one committed transaction."""

    def __init__(self, path: Path) -> None:
        """Open the file and create its tables when it is new."""
        self._lock = threading.Lock()
        self._database = open_database(path)
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS resources "
            "(kind TEXT, key TEXT, document TEXT NOT NULL, PRIMARY KEY (kind, key))"
        )
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY, document TEXT NOT NULL)"
        )

    def save(self, resource: Resource, events: Sequence[Event] = (), oldest_event: int = 0) -> None:
        """Write an object and the events of its change; events before the oldest are dropped."""
        document = json.dumps(dataclasses.asdict(resource))  # type: ignore[call-overload]
        row = (type(resource).__name__, resource.key, document)
        with self._transaction():
            self._database.execute("INSERT OR REPLACE INTO resources VALUES (?, ?, ?)", row)
            self._write_events(events, oldest_event)

    def remove(
        self, resource: Resource, events: Sequence[Event] = (), oldest_event: int = 0
    ) -> None:
        row = (type(resource).__name__, resource.key)
        with self._transaction():
            self._database.execute("DELETE FROM resources WHERE kind = ? AND key = ?", row)
            self._write_events(events, oldest_event)

    def _write_events(self, events: Sequence[Event], oldest: int) -> None:
        if events:
            rows = [(event.number, json.dumps(dataclasses.asdict(event))) for event in events]
            self._database.executemany("INSERT INTO events VALUES (?, ?)", rows)
            self._database.execute("DELETE FROM events WHERE number < ?", (oldest,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # The connection's own context manager commits, or rolls back when something is raised.
        with self._lock, self._database:
            self._database.execute("BEGIN IMMEDIATE")
            yield

    def load(self) -> list[Resource]:
        with self._lock:
            rows = self._database.execute("SELECT kind, document FROM resources").fetchall()
        return [_restore(RESOURCE_TYPES[kind], json.loads(document)) for kind, document in rows]

    def load_events(self) -> list[Event]:
        with self._lock:
            rows = self._database.execute("SELECT document FROM events ORDER BY number").fetchall()
        return [Event(**json.loads(document)) for (document,) in rows]

    def close(self) -> None:
        with self._lock:
            self._database.close()


def _restore(cls: type[Any], document: dict[str, Any]) -> Resource:
    life = document["life"]
    phases = tuple(Phase(**phase) for phase in life["phases"])
    document["life"] = Life(phases, entered_at=life["entered_at"], shown=life["shown"])
    if cls is ReplicationTask:
        return ReplicationTask.restored(document)
    resource: Resource = cls(**document)
    return resource
