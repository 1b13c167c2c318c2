"""The client programs that the limits are measured with.

MariaDB's are taken from PATH. Debian's are fetched into a folder and unpacked there, which needs no
root and installs nothing; psql comes with the PostgreSQL server that all tests use.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from dms_pipeline.local_dms.servers.install import find_postgres_binaries
from dms_pipeline_tests.bench.errors import BenchError

_PACKAGES = ("mariadb-client-core", "mariadb-client")


@dataclass(frozen=True, slots=True)
class Clients:
    """Paths of the programs."""

    mariadb: str
    mariadb_binlog: str
    psql: str


def find_clients(cache: Path) -> Clients:
    """Looks in PATH, then in the folder `cache`, then fetches into it.

    Raises:
        BenchError: with what to install.
    """
    return Clients(
        mariadb=_mariadb_program("mariadb", cache),
        mariadb_binlog=_mariadb_program("mariadb-binlog", cache),
        psql=str(find_postgres_binaries() / "psql"),
    )


def _mariadb_program(name: str, cache: Path) -> str:
    unpacked = cache / "usr" / "bin" / name
    if (found := shutil.which(name)) is not None:
        return found
    if not unpacked.exists():
        _fetch(cache, wanted=name)
    return str(unpacked)


def _fetch(cache: Path, *, wanted: str) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise BenchError(f"{wanted} is not in PATH: install MariaDB's client programs")
    packages = cache / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    command = ["apt-get", "-q", "download", *_PACKAGES]
    done = subprocess.run(command, cwd=packages, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(
            f"{wanted} is not in PATH, and `{' '.join(command)}` failed: {done.stderr.strip()}\n"
            f"Install it: sudo apt-get update && sudo apt-get install -y {' '.join(_PACKAGES)}"
        )
    for package in sorted(packages.glob("*.deb")):
        subprocess.run(["dpkg", "-x", str(package), str(cache)], check=True)
