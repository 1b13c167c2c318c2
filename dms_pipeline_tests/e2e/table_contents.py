"""Whole tables of both sides as comparable values, read without any code of the engine."""

import datetime
import math
from collections import Counter
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

from dms_pipeline_tests.engine_driver import connect_source, quoted

Rows = Counter[tuple[str | None, ...]]


def source_tables(dsn: str, schema: str) -> dict[str, list[tuple[str, str]]]:
    """The tables with names and types of their columns."""
    rows = _source_rows(
        dsn,
        "SELECT c.table_name, c.column_name, c.column_type FROM information_schema.columns c"
        " JOIN information_schema.tables t USING (table_schema, table_name)"
        f" WHERE c.table_schema = '{schema}' AND t.table_type = 'BASE TABLE'"
        " ORDER BY c.table_name, c.column_name",
    )
    tables: dict[str, list[tuple[str, str]]] = {}
    for table, column, data_type in rows:
        tables.setdefault(str(table), []).append((str(column), str(data_type)))
    return tables


def source_content(dsn: str, schema: str, table: str, columns: list[tuple[str, str]]) -> Rows:
    listed = ", ".join(quoted(column) for column, _ in columns)
    rows = _source_rows(dsn, f"SELECT {listed} FROM {quoted(schema)}.{quoted(table)}")
    kinds = [kind for _, kind in columns]
    return Counter(
        tuple(_source_text(value, kind) for value, kind in zip(row, kinds, strict=True))
        for row in rows
    )


def target_content(dsn: str, schema: str, table: str, columns: list[tuple[str, str]]) -> Rows:
    query = sql.SQL("SELECT {} FROM {}").format(
        sql.SQL(", ").join(sql.Identifier(column) for column, _ in columns),
        sql.Identifier(schema, table),
    )
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(query).fetchall()
    kinds = [kind for _, kind in columns]
    return Counter(
        tuple(_target_text(value, kind) for value, kind in zip(row, kinds, strict=True))
        for row in rows
    )


def _source_rows(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    connection = connect_source(dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            cursor.execute(statement)
            return list(cursor.fetchall())
    finally:
        connection.close()


def _source_text(value: Any, kind: str) -> str | None:
    if kind.startswith(("date", "timestamp")) and isinstance(value, str):
        # The driver leaves a date that is none as text; the target has NULL there.
        return None
    if kind.startswith("float") and value is not None:
        return f"{float(value):.5g}"
    if _is_time(kind) and value is not None:
        return _time_text(value)
    if kind == "bit(1)" and value is not None:
        return _text(bool(value[0]))
    return _text(value)


def _target_text(value: Any, kind: str) -> str | None:
    if _is_time(kind) and value is not None and "." in value:
        return str(value).rstrip("0").rstrip(".")
    return _text(value)


def _is_time(kind: str) -> bool:
    return kind == "time" or kind.startswith("time(")


def _time_text(value: datetime.timedelta) -> str:
    microseconds = abs(value) // datetime.timedelta(microseconds=1)
    seconds, fraction = divmod(microseconds, 1_000_000)
    sign = "-" if value < datetime.timedelta(0) else ""
    text = f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}".rstrip("0").rstrip(".") if fraction else text


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float):
        return "nan" if math.isnan(value) else f"{value:.5g}"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)
