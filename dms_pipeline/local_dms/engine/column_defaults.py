"""The value that ADD COLUMN gives to the rows a table already has. Pure."""

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from sqlglot import TokenType

from dms_pipeline.errors import LoadError
from dms_pipeline.local_dms.engine.change_batch import Field
from dms_pipeline.local_dms.engine.ddl_clauses import AlterClause, ColumnAdded, DefaultValue
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.statement_times import StatementTimes
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import escape
from dms_pipeline.local_dms.engine.type_mapping.labels import parse_labels

_NUMBERS = frozenset({
    "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "year",
})  # fmt: skip
_TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_TEMPORAL = frozenset({"date", "datetime", "timestamp"})


def default_field(column: PlannedColumn, clause: ColumnAdded, times: StatementTimes) -> Field:
    """The field of a COPY stream for existing rows.

    Args:
        column: as it is planned behind the statement.
        clause: the statement's.
        times: of the statement and of its literals; see ``timestamp_literals``.

    Raises:
        LoadError: only the source can say what its rows got.
    """
    default = clause.default
    source = column.source
    if default is None and source.is_nullable and not clause.not_null:
        return None
    if default is None:
        return _implicit(column)
    if default.current is not None:
        return _current(column, default, times)
    if default.is_expression:
        raise _unknown(column, "an expression")
    if default.text is None:
        return None
    try:
        return _literal(column, default, times)
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


def timestamp_literals(
    columns: Iterable[PlannedColumn], clauses: Sequence[AlterClause]
) -> Iterator[datetime]:
    """The defaults whose meaning depends on the session's time zone, in whole seconds.

    ``columns`` are those behind the statement.
    """
    timestamps = {
        c.source.name.lower(): c.source for c in columns if c.source.data_type == "timestamp"
    }
    for clause in clauses:
        if not isinstance(clause, ColumnAdded) or clause.default is None:
            continue
        if (column := timestamps.get(clause.name.lower())) is not None:
            with suppress(ValueError):
                yield _moment_of(column, clause.default.text or "").replace(microsecond=0)


def _current(column: PlannedColumn, default: DefaultValue, times: StatementTimes) -> Field:
    """CURRENT_TIMESTAMP and CURRENT_DATE."""
    kind = column.source.data_type
    moment = times.utc if kind == "timestamp" else times.local
    if moment is None or kind not in _TEMPORAL or (default.current, kind) == ("date", "timestamp"):
        raise _unknown(column, "an expression")
    if kind == "date" or default.current == "date":
        return f"{moment:%Y-%m-%d}{' 00:00:00' * (kind != 'date')}".encode()
    digits = min(default.digits, column.source.fraction_digits)
    if digits and times.microsecond is None:
        raise _unknown(column, "an expression")
    if digits:
        moment = moment.replace(microsecond=times.microsecond or 0)
    text = f"{moment:%Y-%m-%d %H:%M:%S.%f}"
    return text[: len(text) - 6 + digits].rstrip(".").encode()


def _literal(column: PlannedColumn, default: DefaultValue, times: StatementTimes) -> Field:
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
    if kind in _TEXTS or (kind == "json" and text in ("{}", "[]")):
        return escape((text.rstrip(" ") if kind == "char" else text).encode())
    if kind in ("enum", "set") and is_text:
        return _labels(column, text)
    if kind in _BYTES and is_text and text.isascii():
        return column.mapping.from_binlog(text.encode())
    if kind not in _TEMPORAL and kind != "time":
        raise ValueError(kind)
    return _time(source, text) if kind == "time" else _moment(source, text, times)


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


def _moment(column: Column, text: str, times: StatementTimes) -> Field:
    if text.startswith("0000-00-00") or text == "0":
        return None
    moment = _moment_of(column, text)
    if column.data_type == "date":
        return f"{moment:%Y-%m-%d}".encode()
    if column.data_type == "timestamp":
        in_utc = times.in_utc.get(moment.replace(microsecond=0))
        if in_utc is None:
            raise ValueError(text)
        moment = in_utc.replace(microsecond=moment.microsecond)
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}".encode()


def _moment_of(column: Column, text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    kept = len(text.partition(".")[2]) <= column.fraction_digits
    if moment.tzinfo is not None or not kept or (column.data_type == "date" and ":" in text):
        # Servers differ in whether they round.
        raise ValueError(text)
    return moment


def _time(column: Column, text: str) -> bytes:
    datetime.strptime(text, "%H:%M:%S")
    digits = column.fraction_digits
    return (text + ("." + "0" * digits if digits else "")).encode()


def _unknown(column: PlannedColumn, default: str) -> LoadError:
    return LoadError(
        f"column {column.source.name} was added with the default {default}, and what existing rows"
        f" got in type {column.source.column_type} is known to the source only; run a full load of"
        " the table"
    )
