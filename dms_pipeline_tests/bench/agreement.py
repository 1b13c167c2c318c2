"""Tells whether source and target hold the same rows: no figure may be of a wrong result."""

from collections.abc import Iterable

from dms_pipeline_tests.bench.errors import BenchError
from dms_pipeline_tests.bench.servers import Servers
from dms_pipeline_tests.bench.tables import Table

Digest = tuple[int, int]
"""How many rows, and the sum of a hash of each."""


def source_digest(servers: Servers, table: Table) -> Digest:
    with servers.source() as source:
        source.execute(table.source_digest())
        rows, total = source.fetchone()
    return int(rows), int(total)


def target_digest(servers: Servers, table: Table) -> Digest:
    with servers.target() as target:
        row = target.execute(table.target_digest()).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def check_target(servers: Servers, expected: Iterable[tuple[Table, Digest]]) -> None:
    """Raises BenchError."""
    for table, digest in expected:
        found = target_digest(servers, table)
        if found != digest:
            raise BenchError(
                f"table {table}: the source has {digest[0]} rows, the target {found[0]}"
                + (" others" if found[0] == digest[0] else "")
            )
