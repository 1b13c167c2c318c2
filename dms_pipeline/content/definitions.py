"""Which columns of a table are compared with which, from what both servers say of it now."""

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from pymysql.connections import Connection

from dms_pipeline.binlog.snapshot import tables_without_snapshots
from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.content.canonical import ComparedColumn, SourceColumn, compared
from dms_pipeline.content.digests import ComparedTable
from dms_pipeline.content.written import WrittenColumn, written
from dms_pipeline.pipeline_config import ReplicatedTable
from dms_pipeline.row_filter import UnclearFilterError, row_filter
from dms_pipeline.table_selection import ColumnRules

_COLUMNS = """
    SELECT table_schema, table_name, column_name, data_type, column_type, character_set_name,
           COALESCE(character_maximum_length, 0)
      FROM information_schema.columns WHERE table_schema IN %s
     ORDER BY table_schema, table_name, ordinal_position
"""
_KEYS = """
    SELECT table_schema, table_name, column_name FROM information_schema.statistics
     WHERE table_schema IN %s AND index_name = 'PRIMARY'
     ORDER BY table_schema, table_name, seq_in_index
"""
_TARGET_COLUMNS = """
    SELECT table_schema, table_name, column_name, udt_name FROM information_schema.columns
     WHERE table_schema = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Pairing:
    """How one table is compared.

    Attributes:
        table: the table.
        compared: what is compared; None if nothing can be.
        written: how its columns are written, those of the key first, in the order of ``compared``.
        key_places: where the columns of its key stand in the rows of the binary log.
        has_key: whether the source has a primary key.
        not_compared: columns that are not, with the reason.
        undecided: why it cannot be compared; empty if it can.
    """

    table: ReplicatedTable
    compared: ComparedTable | None = None
    written: tuple[WrittenColumn, ...] = ()
    has_key: bool = True
    key_places: tuple[int, ...] = ()
    not_compared: tuple[str, ...] = ()
    undecided: str = ""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a table is compared.

    Attributes:
        share: only rows whose key's digest begins with these hexadecimal digits; all if empty.
        budget_s: seconds after which the comparison is given up.
        keys_only: whether only the keys are compared: which rows there are.
    """

    share: str = ""
    budget_s: float = 60
    keys_only: bool = False


@dataclass(frozen=True, slots=True)
class _Definitions:
    """What both servers say of tables, by the names that those have there."""

    columns: Mapping[TableId, Sequence[SourceColumn]]
    keys: Mapping[TableId, Sequence[str]]
    without_snapshots: Container[TableId]
    target_types: Mapping[TableId, Mapping[str, str]]

    def problem(self, table: ReplicatedTable) -> str:
        """Why the table cannot be compared whatever its columns are; empty if it can."""
        if table.source not in self.columns:
            return "there is no such table on the source"
        if table.target not in self.target_types:
            return "there is no such table on the target"
        if table.source in self.without_snapshots:
            return "its engine has no transactions: it cannot be read as of one moment"
        return ""


def paired(
    here: "Connection[Any]",
    there: "psycopg.Connection[Any]",
    extents: Mapping[ReplicatedTable, Extent],
    rules: ColumnRules,
    lob_limit: int | None,
) -> list[Pairing]:
    """The tables in their order, each with how it is compared in these two sessions."""
    with here.cursor() as cursor:
        # The server's own settings would show a TIMESTAMP and a CHAR otherwise.
        cursor.execute("SET SESSION time_zone = '+00:00', sql_mode = ''")
    there.execute("SELECT set_config('timezone', 'UTC', false)")
    known = _read(here, there, extents)
    return [_pairing(table, known, extent, rules, lob_limit) for table, extent in extents.items()]


def _read(
    here: "Connection[Any]", there: "psycopg.Connection[Any]", tables: Collection[ReplicatedTable]
) -> _Definitions:
    schemas = sorted({table.source.schema for table in tables})
    columns: dict[TableId, list[SourceColumn]] = {}
    for schema, name, column, kind, full_kind, charset, length in _rows(here, _COLUMNS, schemas):
        known = SourceColumn(column, kind, full_kind, charset, int(length))
        columns.setdefault(TableId(schema, name), []).append(known)
    keys: dict[TableId, list[str]] = {}
    for schema, name, column in _rows(here, _KEYS, schemas):
        keys.setdefault(TableId(schema, name), []).append(column)
    types: dict[TableId, dict[str, str]] = {}
    targets = sorted({table.target.schema for table in tables})
    for schema, name, column, kind in there.execute(_TARGET_COLUMNS, (targets,)).fetchall():
        types.setdefault(TableId(schema, name), {})[column] = kind
    return _Definitions(columns, keys, tables_without_snapshots(here, schemas), types)


def _pairing(
    table: ReplicatedTable,
    known: _Definitions,
    extent: Extent,
    rules: ColumnRules,
    lob_limit: int | None,
) -> Pairing:
    if problem := known.problem(table):
        return Pairing(table, undecided=problem)
    columns, key = known.columns[table.source], known.keys.get(table.source)
    try:
        rows = row_filter(table.filters, {column.name: column.data_type for column in columns})
    except UnclearFilterError as error:
        return Pairing(table, undecided=str(error))
    pairs: dict[str, _ColumnPair] = {}
    not_compared: list[str] = []
    for column in columns:
        name = rules.target_name(table.source, column.name)
        pair = _column_pair(column, name, known.target_types[table.target], lob_limit)
        if isinstance(pair, str):
            not_compared.append(f"{column.name}: {pair}")
        else:
            pairs[column.name] = pair
    has_key = key is not None
    # Two texts of one floating point number have two digests.
    told_apart = [name for name, pair in pairs.items() if pair.compared.number is not float]
    if key is None:
        not_compared += [
            f"{name}: a floating point number in a table without a primary key"
            for name in pairs
            if name not in told_apart
        ]
        # Rows are told apart by all they have.
        key, pairs = told_apart, {name: pairs[name] for name in told_apart}
    if not key:
        return Pairing(table, undecided="none of its columns can be compared")
    if missing := [name for name in key if name not in told_apart]:
        return Pairing(table, undecided=f"column {missing[0]} of its key cannot be compared")
    others = [] if extent.keys_only else [name for name in pairs if name not in key]
    places = {column.name: place for place, column in enumerate(columns)}
    return Pairing(
        table,
        ComparedTable(
            table.source,
            table.target,
            tuple(pairs[name].compared for name in key),
            tuple(pairs[name].compared for name in others),
            extent.share,
            rows,
        ),
        written=tuple(pairs[name].written for name in (*key, *others)),
        has_key=has_key,
        key_places=tuple(places[name] for name in key),
        not_compared=() if extent.keys_only else tuple(not_compared),
    )


@dataclass(frozen=True, slots=True)
class _ColumnPair:
    """A column as it is compared, and as it is written."""

    compared: ComparedColumn
    written: WrittenColumn


def _column_pair(
    column: SourceColumn, name: str | None, types: Mapping[str, str], lob_limit: int | None
) -> _ColumnPair | str:
    """With the target's column of that name; a text tells why it is not compared."""
    if name is None:
        return "a rule of the table mapping changes it"
    target = name if name in types else name.lower()
    if target not in types:
        return "the target has no such column"
    pair = compared(column, target, types[target], lob_limit=lob_limit)
    if pair is None:
        return f"{column.column_type} is not compared with {types[target]}"
    return _ColumnPair(pair, written(column, target, types[target], pair))


def _rows(
    connection: "Connection[Any]", statement: str, schemas: list[str]
) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, (schemas,))
        return list(cursor.fetchall())
