"""A proxy before AWS at which a client is killed, before or after a call of its own."""

import http.client
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


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

    def begins(self, operation: str) -> bool:
        """Notes a call; whether it is the one at which the client dies."""
        with self._lock:
            self.calls.append(operation)
            return len(self.calls) == self.dies_at

    def ended(self, operation: str, status: int) -> None:
        if status == http.HTTPStatus.OK:
            with self._lock:
                self.carried_out.append(operation)

    def kill(self) -> None:
        os.kill(self.victim, signal.SIGKILL)


@contextmanager
def deadly_proxy(endpoint_url: str) -> Iterator[DeadlyProxy]:
    """A proxy before the AWS of this address."""
    behind = urlsplit(endpoint_url).netloc
    proxy = DeadlyProxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            # Query protocols name it in the body: the first parameter is Action=...
            target = self.headers.get("X-Amz-Target") or body.decode().partition("&")[0]
            operation = target.replace("=", ".").rpartition(".")[2]
            is_the_last = proxy.begins(operation)
            if is_the_last and not proxy.dies_after:
                proxy.kill()
                self.close_connection = True
                return
            connection = http.client.HTTPConnection(behind)
            connection.request("POST", self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            proxy.ended(operation, answer.status)
            if is_the_last:
                proxy.kill()
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            """The test says what happened."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
