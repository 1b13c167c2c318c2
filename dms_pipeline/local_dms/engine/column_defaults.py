"""The value that ADD COLUMN gives to the rows a table already has. Pure."""

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
    if default is None and not clause.not_null:
        return None
    if default is None:
        return _implicit(column)
    if default.is_now and column.source.data_type == "timestamp":
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
    if kind in _TEMPORAL:
        # The zero date.
        return None
    if kind in _TEXTS or kind == "set":
        return b""
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
    kind = source.data_type
    base = _BASES.get(default.kind) if default.kind is not None else None
    if kind == "bit" or (kind in _NUMBERS and base):
        return column.mapping.from_binlog(int(text, base or 10))
    if kind in _TEXTS:
        return escape((text.rstrip(" ") if kind == "char" else text).encode())
    if kind in ("enum", "set"):
        return _labels(column, text)
    if kind in _BYTES and default.is_plain_text:
        return column.mapping.from_binlog(text.encode())
    for kinds, convert in _BY_TEXT:
        if kind in kinds:
            return convert(source, text)
    raise ValueError(kind)


_BASES = {TokenType.BIT_STRING: 2, TokenType.HEX_STRING: 16}


def _number(column: Column, text: str) -> bytes:
    if column.data_type in ("float", "double"):
        return repr(float(text)).encode()
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
    if column.data_type == "date":
        return f"{moment:%Y-%m-%d}".encode()
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}".encode()


def _time(column: Column, text: str) -> bytes:
    datetime.strptime(text, "%H:%M:%S")
    digits = column.fraction_digits
    return (text + ("." + "0" * digits if digits else "")).encode()


_BY_TEXT: tuple[tuple[frozenset[str], Callable[[Column, str], Field]], ...] = (
    (_NUMBERS, _number),
    (_TEMPORAL, _moment),
    (frozenset({"time"}), _time),
)


def _unknown(column: PlannedColumn, default: str) -> LoadError:
    return LoadError(
        f"column {column.source.name} was added with the default {default}, and what existing rows"
        f" got in type {column.source.column_type} is known to the source only; run a full load of"
        " the table"
    )
