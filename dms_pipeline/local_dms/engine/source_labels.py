"""The true labels of ENUM and SET columns, for where the server describes them with question marks.

Servers keep descriptions in three-byte UTF-8 and show a question mark for a character beyond
U+FFFF, and for bytes that are no text. Values they show truly. So a label is asked for as a value,
by its number: the later rows of a recursive query are stored in the types of the first, and MariaDB
has variables of a column's type. Neither reads a row of the table or needs a right but SELECT.
"""

import logging
from dataclasses import replace
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.constants import ER

from dms_pipeline.binlog.connection import describe_error
from dms_pipeline.binlog.snapshot import is_mariadb
from dms_pipeline.binlog.table_id import TableId, quoted, quoted_table
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.type_mapping.charsets import is_utf8, text_decoder
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import UnfitValueError
from dms_pipeline.local_dms.engine.type_mapping.labels import label_type, parse_labels

logger = logging.getLogger(__name__)

_FOUR_BYTE_SETS = frozenset({"utf8mb4", "gb18030", "binary"})
# Of labels that are no text in these MySQL leaves out what is too much.
_FIXED_WIDTH_SETS = frozenset({"ucs2", "utf16", "utf16le", "utf32"})
# A conversion of the column between character sets may have left labels that are no text in the new
# one: servers do not convert them, and print such a label otherwise beside others than alone. This
# is no text on the target either, so a row that has the label is an error.
_NO_TEXT = "\udcff"
_ER_UNKNOWN_DATA_TYPE = 4161
# The server is older than MySQL 8 or MariaDB 10.3, the table was altered or dropped meanwhile, or
# the account may not read it.
_UNANSWERED = frozenset({
    _ER_UNKNOWN_DATA_TYPE, ER.PARSE_ERROR, ER.NO_SUCH_TABLE, ER.BAD_FIELD_ERROR,
    ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR, ER.WARN_DATA_TRUNCATED,
})  # fmt: skip
# The cast is for a column that was altered meanwhile: HEX of a number is another thing.
_BY_RECURSION = """
    WITH RECURSIVE labels (label, is_wanted) AS (
        SELECT {column}, 0 FROM {table} WHERE FALSE
        UNION ALL SELECT NULL, 0
        UNION ALL SELECT {number}, 1 FROM labels WHERE NOT is_wanted
    ) SELECT CONVERT(HEX(CAST(label AS BINARY)) USING utf8mb4) FROM labels WHERE is_wanted
"""
# MariaDB keeps only eight members of a SET in such a query. For an ENUM the variable is slow: its
# declaration takes time by the square of the members.
_BY_VARIABLE = (
    "BEGIN NOT ATOMIC DECLARE label TYPE OF {table}.{column} DEFAULT {number};"
    " SELECT CONVERT(HEX(CAST(label AS BINARY)) USING utf8mb4); END"
)


def with_true_labels(connection: "Connection[Any]", table: TableId, column: Column) -> Column:
    """The column, its type written with the labels that its values have."""
    every = column.charset in _FIXED_WIDTH_SETS
    if column.data_type not in ("enum", "set") or not (every or column.charset in _FOUR_BYTE_SETS):
        return column
    labels = parse_labels(column.column_type)
    doubtful = [place for place, label in enumerate(labels) if every or "?" in label]
    if not doubtful:
        return column
    try:
        true_labels = _ask(connection, table, column, doubtful)
    except pymysql.MySQLError as error:
        if error.args[0] not in _UNANSWERED:
            raise
        logger.warning(
            "table %s, column %s: labels with a question mark may have another character there,"
            " which the server does not tell (%s); captured changes have the question mark",
            table,
            column.name,
            describe_error(error),
        )
        return column
    for place, label in true_labels.items():
        labels[place] = label
    return replace(column, column_type=label_type(column.data_type, labels))


def _ask(
    connection: "Connection[Any]", table: TableId, column: Column, places: list[int]
) -> dict[int, str]:
    is_set = column.data_type == "set"
    statement = _BY_VARIABLE if is_set and is_mariadb(connection) else _BY_RECURSION
    names = {"column": quoted(column.name), "table": quoted_table(table)}
    labels = {}
    with connection.cursor() as cursor:
        for place in places:
            number = 1 << place if is_set else place + 1
            cursor.execute(statement.format(number=number, **names))
            shown = cursor.fetchone()[0]
            if shown is not None:
                labels[place] = _text(bytes.fromhex(shown), column.charset)
    return labels


def _text(label: bytes, charset: str | None) -> str:
    """Labels of the character set ``binary`` may be anything; what is no UTF-8 is kept as it is."""
    if charset == "binary":
        return label.decode(errors="surrogateescape")
    try:
        return label.decode() if is_utf8(charset) else text_decoder(str(charset))(label)
    except (UnicodeDecodeError, UnfitValueError):
        return _NO_TEXT
