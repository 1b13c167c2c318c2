"""The value that ADD COLUMN gives to the rows a table already has. Pure."""

import struct
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from sqlglot import TokenType

from dms_pipeline.errors import LoadError
from dms_pipeline.local_dms.engine.change_batch import Field
from dms_pipeline.local_dms.engine.ddl_clauses import ColumnAdded, DefaultValue
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import escape
from dms_pipeline.local_dms.engine.type_mapping.labels import parse_labels

_NUMBERS = frozenset({
    "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "year",
})  # fmt: skip
_TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_TEMPORAL = frozenset({"date", "datetime", "timestamp"})


def default_field(column: PlannedColumn, clause: ColumnAdded, timestamp: int) -> Field:
    """The field of a COPY stream for existing rows.

    Args:
        column: as it is planned behind the statement.
        clause: the statement's.
        timestamp: when the statement ran, for CURRENT_TIMESTAMP.

    Raises:
        LoadError: only the source can say what its rows got.
    """
    default = clause.default
    source = column.source
    if default is None and source.is_nullable and not clause.not_null:
        return None
    if default is None:
        return _implicit(column)
    if default.is_now and source.data_type == "timestamp" and not source.fraction_digits:
        return f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d %H:%M:%S}".encode()
    if default.is_expression:
        raise _unknown(column, "an expression")
    if default.text is None:
        return None
    try:
        return _literal(column, default)
    except (ValueError, InvalidOperation) as error:
        raise _unknown(column, f"{default.text!r}") from error


def _implicit(column: PlannedColumn) -> Field:
    kind = column.source.data_type
    if kind == "timestamp":
        # The moment of the statement, on servers without explicit_defaults_for_timestamp.
        raise _unknown(column, "none")
    if kind in _TEMPORAL:
        # The zero date.
        return None
    if kind in _TEXTS or kind == "set":
        return b""
    if kind in ("float", "double"):
        return column.mapping.from_binlog(0.0)
    if kind in _NUMBERS:
        return _number(column.source, "0")
    if kind == "time":
        return _time(column.source, "00:00:00")
    stored: dict[str, object] = {"enum": 1, "bit": 0, **dict.fromkeys(_BYTES, b"")}
    if kind not in stored:
        raise _unknown(column, "none")
    return column.mapping.from_binlog(stored[kind])


def _literal(column: PlannedColumn, default: DefaultValue) -> Field:
    source, text = column.source, default.text or ""
    kind, is_text = source.data_type, default.is_plain_text
    base = _BASES.get(default.kind) if default.kind is not None else None
    if kind == "bit" and not is_text:
        return column.mapping.from_binlog(int(text, base or 10))
    if kind in _NUMBERS:
        return _number_literal(column, text, base, is_text=is_text)
    if base is not None or not (is_text or text == str(int(text))):
        # How such a number is written as a text is for the source to say.
        raise ValueError(text)
    if kind in _TEXTS:
        return escape((text.rstrip(" ") if kind == "char" else text).encode())
    if kind in ("enum", "set") and is_text:
        return _labels(column, text)
    if kind in _BYTES and is_text and text.isascii():
        return column.mapping.from_binlog(text.encode())
    for kinds, convert in _BY_TEXT:
        if kind in kinds:
            return convert(source, text)
    raise ValueError(kind)


def _number_literal(column: PlannedColumn, text: str, base: int | None, *, is_text: bool) -> Field:
    kind = column.source.data_type
    if base is not None:
        return column.mapping.from_binlog(int(text, base))
    if kind == "year":
        return _year(int(text), is_text=is_text)
    if kind not in ("float", "double"):
        return _number(column.source, text)
    if "(" in column.source.column_type:
        raise ValueError(text)
    stored = _FLOAT.unpack(_FLOAT.pack(float(text)))[0] if kind == "float" else float(text)
    return column.mapping.from_binlog(stored)


_FLOAT = struct.Struct("<f")
_BASES = {TokenType.BIT_STRING: 2, TokenType.HEX_STRING: 16}


def _year(number: int, *, is_text: bool) -> bytes:
    """One or two digits mean a year from 1970 to 2069; zero is 2000 only if it is a text."""
    if 0 < number < 70 or (not number and is_text):
        number += 2000
    elif 70 <= number < 100:
        number += 1900
    return b"%d" % number


def _number(column: Column, text: str) -> bytes:
    scale = column.scale or 0 if column.data_type == "decimal" else 0
    rounded = Decimal(text).quantize(Decimal(1).scaleb(-scale), rounding=ROUND_HALF_UP)
    return format(rounded, "f").encode()


def _labels(column: PlannedColumn, text: str) -> Field:
    labels = [label.lower() for label in parse_labels(column.source.column_type)]
    if column.source.data_type == "enum":
        return column.mapping.from_binlog(labels.index(text.lower()) + 1)
    chosen = [label for label in text.lower().split(",") if label]
    return column.mapping.from_binlog(sum(1 << labels.index(label) for label in chosen))


def _moment(column: Column, text: str) -> Field:
    if text.startswith("0000-00-00") or text == "0":
        return None
    if column.data_type == "timestamp":
        # Its meaning depends on the time zone of the session that altered the table.
        raise ValueError(text)
    moment = datetime.fromisoformat(text)
    kept = len(text.partition(".")[2]) <= column.fraction_digits
    if moment.tzinfo is not None or not kept or (column.data_type == "date" and ":" in text):
        # Servers differ in whether they round.
        raise ValueError(text)
    if column.data_type == "date":
        return f"{moment:%Y-%m-%d}".encode()
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}".encode()


def _time(column: Column, text: str) -> bytes:
    datetime.strptime(text, "%H:%M:%S")
    digits = column.fraction_digits
    return (text + ("." + "0" * digits if digits else "")).encode()


_BY_TEXT: tuple[tuple[frozenset[str], Callable[[Column, str], Field]], ...] = (
    (_TEMPORAL, _moment),
    (frozenset({"time"}), _time),
)


def _unknown(column: PlannedColumn, default: str) -> LoadError:
    return LoadError(
        f"column {column.source.name} was added with the default {default}, and what existing rows"
        f" got in type {column.source.column_type} is known to the source only; run a full load of"
        " the table"
    )
