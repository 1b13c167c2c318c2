"""Compares whole tables row by row as of the checkpoint, while the source is being written.

The source is read inside one consistent snapshot. Rows whose keys were changed between the
checkpoint and the snapshot are left out on both sides: what they were at the checkpoint is not to
be seen on the source any more. All others have to be equal.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg
import pymysql
from psycopg import sql
from pymysql.connections import Connection

from dms_pipeline.binlog.position import BinlogPosition
from dms_pipeline.binlog.snapshot import bracketed_snapshot, is_mariadb
from dms_pipeline.content.changed_keys import ChangedKeys, LoggedKey
from dms_pipeline.content.definitions import Extent, Pairing, paired
from dms_pipeline.content.digests import (
    ComparedTable,
    source_digests,
    source_rows,
    target_digests,
    target_rows,
    unsure_rows,
)
from dms_pipeline.pipeline_config import ReplicatedTable
from dms_pipeline.resources.source import MySQLSource
from dms_pipeline.resources.target import PostgresTarget
from dms_pipeline.table_selection import NO_RULES, ColumnRules

_MISSING, _EXTRA = "missing on the target", "not on the source"
_SHOWN_CHARACTERS = 200
_BUCKETS_AT_ONCE = 16
_MYSQL_TIMEOUT, _MARIADB_TIMEOUT = 3024, 1969

Texts = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class RowDifference:
    """One row that differs: the canonical texts of its key, and in what.

    ``is_extra``: whether only the target has it.
    """

    key: Texts
    what: str
    is_extra: bool = False

    def __str__(self) -> str:
        return f"key ({', '.join(map(str, self.key))[:_SHOWN_CHARACTERS]}): {self.what}"


@dataclass(frozen=True, slots=True)
class ContentComparison:
    """What the comparison of one table found.

    Attributes:
        table: the table.
        rows: those that were compared.
        left_out: keys that were changed since the checkpoint.
        different: how many rows differ.
        differences: those of them that were to be named.
        not_compared: columns that no rule can compare, with the reason.
        undecided: why the table could not be compared; empty if it could.
    """

    table: ReplicatedTable
    rows: int = 0
    left_out: int = 0
    different: int = 0
    differences: tuple[RowDifference, ...] = ()
    not_compared: tuple[str, ...] = ()
    undecided: str = ""


class _OverBudgetError(Exception):
    """The time that comparisons may take is over."""


def compare_tables(
    extents: Mapping[ReplicatedTable, Extent],
    *,
    source: MySQLSource,
    target: PostgresTarget,
    checkpoint: BinlogPosition,
    rules: ColumnRules = NO_RULES,
    lob_limit: int | None = None,
    named: int = 20,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[ContentComparison, ...]:
    """Compares every table; the target must not be loaded meanwhile.

    Args:
        extents: what to compare, and how much of it.
        source: where the rows come from.
        target: where they went.
        checkpoint: what the target has.
        rules: what the table mapping makes of columns.
        lob_limit: bytes of a large object that are on the target at least; None if all are.
        named: how many rows of a table are named that differ.
        clock: what the budgets are measured with.

    Raises:
        SourceError, TargetError: if a side refuses or is unreachable.
    """
    if not extents:
        return ()
    with source.connect() as here, target.connect() as there:
        pairings = paired(here, there, extents, rules, lob_limit)
        changed = open_snapshot(here, source, pairings, checkpoint)
        found = []
        for pairing in pairings:
            deadline = clock() + extents[pairing.table].budget_s
            comparer = _Comparer(here, there, deadline, clock, named)
            found.append(_compare(comparer, pairing, changed))
        return tuple(found)


def open_snapshot(
    here: "Connection[Any]",
    source: MySQLSource,
    pairings: Iterable[Pairing],
    checkpoint: BinlogPosition,
) -> ChangedKeys:
    """Open a snapshot on the connection; tells which rows in it are not as at the checkpoint."""
    _, latest = bracketed_snapshot(here)
    changed = ChangedKeys(
        {
            pairing.table.source: LoggedKey(pairing.compared.key, pairing.key_places)
            for pairing in pairings
            if pairing.compared is not None
        }
    )
    changed.read(source, checkpoint, latest)
    return changed


def _compare(comparer: "_Comparer", pairing: Pairing, changed: ChangedKeys) -> ContentComparison:
    name = pairing.table.source
    reason = pairing.undecided or changed.undecided.get(name, "")
    if reason or pairing.compared is None:
        return ContentComparison(pairing.table, undecided=reason)
    without = changed.digests.get(name, set())
    try:
        if comparer.is_unsure(pairing.compared, without):
            return ContentComparison(
                pairing.table,
                undecided="the mapping filters its rows by a text, and of some rows the case or an "
                "accent decides, which DMS may see in another way",
            )
        rows, different, first = comparer.compare(pairing.compared, without)
    except _OverBudgetError:
        return ContentComparison(pairing.table, undecided="its time was over (content_budget_s)")
    return ContentComparison(
        pairing.table, rows, len(without), different, first, pairing.not_compared
    )


@dataclass(frozen=True, slots=True)
class _Comparer:
    """Both servers at work on one table, until the clock tells the deadline."""

    here: "Connection[Any]"
    there: "psycopg.Connection[Any]"
    deadline: float
    clock: Callable[[], float]
    named: int

    def compare(
        self, table: ComparedTable, without: Collection[int]
    ) -> tuple[int, int, tuple[RowDifference, ...]]:
        """Rows that were compared, how many differ, and the first of those."""
        source, target = self._both(source_digests(table, without), target_digests(table, without))
        ours, theirs = _by_bucket(source), _by_bucket(target)
        buckets = sorted(
            bucket
            for bucket in ours.keys() | theirs.keys()
            if ours.get(bucket) != theirs.get(bucket)
        )
        different, first = 0, list[RowDifference]()
        for start in range(0, len(buckets), _BUCKETS_AT_ONCE):
            found = self._differences(table, buckets[start : start + _BUCKETS_AT_ONCE], without)
            different += len(found)
            first += found[: self.named - len(first)]
        return sum(rows for rows, _ in ours.values()), different, tuple(first)

    def is_unsure(self, table: ComparedTable, without: Collection[int]) -> bool:
        """Whether nobody can tell of some rows whether the filter of the mapping passes them."""
        if not table.rows.unsure:
            return False
        return bool(self._source_rows(unsure_rows(table, without), self._left_s()))

    def _differences(
        self, table: ComparedTable, buckets: Collection[str], without: Collection[int]
    ) -> list[RowDifference]:
        source, target = self._both(
            source_rows(table, buckets, without), target_rows(table, buckets, without)
        )
        width = len(table.key)
        if not table.columns:
            return _unequal_counts(Counter(source), Counter(target))
        ours = {row[:width]: row[width:] for row in source}
        theirs = {row[:width]: row[width:] for row in target}
        copies = Counter(row[:width] for row in target)
        found = [
            RowDifference(key, f"{times} times on the target")
            for key, times in copies.items()
            if times > 1
        ]
        for key in sorted(ours.keys() | theirs.keys(), key=str):
            what = _difference(table, ours.get(key), theirs.get(key))
            if what:
                found.append(RowDifference(key, what, is_extra=key not in ours))
        return found

    def _both(self, source: str, target: sql.Composed) -> tuple[list[Any], list[Any]]:
        """The answers of both servers, which work at the same time."""
        left_s = self._left_s()
        with ThreadPoolExecutor(max_workers=1) as beside:
            answer = beside.submit(self._target_rows, target, left_s)
            rows = self._source_rows(source, left_s)
            return rows, answer.result()

    def _left_s(self) -> float:
        left_s = self.deadline - self.clock()
        if left_s <= 0:
            raise _OverBudgetError
        return left_s

    def _source_rows(self, statement: str, left_s: float) -> list[Any]:
        limit = f"max_execution_time = {max(1, int(left_s * 1000))}"
        if is_mariadb(self.here):
            limit = f"max_statement_time = {left_s:.3f}"
        with self.here.cursor() as cursor:
            cursor.execute(f"SET SESSION {limit}")
            try:
                cursor.execute(statement)
            except pymysql.MySQLError as error:
                if error.args[0] in (_MYSQL_TIMEOUT, _MARIADB_TIMEOUT):
                    raise _OverBudgetError from error
                raise
            return list(cursor.fetchall())

    def _target_rows(self, statement: sql.Composed, left_s: float) -> list[Any]:
        milliseconds = str(max(1, int(left_s * 1000)))
        self.there.execute("SELECT set_config('statement_timeout', %s, false)", (milliseconds,))
        try:
            return self.there.execute(statement).fetchall()
        except psycopg.errors.QueryCanceled as error:
            raise _OverBudgetError from error


def _by_bucket(rows: Iterable[tuple[str, int, Any]]) -> dict[str, tuple[int, int]]:
    return {bucket: (int(count), int(total)) for bucket, count, total in rows}


def _unequal_counts(ours: Counter[Texts], theirs: Counter[Texts]) -> list[RowDifference]:
    """Rows that are all key; a table without a key may have several that are the same."""
    found = []
    for row in sorted(ours.keys() | theirs.keys(), key=str):
        missing = ours[row] - theirs[row]
        what = _MISSING if missing > 0 else _EXTRA
        found += [RowDifference(row, what, is_extra=missing < 0)] * abs(missing)
    return found


def _difference(table: ComparedTable, ours: Texts | None, theirs: Texts | None) -> str:
    if theirs is None:
        return _MISSING
    if ours is None:
        return _EXTRA
    names = [
        column.name
        for column, one, other in zip(table.columns, ours, theirs, strict=True)
        if not column.is_same(one, other)
    ]
    return f"other values of {', '.join(names)}" if names else ""
