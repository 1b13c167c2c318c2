"""A writer that outlives its source server: it connects again and writes on."""

import contextlib
import random
import threading

import pymysql

from dms_pipeline_tests.engine_driver import connect_source

TABLES = {
    "keyed": "k int PRIMARY KEY, v varchar(40), n int",
    "keyless": "k int, v varchar(40), n int",
}
_LOST = (pymysql.OperationalError, pymysql.InterfaceError, OSError)


class PersistentWriter(threading.Thread):
    """Short transactions on two tables of a schema that it creates, until told to finish.

    A transaction whose commit was not confirmed may be in or not: compare with the source.
    """

    def __init__(self, dsn: str, schema: str, seed: int = 1) -> None:
        super().__init__(daemon=True)
        self._dsn = dsn
        self._schema = schema
        self._chance = random.Random(seed)
        self._finished = threading.Event()
        self.transactions = 0
        with contextlib.closing(connect_source(dsn)) as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {schema}")
            cursor.execute(f"CREATE DATABASE {schema}")
            for table, columns in TABLES.items():
                cursor.execute(f"CREATE TABLE {schema}.{table} ({columns})")

    def run(self) -> None:
        while not self._finished.is_set():
            with contextlib.suppress(*_LOST):
                self._write_on(connect_source(self._dsn, connect_timeout=2, read_timeout=20))
            self._finished.wait(0.05)

    def finish(self) -> None:
        self._finished.set()
        self.join(30)
        assert not self.is_alive()

    def _write_on(self, connection: "pymysql.connections.Connection") -> None:
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(f"USE {self._schema}")
            while not self._finished.is_set():
                cursor.execute("BEGIN")
                for _ in range(self._chance.choice((1, 1, 5, 40))):
                    cursor.execute(self._statement())
                cursor.execute("COMMIT")
                self.transactions += 1

    def _statement(self) -> str:
        key = self._chance.randrange(200)
        return self._chance.choice((
            f"REPLACE INTO keyed VALUES ({key}, 'é', {self.transactions})",
            f"DELETE FROM keyed WHERE k = {key}",
            f"INSERT INTO keyless VALUES ({key % 9}, NULL, 1)",
            f"UPDATE keyless SET n = n + 1 WHERE k = {key % 9} LIMIT 2",
            f"DELETE FROM keyless WHERE k = {key % 9} LIMIT 1",
        ))  # fmt: skip
