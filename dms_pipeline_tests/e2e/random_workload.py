"""A seeded writer: tables with every kind of key, changed in every way, until told to stop."""

import random
import threading

import pymysql

from dms_pipeline_tests.engine_driver import connect_source

TABLES = {
    "plain": "k int PRIMARY KEY, v varchar(40), n decimal(20,6), d datetime(6)",
    "worded": "k varchar(20) COLLATE utf8mb4_general_ci PRIMARY KEY, v varchar(40), n double",
    "paired": "a smallint unsigned, b varbinary(4), v varchar(40), n int, PRIMARY KEY (b, a)",
    "keyless": "k int, v varchar(40), n int",
    "doubled": "k bigint PRIMARY KEY, u int NULL UNIQUE, v varchar(40), n int",
}
_VALUES = ("é😀", "a\tb", "", None, "\\N", "x" * 40, "line\nline")
_WORDS = ("a", "A", "á", "b", "B", "ab", "aB", "résumé", "Resume", "z")
_REFUSED = (pymysql.IntegrityError, pymysql.DataError)
_MOST_COLUMNS = 3


class RandomWriter(threading.Thread):
    """Writes into one schema, which it creates. The same seed writes the same, but for timing."""

    def __init__(self, dsn: str, schema: str, seed: int) -> None:
        super().__init__(daemon=True)
        self._chance = random.Random(seed)
        self._schema = schema
        self._stop_requested = threading.Event()
        self.defines = threading.Event()
        """Until it is set no table is altered or truncated, which would fail a full load."""
        self._added = 0
        self.error: BaseException | None = None
        self._connection = connect_source(dsn)
        self._execute(f"DROP DATABASE IF EXISTS {schema}")
        self._execute(f"CREATE DATABASE {schema} DEFAULT CHARSET utf8mb4")
        self._execute(f"USE {schema}")
        for table, columns in TABLES.items():
            self._execute(f"CREATE TABLE {table} ({columns}) ENGINE=InnoDB")
        for _ in range(20):
            self._transaction()

    def run(self) -> None:
        try:
            while not self._stop_requested.is_set():
                self._step()
        except BaseException as error:
            self.error = error
            raise
        finally:
            self._connection.close()

    def finish(self) -> None:
        self._stop_requested.set()
        self.join(30)
        assert self.error is None, self.error

    def _step(self) -> None:
        draw = self._chance.random()
        if draw < 0.006 and not self.defines.is_set():
            return
        if draw < 0.004:
            self._execute(f"TRUNCATE TABLE {self._chance.choice(list(TABLES))}")
        elif draw < 0.006 and self._added < _MOST_COLUMNS:
            self._added += 1
            table = self._chance.choice(list(TABLES))
            self._execute(f"ALTER TABLE {table} ADD COLUMN c{self._added} int DEFAULT 5 FIRST")
        elif draw < 0.01:
            self._execute("FLUSH BINARY LOGS")
        else:
            self._transaction()

    def _transaction(self) -> None:
        self._execute("BEGIN")
        for _ in range(self._chance.choice((1, 1, 2, 5, 5, 100))):
            if self._chance.random() < 0.05:
                self._execute("SAVEPOINT s")
                self._change()
                self._execute("ROLLBACK TO s")
            self._change()
        self._execute("ROLLBACK" if self._chance.random() < 0.1 else "COMMIT")

    def _change(self) -> None:
        table = self._chance.choice(list(TABLES))
        statement, arguments = getattr(self, f"_{table}")()
        try:
            self._execute(statement, arguments)
        except _REFUSED:
            # A key that is taken: the statement changed nothing.
            return

    def _value(self) -> str | None:
        return self._chance.choice(_VALUES)

    def _plain(self) -> tuple[str, tuple[object, ...]]:
        key, other = self._chance.randrange(300), self._chance.randrange(300)
        return self._chance.choice((
            ("INSERT INTO plain (k, v, n, d) VALUES (%s, %s, %s, NOW(6))",
             (key, self._value(), self._chance.random())),
            ("REPLACE INTO plain (k, v) VALUES (%s, %s)", (key, self._value())),
            ("UPDATE plain SET v = %s, n = n + 1 WHERE k > %s LIMIT 5", (self._value(), key)),
            ("UPDATE plain SET k = %s WHERE k = %s", (other, key)),
            ("UPDATE plain SET k = -k WHERE k = %s", (key,)),
            ("DELETE FROM plain WHERE k IN (%s, -%s)", (key, key)),
        ))  # fmt: skip

    def _worded(self) -> tuple[str, tuple[object, ...]]:
        key, other = self._chance.choice(_WORDS), self._chance.choice(_WORDS)
        return self._chance.choice((
            ("INSERT INTO worded (k, v) VALUES (%s, %s) ON DUPLICATE KEY UPDATE n = 1",
             (key, self._value())),
            ("REPLACE INTO worded (k, n) VALUES (%s, %s)", (key, self._chance.random())),
            ("UPDATE worded SET k = %s WHERE k = %s", (other, key)),
            ("DELETE FROM worded WHERE k = %s", (key,)),
        ))  # fmt: skip

    def _paired(self) -> tuple[str, tuple[object, ...]]:
        a, b = self._chance.choice((0, 1, 65535)), bytes([self._chance.randrange(256)])
        return self._chance.choice((
            ("REPLACE INTO paired (a, b, v) VALUES (%s, %s, %s)", (a, b, self._value())),
            ("UPDATE paired SET n = 7 WHERE a = %s LIMIT 3", (a,)),
            ("UPDATE IGNORE paired SET a = %s WHERE b = %s", (a, b)),
            ("DELETE FROM paired WHERE b = %s", (b,)),
        ))  # fmt: skip

    def _keyless(self) -> tuple[str, tuple[object, ...]]:
        key = self._chance.randrange(8)
        return self._chance.choice((
            ("INSERT INTO keyless (k, v, n) VALUES (%s, %s, 1)", (key, self._value())),
            ("INSERT INTO keyless (k) VALUES (%s), (%s), (NULL)", (key, key)),
            ("DELETE FROM keyless WHERE k = %s LIMIT 2", (key,)),
            ("DELETE FROM keyless WHERE k IS NULL LIMIT 1", ()),
            ("UPDATE keyless SET n = n + 1 WHERE k = %s LIMIT 3", (key,)),
        ))  # fmt: skip

    def _doubled(self) -> tuple[str, tuple[object, ...]]:
        key, u = self._chance.randrange(40), self._chance.choice((None, *range(30)))
        return self._chance.choice((
            ("REPLACE INTO doubled (k, u, v) VALUES (%s, %s, %s)", (key, u, self._value())),
            ("UPDATE doubled SET u = u + 1 WHERE k > %s ORDER BY u DESC LIMIT 3", (key,)),
            ("UPDATE doubled SET k = k + 1000 WHERE k = %s", (key,)),
            ("DELETE FROM doubled WHERE k = %s", (key,)),
        ))  # fmt: skip

    def _execute(self, statement: str, arguments: tuple[object, ...] = ()) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, arguments or None)
