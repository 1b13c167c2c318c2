"""One text for a value on both servers, by the types it has there. Pure.

Each rule gives an expression for MySQL, one for PostgreSQL, and, for columns of keys, a function
from a value of the binary log; all three give the same text for the same value. Where they may
differ although the value is the same, as with the last digits of a DOUBLE, `is_same` decides.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

from psycopg import sql

from dms_pipeline.binlog.table_id import quoted

_INTEGER_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_NUMBERS = ("int2", "int4", "int8", "numeric")
_TEXTS = ("text", "varchar", "bpchar")
_SHORT_TEXTS = ("char", "varchar", "enum", "set")
_LONG_TEXTS = ("tinytext", "text", "mediumtext", "longtext", "json")
_BYTES = ("binary", "varbinary")
_LONG_BYTES = ("tinyblob", "blob", "mediumblob", "longblob")
_GEOMETRIES = (
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geomcollection", "geometrycollection",
)  # fmt: skip
_PLAIN = ("uuid", "inet4", "inet6")
_CODECS = {"utf8mb4": "utf-8", "utf8mb3": "utf-8", "utf8": "utf-8", "ascii": "ascii"}
_LONGEST_PLAIN = 255
"""Characters from which on the digest of a text stands for it."""

FromLog = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class SourceColumn:
    """A column as information_schema.columns of MySQL tells of it."""

    name: str
    data_type: str
    column_type: str
    charset: str | None = None
    length: int = 0


@dataclass(frozen=True, slots=True)
class ComparedColumn:
    """A column that is compared.

    Attributes:
        name: the source column.
        on_source: MySQL expression of the canonical text, NULL for NULL.
        on_target: the same for PostgreSQL.
        is_free: whether the text may hold any character.
        from_log: the canonical text of a value of the binary log; None where that is not known.
        number: reads the texts, where those of equal values may differ.
    """

    name: str
    on_source: str
    on_target: sql.Composable
    is_free: bool = False
    from_log: FromLog | None = None
    number: Callable[[str], Any] | None = None

    def is_same(self, source: str | None, target: str | None) -> bool:
        if source == target or self.number is None or source is None or target is None:
            return source == target
        return bool(self.number(source) == self.number(target))


def compared(
    column: SourceColumn, target: str, target_type: str, *, lob_limit: int | None = None
) -> ComparedColumn | None:
    """How a column is compared with a column of the target; None if no rule knows the two types.

    Args:
        column: the source's.
        target: the name of the target's.
        target_type: its type as pg_type names it, such as ``int4``.
        lob_limit: bytes of a large object that are on the target at least; None if all are.
    """
    here, there = quoted(column.name), sql.Identifier(target)
    if lob_limit is not None and column.data_type in (*_LONG_TEXTS, *_LONG_BYTES):
        return _beginning(column, here, there, target_type, lob_limit)
    for rule in (_integer, _decimal, _float, _bit, _text, _bytes, _date, _timestamp, _time, _plain):
        if found := rule(column, here, there, target_type):
            return found
    return None


def _beginning(
    column: SourceColumn, here: str, there: sql.Identifier, kind: str, lob_limit: int
) -> ComparedColumn | None:
    """Of a large object what is not cut off on the way; of a text, characters of four bytes."""
    if column.data_type in _LONG_TEXTS and kind in _TEXTS:
        size = max(1, lob_limit // 4)
        text = sql.SQL("left({}, {})").format(there, sql.Literal(size))
        return _text_digest(column, f"LEFT(CONVERT({here} USING utf8mb4), {size})", text)
    if column.data_type in _LONG_BYTES and kind == "bytea":
        octets = sql.SQL("substring({} FROM 1 FOR {})").format(there, sql.Literal(lob_limit))
        return _digest(column, f"LEFT({here}, {lob_limit})", octets)
    return None


def _text_digest(column: SourceColumn, here: str, there: sql.Composable) -> ComparedColumn:
    return _digest(column, here, sql.SQL("convert_to({}, 'UTF8')").format(there))


def _digest(column: SourceColumn, here: str, there: sql.Composable) -> ComparedColumn:
    """A text for octets that may be many."""
    on_target = sql.SQL("encode(sha256({}), 'hex')").format(there)
    return ComparedColumn(column.name, f"SHA2({here}, 256)", on_target)


def _integer(
    column: SourceColumn, here: str, there: sql.Identifier, kind: str
) -> ComparedColumn | None:
    bits = _INTEGER_BITS.get(column.data_type)
    if bits is None and column.data_type != "year":
        return None
    # A ZEROFILL column would be printed with its zeros.
    text = f"CAST({here} + 0 AS CHAR)"
    is_unsigned = "unsigned" in column.column_type or "zerofill" in column.column_type

    def from_log(value: int) -> str:
        return str(value % (1 << bits) if bits and is_unsigned else value)

    if kind in _NUMBERS:
        return ComparedColumn(column.name, text, sql.SQL("{}::text").format(there), False, from_log)
    if kind == "bool":
        truth = f"CAST({here} <> 0 AS CHAR)"
        return ComparedColumn(column.name, truth, sql.SQL("{}::int::text").format(there))
    return None


def _decimal(
    column: SourceColumn, here: str, there: sql.Identifier, kind: str
) -> ComparedColumn | None:
    if column.data_type != "decimal" or kind not in _NUMBERS:
        return None

    def from_log(value: Decimal) -> str:
        return format(value, "f")

    text = sql.SQL("{}::text").format(there)
    return ComparedColumn(
        column.name, f"CAST({here} AS CHAR)", text, False, from_log, number=Decimal
    )


def _float(
    column: SourceColumn, here: str, there: sql.Identifier, kind: str
) -> ComparedColumn | None:
    if column.data_type not in ("float", "double") or kind not in ("float4", "float8"):
        return None
    if column.data_type == "float":
        exact = f"CAST({here} AS DOUBLE)"
        number = sql.SQL("{}::real::double precision").format(there)
    else:
        exact, number = f"({here} + 0e0)", sql.SQL("{}::double precision").format(there)
    return ComparedColumn(
        column.name,
        f"CAST({exact} AS CHAR)",
        sql.SQL("({})::text").format(number),
        number=float,
    )


def _bit(
    column: SourceColumn, here: str, there: sql.Identifier, kind: str
) -> ComparedColumn | None:
    if column.data_type != "bit":
        return None
    if kind == "bool":
        return ComparedColumn(
            column.name,
            f"CAST({here} + 0 AS CHAR)",
            sql.SQL("{}::int::text").format(there),
            from_log=lambda value: str(int(value)),
        )
    if kind == "bytea":
        width = 2 * ((int(re.sub(r"\D", "", column.column_type) or 1) + 7) // 8)
        return ComparedColumn(
            column.name,
            f"LPAD(HEX({here} + 0), {width}, '0')",
            sql.SQL("upper(encode({}, 'hex'))").format(there),
        )
    return None


def _text(
    column: SourceColumn, here: str, there: sql.Identifier, kind: str
) -> ComparedColumn | None:
    is_long = column.data_type in _LONG_TEXTS or column.length > _LONGEST_PLAIN
    if kind not in _TEXTS or column.data_type not in (*_SHORT_TEXTS, *_LONG_TEXTS):
        return None
    text = f"CONVERT({here} USING utf8mb4)"
    if is_long:
        return _text_digest(column, text, there)
    codec = _CODECS.get(column.charset or "")
    is_told = codec is not None and column.data_type in ("char", "varchar")
    return ComparedColumn(
        column.name,
        text,
        sql.SQL("{}::text").format(there),
        is_free=True,
        from_log=partial(_decoded, str(codec)) if is_told else None,
    )


def _decoded(codec: str, value: bytes) -> str:
    return value.decode(codec)


def _bytes(
    column: SourceColumn, here: str, there: sql.Identifier, kind: str
) -> ComparedColumn | None:
    known = (*_BYTES, *_LONG_BYTES, *_GEOMETRIES)
    if kind != "bytea" or column.data_type not in known:
        return None
    if column.data_type not in _BYTES or column.length > _LONGEST_PLAIN:
        return _digest(column, here, there)
    # The log leaves out the zero bytes at the end of a BINARY.
    width = column.length if column.data_type == "binary" else 0

    def from_log(value: bytes) -> str:
        return value.ljust(width, b"\0").hex().upper()

    hexadecimal = sql.SQL("upper(encode({}, 'hex'))").format(there)
    return ComparedColumn(column.name, f"HEX({here})", hexadecimal, False, from_log)


def _date(
    column: SourceColumn, here: str, there: sql.Identifier, kind: str
) -> ComparedColumn | None:
    if column.data_type != "date" or kind != "date":
        return None
    text = sql.SQL("to_char({}, 'YYYY-MM-DD')").format(there)
    return ComparedColumn(column.name, _calendar(here, f"CAST({here} AS CHAR)"), text, False, str)


def _timestamp(
    column: SourceColumn, here: str, there: sql.Identifier, kind: str
) -> ComparedColumn | None:
    if column.data_type not in ("datetime", "timestamp"):
        return None
    if kind not in ("timestamp", "timestamptz"):
        return None
    moment: sql.Composable = there
    if kind == "timestamptz":
        moment = sql.SQL("({} AT TIME ZONE 'UTC')").format(there)

    def from_log(value: str) -> str:
        seconds, _, fraction = value.partition(".")
        return f"{seconds}.{fraction.ljust(6, '0')}"

    return ComparedColumn(
        column.name,
        _calendar(here, f"DATE_FORMAT({here}, '%Y-%m-%d %H:%i:%s.%f')"),
        sql.SQL("to_char({}, 'YYYY-MM-DD HH24:MI:SS.US')").format(moment),
        False,
        from_log,
    )


def _calendar(moment: str, text: str) -> str:
    """NULL for zero dates and for days that no month has, which the target has no value for."""
    exists = f"DAYOFMONTH({moment}) BETWEEN 1 AND DAYOFMONTH(LAST_DAY({moment}))"
    return f"IF(YEAR({moment}) > 0 AND MONTH({moment}) > 0 AND {exists}, {text}, NULL)"


def _time(
    column: SourceColumn, here: str, there: sql.Identifier, kind: str
) -> ComparedColumn | None:
    if column.data_type != "time":
        return None
    if kind in _TEXTS:
        return ComparedColumn(
            column.name, f"CAST({here} AS CHAR)", sql.SQL("{}::text").format(there), from_log=str
        )
    if kind == "time":
        return ComparedColumn(
            column.name,
            f"TIME_FORMAT({here}, '%H:%i:%s.%f')",
            sql.SQL("to_char({}, 'HH24:MI:SS.US')").format(there),
        )
    return None


def _plain(
    column: SourceColumn, here: str, there: sql.Identifier, kind: str
) -> ComparedColumn | None:
    if column.data_type not in _PLAIN or kind not in (*_TEXTS, "uuid", "inet"):
        return None
    return ComparedColumn(
        column.name, f"CAST({here} AS CHAR)", sql.SQL("{}::text").format(there), is_free=True
    )
