"""Reading the definitions of source tables from information_schema."""

from typing import Any

from pymysql.connections import Connection

from dms_pipeline.binlog.table_id import TableId
from dms_pipeline.local_dms.engine.model import Column, SourceTable

_SYSTEM_SCHEMAS = ("information_schema", "mysql", "performance_schema", "sys")
_TABLES = """
    SELECT table_schema, table_name, table_rows FROM information_schema.tables
    WHERE table_type = 'BASE TABLE' AND table_schema NOT IN %s
"""
_COLUMNS = """
    SELECT table_schema, table_name, column_name, data_type, column_type, character_set_name,
           character_maximum_length, character_octet_length, numeric_precision, numeric_scale,
           datetime_precision
    FROM information_schema.columns WHERE table_schema IN %s
    ORDER BY table_schema, table_name, ordinal_position
"""
_PRIMARY_KEYS = """
    SELECT table_schema, table_name, column_name FROM information_schema.statistics
    WHERE index_name = 'PRIMARY' AND table_schema IN %s
    ORDER BY table_schema, table_name, seq_in_index
"""


def list_tables(connection: "Connection[Any]") -> dict[TableId, int]:
    """Every base table outside the system schemas, with the server's estimate of its rows."""
    rows = _query(connection, _TABLES, (_SYSTEM_SCHEMAS,))
    return {TableId(schema, table): int(estimate or 0) for schema, table, estimate in rows}


def read_tables(
    connection: "Connection[Any]", tables: dict[TableId, int]
) -> dict[TableId, SourceTable]:
    """The definitions of these tables; one that is gone is not in the answer."""
    schemas = tuple({table.schema for table in tables})
    if not schemas:
        return {}
    columns: dict[TableId, list[Column]] = {}
    for schema, table, *column in _query(connection, _COLUMNS, (schemas,)):
        columns.setdefault(TableId(schema, table), []).append(_column(column))
    keys: dict[TableId, list[str]] = {}
    for schema, table, name in _query(connection, _PRIMARY_KEYS, (schemas,)):
        keys.setdefault(TableId(schema, table), []).append(name)
    return {
        table: SourceTable(table, tuple(columns[table]), tuple(keys.get(table, ())), estimate)
        for table, estimate in tables.items()
        if table in columns
    }


def _column(row: list[Any]) -> Column:
    name, data_type, column_type, charset, chars, octets, precision, scale, fraction = row
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
    )


def _query(
    connection: "Connection[Any]", statement: str, arguments: tuple[Any, ...]
) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return list(cursor.fetchall())
