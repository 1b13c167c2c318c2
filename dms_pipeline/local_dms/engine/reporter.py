"""Messages to the control plane, one JSON line each, and no more of them than anyone reads."""

import json
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.table_statistics import TableStatistics
from dms_pipeline.local_dms.engine.task_spec import FailureReason, StopReason

_STATISTICS_INTERVAL_S = 0.2


class Reporter:
    """Writes messages whole, from whichever thread. Statistics are held back to 5 a second."""

    def __init__(self, output: TextIO, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._output = output
        self._clock = clock
        self._lock = threading.Lock()
        self._statistics_sent_at = float("-inf")
        self._last_statistics: dict[str, Any] | None = None
        self.last_checkpoint: str | None = None

    def running(self) -> None:
        self._send({"type": "running"})

    def statistics(self, statistics: TableStatistics, *, now: bool = False) -> None:
        """Send if something changed, and if ``now`` or enough time has passed."""
        moment = self._clock()
        if not now and moment - self._statistics_sent_at < _STATISTICS_INTERVAL_S:
            return
        message = statistics.tables_message()
        if message != self._last_statistics:
            self._send(message)
            self._send(statistics.progress_message())
            self._last_statistics = message
        self._statistics_sent_at = moment

    def checkpoint(self, value: str) -> None:
        """Only after the commit on the target that it belongs to."""
        if value != self.last_checkpoint:
            self._send({"type": "checkpoint", "value": value})
            self.last_checkpoint = value

    def reloading(self, tables: Iterable[TableId]) -> None:
        """These tables' requests have been taken; their states tell the rest."""
        named = [{"SchemaName": name.schema, "TableName": name.table} for name in tables]
        self._send({"type": "reloading", "tables": named})

    def stopped(self, reason: StopReason) -> None:
        self._send({"type": "stopped", "reason": reason})

    def failed(self, reason: FailureReason, message: str) -> None:
        self._send({"type": "failed", "reason": reason, "message": message})

    def _send(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._output.write(json.dumps(message) + "\n")
            self._output.flush()
