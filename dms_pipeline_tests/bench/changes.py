"""Workloads of change capture: changes that lie in the binary log before anything is measured.

A procedure in the source writes them, because a client would take minutes for it. All rounds read
the same log; before each, the target gets the rows from before the first change back. The last
transaction of a log inserts into a table of its own: its row on the target tells that all is there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dms_pipeline_tests.bench.agreement import Digest, source_digest
from dms_pipeline_tests.bench.dms import Dms
from dms_pipeline_tests.bench.servers import Servers
from dms_pipeline_tests.bench.tables import Table

_HOT_SHARE, _HOT_KEYS = 0.9, 0.01
_FILE_HEADER_END = 4
_NEW_ROWS = "new_rows"


@dataclass(frozen=True, slots=True)
class Mix:
    """How the changes come: rows of a transaction, and which of them are what.

    With `hot` all are updates, and 1 % of the keys take 90 % of them.
    """

    smallest: int
    largest: int
    hot: bool = False


SMALL = Mix(1, 10)
BULK = Mix(10_000, 10_000)
HOT = Mix(1, 10, hot=True)


@dataclass(frozen=True, slots=True)
class ChangeLog:
    """A table with its initial rows on both sides, and the changes behind them."""

    servers: Servers
    table: Table
    files: tuple[str, ...]
    changes: int
    size_bytes: int
    expected: Digest

    @property
    def start_position(self) -> str:
        return f"{self.files[0]}:{_FILE_HEADER_END}"

    def reset_target(self) -> None:
        schema = self.table.schema
        with self.servers.target() as target:
            target.execute(f"TRUNCATE {schema}.marker, {self.table}")
            target.execute(f"INSERT INTO {self.table} SELECT * FROM {schema}.initial")
            target.execute(f"VACUUM ANALYZE {self.table}")
        self.servers.settle()


@contextmanager
def change_log(
    dms: Dms, table: Table, mix: Mix, *, changes: int, initial: int
) -> Iterator[ChangeLog]:
    servers, schema = dms.servers, table.schema
    servers.drop(schema)
    with servers.source(logged=False) as source:
        source.execute(f"CREATE DATABASE {schema}")
        source.execute(f"USE {schema}")
        source.execute(table.creation())
        source.execute(f"CREATE TABLE {schema}.marker (id int PRIMARY KEY)")
        for statement in table.fills(initial):
            source.execute(statement)
        dms.full_load(schema)
        source.execute(_new_rows(table))
        source.execute(_procedure(table, mix))
    with servers.target() as target:
        target.execute(f"CREATE TABLE {schema}.initial AS SELECT * FROM {table}")
    with servers.source() as source:
        source.execute("FLUSH BINARY LOGS")
        first = _binary_logs(servers)[-1][0]
        # The load before: what is measured goes on from where that has ended.
        with dms.capturing(schema, f"{first}:4"):
            pass
        source.execute("SET rand_seed1 = 20260101, rand_seed2 = 7")
        source.execute(f"CALL {schema}.make_changes(%s, %s)", (changes, initial))
        made = int(source.fetchone()[0])
        source.execute(f"INSERT INTO {schema}.marker VALUES (1)")
        source.execute("FLUSH BINARY LOGS")
    files = [log for log in _binary_logs(servers)[:-1] if log[0] >= first]
    yield ChangeLog(
        servers,
        table,
        files=tuple(name for name, _ in files),
        changes=made,
        size_bytes=sum(size for _, size in files),
        expected=source_digest(servers, table),
    )
    servers.drop(schema)
    with servers.source() as source:
        source.execute(f"PURGE BINARY LOGS TO '{_binary_logs(servers)[-1][0]}'")


def _binary_logs(servers: Servers) -> list[tuple[str, int]]:
    with servers.source() as source:
        source.execute("SHOW BINARY LOGS")
        return [(str(row[0]), int(row[1])) for row in source.fetchall()]


def _procedure(table: Table, mix: Mix) -> str:
    """Transactions until there are enough changes; answers how many there are.

    The rows of a transaction that are changed alike are changed by one statement. Rows to update
    and delete lie together, beginning at any key.
    """
    key = table.columns[0].name
    anywhere = "MD5(RAND())" if table.has_text_key else "1 + FLOOR(RAND() * (_next - 1))"
    if mix.hot:
        place = (
            f"SET _key = IF(RAND() < {_HOT_SHARE},"
            f" 1 + FLOOR(RAND() * _initial * {_HOT_KEYS}), {anywhere});"
        )
        split = "SET _deletes = 0, _updates = _rows;"
    else:
        place = f"SET _key = {anywhere};"
        split = (
            "SET _deletes = FLOOR(_rows * 0.1 + RAND());"
            "SET _updates = LEAST(FLOOR(_rows * 0.3 + RAND()), _rows - _deletes);"
        )
    rows_from_key = f"WHERE {key} >= _key ORDER BY {key} LIMIT"
    return f"""
        CREATE PROCEDURE {table.schema}.make_changes(_wanted int, _initial int)
        BEGIN
          DECLARE _made, _rows, _updates, _deletes bigint DEFAULT 0;
          DECLARE _next bigint DEFAULT _initial + 1;
          DECLARE _key {"varchar(200)" if table.has_text_key else "bigint"};
          WHILE _made < _wanted DO
            SET _rows = {mix.smallest} + FLOOR(RAND() * {mix.largest - mix.smallest + 1});
            {split}
            SET _rows = _rows - _updates - _deletes;
            START TRANSACTION;
            IF _rows > 0 THEN
              INSERT INTO {table} SELECT {table.names} FROM {_NEW_ROWS}
                WHERE seq BETWEEN _next AND _next + _rows - 1;
              SET _made = _made + ROW_COUNT(), _next = _next + _rows;
            END IF;
            IF _updates > 0 THEN
              {place}
              UPDATE {table} SET {table.assignments} {rows_from_key} _updates;
              SET _made = _made + ROW_COUNT();
            END IF;
            IF _deletes > 0 THEN
              {place}
              DELETE FROM {table} {rows_from_key} _deletes;
              SET _made = _made + ROW_COUNT();
            END IF;
            COMMIT;
          END WHILE;
          SELECT _made;
        END
    """


def _new_rows(table: Table) -> str:
    """A view keeps the statements short: the log holds their text beside the rows."""
    return (
        f"CREATE VIEW {table.schema}.{_NEW_ROWS} (seq, {table.names})"
        f" AS SELECT seq, {table.values} FROM seq_1_to_1000000000"
    )
