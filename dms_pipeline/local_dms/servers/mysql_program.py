"""The program of a MySQL or MariaDB server, and the options that tell it where its files are."""

import os
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dms_pipeline.errors import StackError

_BOOTSTRAP_SCRIPT = "mysql_system_tables.sql"


@dataclass(frozen=True)
class MySQLProgram:
    """A server program, installed or in a folder into which its packages were unpacked.

    Args:
        path: the program itself.
        launcher: what runs it: nothing, or the loader that was unpacked with it.
        options: where its files are, if not where it was built to look for them.
    """

    path: Path
    launcher: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    @classmethod
    def unpacked(cls, prefix: Path) -> "MySQLProgram":
        """The MySQL in a folder that looks like a file system's root, with its own libraries.

        Raises:
            StackError: the folder holds no such server.
        """
        program = prefix / "usr" / "sbin" / "mysqld"
        loader = next(prefix.glob("usr/lib/*-linux-gnu*/ld-linux-*.so.*"), None)
        if loader is None or not program.is_file():
            raise StackError(f"{prefix} holds no unpacked MySQL server (usr/sbin/mysqld).")
        share = prefix / "usr" / "share" / "mysql"
        return cls(
            program,
            launcher=(str(loader), "--library-path", str(loader.parent)),
            options=(
                f"--basedir={prefix / 'usr'}",
                f"--lc-messages-dir={share}",
                f"--character-sets-dir={share / 'charsets'}",
                f"--plugin-dir={prefix / 'usr' / 'lib' / 'mysql' / 'plugin'}",
            ),
        )

    def command(self, *arguments: str) -> list[str]:
        """The command line; nothing of the machine's own configuration is read."""
        user = ["--user=root"] if os.geteuid() == 0 else []
        program = [*self.launcher, str(self.path), "--no-defaults"]
        return [*program, *self.options, *user, *arguments]

    @cached_property
    def is_mariadb(self) -> bool:
        shown = subprocess.run(
            [*self.launcher, str(self.path), "--no-defaults", "--version"],
            capture_output=True,
            text=True,
            check=False,
        )
        return "mariadb" in shown.stdout.lower()

    def bootstrap_folder(self) -> Path:
        """Where MariaDB's SQL scripts are that make its system tables.

        Raises:
            StackError: the installation lacks them.
        """
        prefix = self.path.resolve().parent.parent
        candidates = [
            base / "share" / name
            for base in (prefix, Path("/usr"))
            for name in ("mysql", "mariadb", "")
        ]
        for folder in candidates:
            if (folder / _BOOTSTRAP_SCRIPT).exists():
                return folder
        raise StackError(
            f"{self.path} is MariaDB, but {_BOOTSTRAP_SCRIPT} is in none of "
            f"{', '.join(map(str, candidates))}. Reinstall the MariaDB server."
        )
