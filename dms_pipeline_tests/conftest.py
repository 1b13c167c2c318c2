"""Real servers for the integration tests: private, started on demand, gone with the session."""

import atexit
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dms_pipeline.local_dms.servers import MySQLServer, PostgresServer
from dms_pipeline.local_dms.stack import LocalStack


def pytest_configure() -> None:
    # `timeout` and CI runners end a session with SIGTERM, which would skip every finalizer.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))


def _session_home(stop: Callable[[Path], None]) -> Iterator[Path]:
    """A folder whose servers are stopped at the end, even if pytest runs no finalizer."""
    home = Path(tempfile.mkdtemp(prefix="dms-tests-"))

    def close() -> None:
        if home.exists():
            stop(home)
            shutil.rmtree(home)

    atexit.register(close)
    yield home
    close()
    atexit.unregister(close)


@pytest.fixture(scope="session")
def mysql_home() -> Iterator[Path]:
    yield from _session_home(lambda home: MySQLServer(home / "source").stop())


@pytest.fixture(scope="session")
def postgres_home() -> Iterator[Path]:
    yield from _session_home(lambda home: PostgresServer(home / "target").stop())


@pytest.fixture(scope="session")
def local_stack_home() -> Iterator[Path]:
    yield from _session_home(lambda home: LocalStack(home / "local").down())


@pytest.fixture(scope="session")
def mysql(mysql_home: Path) -> MySQLServer:
    """A private MySQL/MariaDB server; `.dsn` is its administrator's."""
    server = MySQLServer(mysql_home / "source")
    server.start()
    return server


@pytest.fixture(scope="session")
def postgres(postgres_home: Path) -> PostgresServer:
    """A private PostgreSQL server; `.dsn` is its administrator's."""
    server = PostgresServer(postgres_home / "target")
    server.start()
    return server


@pytest.fixture(scope="session")
def local_stack(local_stack_home: Path) -> LocalStack:
    """Both servers and the local AWS endpoint, running."""
    stack = LocalStack(local_stack_home / "local")
    stack.up()
    return stack
