"""Writes the rows of a table that differ, and no others, as the source has them.

Only rows that were not changed after the checkpoint are compared, and only those of them are
written that were not changed until they are read: what the source has of them is what it had at the
checkpoint, so the next load finds the target as it has to be.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from pymysql.connections import Connection

from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.content.changed_keys import ChangedKeys
from dms_pipeline.content.comparison import RowDifference, compare_tables, open_snapshot
from dms_pipeline.content.definitions import Extent, Pairing, paired
from dms_pipeline.content.digests import (
    key_digest,
    source_values,
    target_deletion,
    target_upsert,
)
from dms_pipeline.errors import LoadError, TargetError
from dms_pipeline.pipeline_config import ReplicatedTable
from dms_pipeline.resources.source import MySQLSource
from dms_pipeline.resources.target import PostgresTarget
from dms_pipeline.table_selection import NO_RULES, ColumnRules

MOST = 10_000
"""Rows that are repaired at once; a table with more differences is better loaded anew."""


@dataclass(frozen=True, slots=True)
class Repair:
    """Rows that were written, and rows that were deleted."""

    written: int
    deleted: int


def repair_table(
    table: ReplicatedTable,
    *,
    source: MySQLSource,
    target: PostgresTarget,
    checkpoint: BinlogPosition,
    budget_s: float,
    rules: ColumnRules = NO_RULES,
    lob_limit: int | None = None,
) -> Repair:
    """Makes the rows equal that differ, in one transaction; nobody may load the table meanwhile.

    Raises:
        LoadError: if the table cannot be compared, or its rows cannot be told or written.
        SourceError, TargetError: if a side refuses or is unreachable.
    """
    [found] = compare_tables(
        {table: Extent(budget_s=budget_s)}, source=source, target=target, checkpoint=checkpoint,
        named=MOST, rules=rules, lob_limit=lob_limit,
    )  # fmt: skip
    if found.undecided:
        raise LoadError(f"{table.source} cannot be compared: {found.undecided}")
    if found.different > MOST:
        raise LoadError(
            f"{found.different} rows of {table.source} differ; a full load is the better repair"
        )
    if not found.different:
        return Repair(0, 0)
    with source.connect() as here, target.connect() as there:
        [pairing] = paired(here, there, {table: Extent()}, rules, None)
        _refuse(pairing)
        changed = open_snapshot(here, source, [pairing], checkpoint)
        differences = _still(pairing, changed, found.differences)
        extra = [one for one in differences if one.is_extra]
        rows = _values(here, pairing, [one for one in differences if not one.is_extra])
        try:
            _write(there, pairing, rows, extra)
        except psycopg.Error as error:
            text = " ".join(str(error).split())
            raise TargetError(f"{table.target} could not be repaired: {text}") from error
    return Repair(len(rows), len(extra))


def _refuse(pairing: Pairing) -> None:
    name = pairing.table.source
    if not pairing.has_key:
        raise LoadError(f"{name} has no primary key by which single rows could be repaired")
    if pairing.not_compared:
        raise LoadError(
            f"rows of {name} cannot be written whole ({'; '.join(pairing.not_compared)}); "
            "load it anew"
        )


def _still(
    pairing: Pairing, changed: ChangedKeys, differences: Sequence[RowDifference]
) -> list[RowDifference]:
    """Those rows that were not changed since they were compared."""
    name = pairing.table.source
    if pairing.compared is None or name in changed.undecided:
        raise LoadError(f"{name} was changed while it was compared: {changed.undecided.get(name)}")
    gone, key = changed.digests.get(name, set()), pairing.compared.key
    return [one for one in differences if key_digest(one.key, key) not in gone]


def _values(
    here: "Connection[Any]", pairing: Pairing, differences: Sequence[RowDifference]
) -> list[tuple[str | None, ...]]:
    """What is to be written of each row, from the source."""
    if not differences or pairing.compared is None:
        return []
    key = pairing.compared.key
    wanted = {one.key for one in differences}
    digests = [key_digest(one.key, key) for one in differences]
    with here.cursor() as cursor:
        cursor.execute(source_values(pairing.compared, pairing.written, digests))
        return [row[len(key) :] for row in cursor.fetchall() if row[: len(key)] in wanted]


def _write(
    there: "psycopg.Connection[Any]",
    pairing: Pairing,
    rows: Sequence[tuple[str | None, ...]],
    extra: Sequence[RowDifference],
) -> None:
    assert pairing.compared is not None
    with there.transaction(), there.cursor() as cursor:
        if extra:
            keys = list(map(list, zip(*(one.key for one in extra), strict=True)))
            cursor.execute(target_deletion(pairing.compared), keys)
        if rows:
            cursor.executemany(target_upsert(pairing.compared, pairing.written), rows)
