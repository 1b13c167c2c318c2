"""Serves the local AWS endpoint: `python -m dms_pipeline.local_dms --port N --home DIR`.

Listens on 127.0.0.1 unless told otherwise, prints one line when it is ready, logs to stderr, and on
SIGTERM or SIGINT stops the engines and ends with 0.
"""

import argparse
import fcntl
import ipaddress
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from werkzeug.serving import WSGIRequestHandler, make_server

from dms_pipeline.errors import StackError
from dms_pipeline.local_dms.control_plane.lifecycle import Speed
from dms_pipeline.local_dms.control_plane.mail_relay import MailRelay

HOST = "127.0.0.1"


class _QuietRequestHandler(WSGIRequestHandler):
    """Does not log every poll."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


def main() -> int:
    options = _parse_options()
    # What is written - SQLite files, mails, logs - may hold passwords and rows.
    os.umask(0o077)
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    try:
        with _exclusive(options.home):
            serve(
                options.home,
                host=options.host,
                port=options.port,
                speed=options.speed,
                relay=options.smtp,
            )
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


@contextmanager
def _exclusive(home: Path) -> Iterator[None]:
    """Hold the folder for this process; the system lets go of it when the process ends."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"another local AWS endpoint is running with {home}; stop it or use another --home"
            ) from None
        yield


def _listening_socket(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=128)
    except (OSError, OverflowError) as error:
        raise StackError(
            f"cannot listen on {host}:{port} ({error}); use another --port, 0 takes a free one"
        ) from error


def _warn_of(host: str) -> None:
    if not ipaddress.ip_address(host).is_loopback:
        sys.stderr.write(
            f"warning: listening on {host}. Nothing verifies who calls: whoever reaches the port "
            "can read the mails, and move rows with the accounts of the endpoints\n"
        )


def _address(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IPv4 address") from error


def _relay(text: str) -> MailRelay:
    try:
        return MailRelay.at(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dms_pipeline.local_dms", description=__doc__)
    parser.add_argument(
        "--port", type=int, required=True, help="port to listen on; 0 takes a free one"
    )
    parser.add_argument(
        "--host",
        type=_address,
        default=HOST,
        help="address to listen on; any but a loopback address lets others in",
    )
    parser.add_argument(
        "--smtp",
        type=_relay,
        metavar="HOST:PORT",
        help="SMTP server that gets every mail too, without a login",
    )
    parser.add_argument("--home", type=Path, required=True, help="folder that keeps all state")
    parser.add_argument(
        "--speed",
        choices=("fast", "realistic"),
        default="fast",
        help="how long instances and tasks take to change their state",
    )
    return parser.parse_args()


def serve(home: Path, *, host: str, port: int, speed: str, relay: MailRelay | None = None) -> None:
    """Serve until a signal comes."""
    # Here and not at the top: wrong options are answered before moto takes half a second to load.
    from dms_pipeline.local_dms.app import create_app  # noqa: PLC0415

    chosen: Speed = "realistic" if speed == "realistic" else "fast"
    with (
        _listening_socket(host, port) as listening,
        create_app(home, speed=chosen, relay=relay) as app,
    ):
        _warn_of(host)
        port = listening.getsockname()[1]
        server = make_server(
            host,
            port,
            app,
            threaded=True,
            request_handler=_QuietRequestHandler,
            fd=listening.fileno(),
        )
        # shutdown() waits for the serving loop, so it cannot run in the loop's own thread.
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        serving = threading.Thread(target=server.serve_forever, name="server", daemon=True)
        serving.start()
        sys.stdout.write(f"local AWS endpoint ready on http://{host}:{port}\n")
        sys.stdout.flush()
        ended.wait()
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    sys.exit(main())
