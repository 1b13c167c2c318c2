"""The table of the AWS walkthrough, and rows to fill it with."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql
from pymysql.connections import Connection

from dms_pipeline.binlog.connection import ConnectionSettings
from dms_pipeline.errors import SourceError

SCHEMA, TABLE = "studentdb", "student_details"
Student = tuple[int, str, str, str, int]

_CREATE = f"""CREATE TABLE IF NOT EXISTS {SCHEMA}.{TABLE} (
    student_id int PRIMARY KEY, name varchar(30), department varchar(30), email varchar(50),
    batch_year int)"""
_FIRST = (
    ("Jake", "IT", 2020),
    ("John", "ComputerScience", 2021),
    ("Kelly", "Commerce", 2022),
    ("Bill", "IT", 2020),
    ("Joe", "ComputerScience", 2020),
    ("Steve", "IT", 2021),
    ("Mike", "ComputerScience", 2022),
)


def first_students() -> list[Student]:
    """The seven rows that the full load finds."""
    return [
        (number, name, department, f"{name.lower()}@example.com", year)
        for number, (name, department, year) in enumerate(_FIRST, start=1)
    ]


def new_students(first: int, count: int) -> list[Student]:
    """Rows as the walkthrough's insert script makes them."""
    return [
        (number, f"Student{number}", "ComputerScience", f"student{number}@example.com", 2022)
        for number in range(first, first + count)
    ]


@contextmanager
def connect(dsn: str) -> Iterator["Connection[Any]"]:
    """A connection for an administrator of the source. Raises `SourceError` when it is refused."""
    parts = urlsplit(dsn)
    where = f"{parts.hostname}:{parts.port}"
    try:
        connection = ConnectionSettings(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or 3306,
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        ).connect()
    except SourceError as error:
        raise SourceError(f"{error}. Start it with `dms-pipeline local up`") from error
    try:
        with connection:
            yield connection
    except pymysql.MySQLError as error:
        raise SourceError(f"the source at {where} failed: {error}") from error


def create_table(connection: "Connection[Any]") -> None:
    execute(connection, f"CREATE DATABASE IF NOT EXISTS {SCHEMA}")
    execute(connection, _CREATE)


def insert(connection: "Connection[Any]", students: list[Student]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {SCHEMA}.{TABLE} VALUES (%s, %s, %s, %s, %s)", students)


def next_id(connection: "Connection[Any]") -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COALESCE(MAX(student_id), 0) + 1 FROM {SCHEMA}.{TABLE}")
        return int((cursor.fetchone() or (1,))[0])


def execute(connection: "Connection[Any]", statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def rows(connection: "Connection[Any]") -> list[Student]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {SCHEMA}.{TABLE} ORDER BY student_id")
        return list(cursor.fetchall())
