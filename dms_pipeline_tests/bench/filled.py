"""Workloads of full loads: tables on the source that are not in its log."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dms_pipeline_tests.bench.agreement import Digest, source_digest
from dms_pipeline_tests.bench.limits import RAW_SCHEMA
from dms_pipeline_tests.bench.servers import Servers
from dms_pipeline_tests.bench.tables import Table, mixed


@dataclass(frozen=True, slots=True)
class FilledTables:
    """The tables of a schema, what they hold, and how much that is as text."""

    schema: str
    tables: tuple[Table, ...]
    digests: tuple[Digest, ...]
    rows: int
    size_bytes: int


@contextmanager
def filled_tables(
    servers: Servers, schema: str, *, tables: int, rows: int
) -> Iterator[FilledTables]:
    """So many tables of so many rows each, until the block ends."""
    servers.drop(schema)
    names = ["t"] if tables == 1 else [f"t{number:03}" for number in range(tables)]
    made = tuple(mixed(schema, name) for name in names)
    with servers.source(logged=False) as source:
        source.execute(f"CREATE DATABASE {schema}")
        source.execute(f"USE {schema}")
        for table in made:
            source.execute(table.creation())
            for statement in table.fills(rows):
                source.execute(statement)
        size = sum(_text_bytes(source, table) for table in made)
    digests = tuple(source_digest(servers, table) for table in made)
    yield FilledTables(schema, made, digests, rows * tables, size)
    servers.drop(schema)
    servers.drop(RAW_SCHEMA)


def _text_bytes(source: Any, table: Table) -> int:
    names = ", ".join(f"IFNULL({column.name}, '--')" for column in table.columns)
    # Each value is followed by a tab or the end of the line.
    text = f"LENGTH(CONCAT({names})) + {len(table.columns)}"
    source.execute(f"SELECT IFNULL(SUM({text}), 0) FROM {table}")
    return int(source.fetchone()[0])
