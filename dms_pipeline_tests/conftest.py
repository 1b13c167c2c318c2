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
from dms_pipeline_tests.chromium import NO_CHROMIUM
from dms_pipeline_tests.mysql_program import NO_MYSQL, find_mysql_program
from dms_pipeline_tests.unit.deploy.linters import NO_LINTERS

_HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--screenshots",
        type=Path,
        metavar="FOLDER",
        help="where the tests in the browser write the pictures of the docs",
    )


def pytest_configure() -> None:
    # `timeout` and CI runners end a session with SIGTERM, which would skip every finalizer.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated", returncode=143))
    # A shell starts what it puts in the background with SIGINT ignored, and every process that a
    # test starts would inherit that; the tests stop some of them with SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The long files first: one that came last would keep a single process busy at the end.
    tiers = ("e2e", "integration", "unit")
    items.sort(key=lambda item: tiers.index(item.path.relative_to(_HERE).parts[0]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    for reason in (NO_MYSQL, NO_CHROMIUM, NO_LINTERS):
        missing = sum(reason in str(report.longrepr) for report in skipped)
        if missing:
            terminalreporter.write_sep("!", f"{missing} skipped: {reason}", yellow=True)


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
def installed_mysql(mysql_home: Path) -> MySQLServer:
    server = MySQLServer(mysql_home / "source")
    server.start()
    return server


@pytest.fixture(scope="session")
def mysql(installed_mysql: MySQLServer) -> MySQLServer:
    """A private server of the MySQL or MariaDB installed here; `.dsn` is its administrator's."""
    return installed_mysql


@pytest.fixture(scope="session")
def mariadb_server(installed_mysql: MySQLServer) -> MySQLServer:
    """A private server that is MariaDB; skips where the one installed here is MySQL."""
    if not installed_mysql.program.is_mariadb:
        pytest.skip("needs MariaDB, but the server installed here is MySQL")
    return installed_mysql


@pytest.fixture(scope="session")
def real_mysql_home() -> Iterator[Path]:
    yield from _session_home(lambda home: MySQLServer(home / "source").stop())


@pytest.fixture(scope="session")
def mysql_server(real_mysql_home: Path) -> MySQLServer:
    """A private server that is MySQL, not MariaDB; skips where none is to be had."""
    if (program := find_mysql_program()) is None:
        pytest.skip(NO_MYSQL)
    server = MySQLServer(real_mysql_home / "source", program=program)
    server.start()
    return server


@pytest.fixture(scope="session", params=["mariadb", "mysql"])
def source_server(request: pytest.FixtureRequest) -> MySQLServer:
    """Runs a test once on MariaDB and once on MySQL."""
    server = request.getfixturevalue(f"{request.param}_server")
    assert isinstance(server, MySQLServer)
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
