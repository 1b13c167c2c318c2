"""A proxy before AWS at which a client is killed, before or after a call of its own."""

import http
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from dms_pipeline_tests.aws_proxy import Answer, Sent, aws_proxy


@dataclass(slots=True)
class DeadlyProxy:
    """Passes calls on and notes them; ``victim`` is killed at the one of number ``dies_at``.

    Attributes:
        url: where clients find it.
        victim: the process id of the client that is to die; 0 for nobody.
        dies_at: the number of the call, 1 the first since ``arm``.
        dies_after: AWS has carried the call out, but the client never reads the answer.
        calls: the operations that were called since ``arm``.
        carried_out: those of them that AWS has carried out.
    """

    url: str = ""
    victim: int = 0
    dies_at: int = 0
    dies_after: bool = False
    calls: list[str] = field(default_factory=list)
    carried_out: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def arm(self, dies_at: int = 0, *, dies_after: bool = False) -> None:
        with self._lock:
            self.dies_at, self.dies_after = dies_at, dies_after
            self.calls, self.carried_out = [], []

    def answer(self, sent: Sent, passed_on: Callable[[], Answer]) -> Answer | None:
        """What the client gets; nothing if it is dead."""
        is_the_last = self._begins(sent.operation)
        if is_the_last and not self.dies_after:
            os.kill(self.victim, signal.SIGKILL)
            return None
        answer = passed_on()
        self._ended(sent.operation, answer.status)
        if is_the_last:
            os.kill(self.victim, signal.SIGKILL)
            return None
        return answer

    def _begins(self, operation: str) -> bool:
        """Notes a call; whether it is the one at which the client dies."""
        with self._lock:
            self.calls.append(operation)
            return len(self.calls) == self.dies_at

    def _ended(self, operation: str, status: int) -> None:
        if status == http.HTTPStatus.OK:
            with self._lock:
                self.carried_out.append(operation)


@contextmanager
def deadly_proxy(endpoint_url: str) -> Iterator[DeadlyProxy]:
    """A proxy before the AWS of this address."""
    proxy = DeadlyProxy()
    with aws_proxy(endpoint_url, proxy.answer) as proxy.url:
        yield proxy
