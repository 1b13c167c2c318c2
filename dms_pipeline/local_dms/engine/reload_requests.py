"""Tables that a running task was asked to load again."""

import threading
from collections.abc import Iterable

from dms_pipeline.binlog.table_id import TableId


class ReloadRequests:
    """Asked in one thread and carried out in another. A table waits until its load has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: dict[TableId, None] = {}

    def add(self, tables: Iterable[TableId]) -> None:
        with self._lock:
            self._tables |= dict.fromkeys(tables)

    def waiting(self) -> list[TableId]:
        with self._lock:
            return list(self._tables)

    def done(self, tables: Iterable[TableId]) -> None:
        with self._lock:
            for table in tables:
                self._tables.pop(table, None)
