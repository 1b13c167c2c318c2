"""A proxy before the local endpoint, in which a test can look at each call, and meddle with it."""

import http.client
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        # Query protocols name it in the body: the first parameter is Action=...
        target = self.headers.get("X-Amz-Target") or self.body.decode().partition("&")[0]
        return target.replace("=", ".").rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it goes."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


Between = Callable[[Sent, Callable[[], Answer]], Answer | None]
"""Gets a request, and what passes it on; None lets the connection break."""


@contextmanager
def aws_proxy(endpoint_url: str, between: Between) -> Iterator[str]:
    """The address of a proxy before the AWS of ``endpoint_url``."""
    behind = urlsplit(endpoint_url).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            sent = Sent(self.path, dict(self.headers), body)
            answer = between(sent, lambda: _passed_on(behind, sent))
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_arguments: object) -> None:
            """The test says what happened."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def _passed_on(behind: str, sent: Sent) -> Answer:
    connection = http.client.HTTPConnection(behind)
    try:
        connection.request("POST", sent.path, sent.body, dict(sent.headers))
        response = connection.getresponse()
        return Answer(response.status, response.read(), dict(response.getheaders()))
    finally:
        connection.close()
