"""Serves the local AWS endpoint: `python -m dms_pipeline.local_dms --port N --home DIR`.

Listens on 127.0.0.1 only, prints one line when it is ready, logs to stderr, and on SIGTERM or
SIGINT stops the engines and ends with 0.
"""

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from werkzeug.serving import WSGIRequestHandler, make_server

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
    serve(options.home, port=options.port, speed=options.speed)
    return 0


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dms_pipeline.local_dms", description=__doc__)
    parser.add_argument(
        "--port", type=int, required=True, help="port on 127.0.0.1; 0 takes a free one"
    )
    parser.add_argument("--home", type=Path, required=True, help="folder that keeps all state")
    parser.add_argument(
        "--speed",
        choices=("fast", "realistic"),
        default="fast",
        help="how long instances and tasks take to change their state",
    )
    return parser.parse_args()


def serve(home: Path, *, port: int, speed: str) -> None:
    """Serve until a signal comes."""
    # Here and not at the top: wrong options are answered before moto takes half a second to load.
    from dms_pipeline.local_dms.app import create_app  # noqa: PLC0415

    with create_app(home, speed="realistic" if speed == "realistic" else "fast") as app:
        server = make_server(HOST, port, app, threaded=True, request_handler=_QuietRequestHandler)
        # shutdown() waits for the serving loop, so it cannot run in the loop's own thread.
        ended = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        serving = threading.Thread(target=server.serve_forever, name="server", daemon=True)
        serving.start()
        sys.stdout.write(f"local AWS endpoint ready on http://{HOST}:{server.server_port}\n")
        sys.stdout.flush()
        ended.wait()
        server.shutdown()
        server.server_close()


if __name__ == "__main__":
    sys.exit(main())
