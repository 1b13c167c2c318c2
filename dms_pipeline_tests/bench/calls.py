"""The calls of AWS that a run makes, as they arrive there: repetitions by the SDK count too."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dms_pipeline_tests.aws_proxy import Answer, Sent


@dataclass(slots=True)
class CallLog:
    """Watches a proxy: every call since the log was begun, and when it came."""

    calls: list[tuple[float, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self) -> None:
        with self._lock:
            self.calls = []

    def answer(self, sent: Sent, passed_on: Callable[[], Answer]) -> Answer:
        with self._lock:
            self.calls.append((time.monotonic(), sent.operation))
        return passed_on()

    def count(self) -> int:
        return len(self.calls)

    def time_of(self, operation: str) -> float:
        """When it was called last."""
        return max(at for at, name in self.calls if name == operation)
