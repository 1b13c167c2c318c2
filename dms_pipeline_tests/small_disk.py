"""A PostgreSQL server with a tablespace on a disk of a few megabytes, which a ballast can fill."""

import contextlib
import os
import subprocess
from functools import cache

import psycopg

from dms_pipeline.local_dms.servers import PostgresServer

NO_SMALL_DISK = (
    "no file system of one's own here: `unshare --mount` and mounting a tmpfs are refused"
)
_MOUNT = (
    'mount -t tmpfs -o size=4m,mode=777 none "$0" && mkdir -m 777 "$0/space" && '
    'if [ "$(id -u)" = 0 ]; then chown 65534 "$0/space"; fi && chmod 700 "$0/space" && exec "$@"'
)


class SmallDiskServer(PostgresServer):
    """Its tables are made on the small disk, which only this server sees and which ends with it."""

    def command(self) -> list[str]:
        folder = self.home / "small"
        folder.mkdir(exist_ok=True)
        return [*_unshare(), "sh", "-c", _MOUNT, str(folder), *super().command()]

    def after_start(self) -> None:
        super().after_start()
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(
                f"CREATE TABLESPACE small LOCATION '{self.home / 'small' / 'space'}'"
            )
            connection.execute("GRANT CREATE ON TABLESPACE small TO public")
            connection.execute(f"ALTER DATABASE {self.dbname} SET default_tablespace = small")

    def fill(self) -> None:
        """Leave room for less than 20 rows."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE public.ballast (a text STORAGE EXTERNAL)")
            with contextlib.suppress(psycopg.errors.DiskFull):
                while True:
                    connection.execute(
                        "INSERT INTO public.ballast SELECT repeat('x', 7000)"
                        " FROM generate_series(1, 20)"
                    )

    def make_space(self) -> None:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("DROP TABLE public.ballast")
            # The files of a dropped table are emptied at once and removed by the next checkpoint.
            connection.execute("CHECKPOINT")


def _unshare() -> list[str]:
    own = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    return ["unshare", *own, "--mount"]


@cache
def can_have_small_disk() -> bool:
    script = 'mount -t tmpfs -o size=1m none "$0"'
    tried = subprocess.run(
        [*_unshare(), "sh", "-c", script, "/mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0
