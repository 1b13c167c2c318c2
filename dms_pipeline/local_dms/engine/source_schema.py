"""Reading the definitions of source tables from information_schema."""

from collections import Counter
from dataclasses import replace
from typing import Any

from pymysql.connections import Connection

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.model import Column, SourceTable
from dms_pipeline.local_dms.engine.session_values import varying
from dms_pipeline.local_dms.engine.source_labels import with_true_labels
from dms_pipeline.local_dms.engine.stated_columns import charset_of_collation
from dms_pipeline.local_dms.engine.virtual_columns import Computation, falsely_logged

SYSTEM_SCHEMAS = ("information_schema", "mysql", "performance_schema", "sys")
# In other modes MariaDB prints expressions with names in other quotes. MySQL may hide the primary
# keys that it generates, though their values are in the log. MariaDB passes over the comment, and
# MySQL before 8.0.30 too, which has no such keys:
# https://dev.mysql.com/doc/refman/8.4/en/create-table-gipks.html
_SHOW_ALL_PLAINLY = (
    "SET SESSION sql_mode = ''"
    " /*!80030 , SESSION show_gipk_in_create_table_and_information_schema = ON */"
)
_TABLES = """
    SELECT table_schema, table_name, table_rows FROM information_schema.tables
    WHERE table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') AND table_schema NOT IN %s
"""
_KINDS = """
    SELECT table_schema, table_name, table_type, engine, table_collation
    FROM information_schema.tables WHERE table_schema IN %s
"""
_COLUMNS = """
    SELECT table_schema, table_name, column_name, data_type, column_type, character_set_name,
           character_maximum_length, character_octet_length, numeric_precision, numeric_scale,
           datetime_precision, collation_name, is_nullable, extra, generation_expression
    FROM information_schema.columns WHERE table_schema IN %s
    ORDER BY table_schema, table_name, ordinal_position
"""
_UNIQUE_INDEXES = """
    SELECT table_schema, table_name, index_name, column_name, index_type
    FROM information_schema.statistics
    WHERE non_unique = 0 AND table_schema IN %s
    ORDER BY table_schema, table_name, index_name, seq_in_index
"""
_PRIMARY = "PRIMARY"
_ELSEWHERE = "has its rows on another server, which do not change by this one's log"
_REFUSED_ENGINES = {
    # The log names the one or the other as the table of a change, whose rows both show.
    "MRG_MYISAM": "is a MERGE table, which has no rows of its own",
    "BLACKHOLE": "is a BLACKHOLE table, which keeps no rows",
    "FEDERATED": _ELSEWHERE,
    "CONNECT": _ELSEWHERE,
    "SPIDER": _ELSEWHERE,
}

Names = tuple[str, ...]


def list_tables(connection: "Connection[Any]") -> dict[TableId, int]:
    """Every base table outside the system schemas, with the server's estimate of its rows."""
    rows = _query(connection, _TABLES, (SYSTEM_SCHEMAS,))
    return {TableId(schema, table): int(estimate or 0) for schema, table, estimate in rows}


def read_tables(
    connection: "Connection[Any]", tables: dict[TableId, int]
) -> dict[TableId, SourceTable]:
    """The definitions of these tables; one that is gone is not in the answer."""
    schemas = tuple({table.schema for table in tables})
    if not schemas:
        return {}
    charsets, refused = {}, {}
    for schema, name, kind, engine, collation in _query(connection, _KINDS, (schemas,)):
        charsets[TableId(schema, name)] = charset_of_collation(collation) if collation else None
        refused[TableId(schema, name)] = _why_refused(kind, engine)
    _query(connection, _SHOW_ALL_PLAINLY, ())
    columns: dict[TableId, list[Column]] = {}
    computations: dict[TableId, dict[str, Computation]] = {}
    for schema, name, *column, extra, expression in _query(connection, _COLUMNS, (schemas,)):
        table = TableId(schema, name)
        if table in tables:
            computation = Computation(extra, expression)
            columns.setdefault(table, []).append(_column(column, computation))
            computations.setdefault(table, {})[columns[table][-1].name] = computation
            if computation.is_masked:
                refused[table] = f"has a masking policy, which hides values of column {column[0]}"
    for table, names in falsely_logged(connection, computations).items():
        columns[table] = [
            replace(column, is_falsely_logged=column.name in names) for column in columns[table]
        ]
    for table, computed in computations.items():
        reasons = varying({column.name: column for column in columns[table]}, computed)
        columns[table] = [
            replace(column, varies_by=", ".join(reasons.get(column.name, ())))
            for column in columns[table]
        ]
    indexes = _query(connection, _UNIQUE_INDEXES, (schemas,))
    keys, hashes = _primary_keys(indexes), _hash_counts(indexes)
    found = {}
    for table, estimate in tables.items():
        if table in columns:
            found[table] = SourceTable(
                table_id=table,
                columns=tuple(with_true_labels(connection, table, c) for c in columns[table]),
                primary_key=keys.get(table, ()),
                estimated_rows=estimate,
                hidden_columns=hashes[table],
                charset=charsets.get(table),
                why_refused=refused.get(table, ""),
            )
    return found


def _why_refused(kind: str, engine: str | None) -> str:
    if kind == "SYSTEM VERSIONED":
        return "is system-versioned; AWS DMS does not support such tables"
    return _REFUSED_ENGINES.get((engine or "").upper(), "")


def _primary_keys(indexes: list[tuple[Any, ...]]) -> dict[TableId, Names]:
    keys: dict[TableId, Names] = {}
    for schema, table, index, column, _ in indexes:
        if index == _PRIMARY:
            table_id = TableId(schema, table)
            keys[table_id] = (*keys.get(table_id, ()), column)
    return keys


def _hash_counts(rows: list[tuple[Any, ...]]) -> Counter[TableId]:
    """Per table its indexes of hashes: those of MariaDB over long columns are columns themselves.

    Those of MEMORY tables are not, and are counted all the same.
    """
    hashes = {(TableId(row[0], row[1]), row[2]) for row in rows if row[-1] == "HASH"}
    return Counter(table for table, _ in hashes)


def _column(row: list[Any], computation: Computation) -> Column:
    name, data_type, column_type, charset, chars, octets, precision, scale, fraction, *more = row
    return Column(
        name=name,
        data_type=data_type.lower(),
        column_type=column_type,
        charset=charset,
        char_length=chars,
        octet_length=octets,
        precision=precision,
        scale=scale,
        fraction_digits=fraction or 0,
        collation=more[0],
        is_nullable=more[1] == "YES",
        computed_from=computation.computed_from,
        uses_defaults=computation.uses_defaults,
    )


def _query(
    connection: "Connection[Any]", statement: str, arguments: tuple[Any, ...]
) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return list(cursor.fetchall())
