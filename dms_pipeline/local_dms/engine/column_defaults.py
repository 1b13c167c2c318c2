"""The value that ADD COLUMN gives to the rows a table already has. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime

from sqlglot import TokenType

from dms_pipeline.errors import LoadError
from dms_pipeline.local_dms.engine.copy_format import Field
from dms_pipeline.local_dms.engine.ddl_clauses import AlterClause, ColumnAdded
from dms_pipeline.local_dms.engine.default_literals import (
    BYTES,
    LOBS,
    NUMBERS,
    TEMPORAL,
    TEXTS,
    literal_field,
    moment_of,
)
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.stated_defaults import DefaultValue
from dms_pipeline.local_dms.engine.statement_times import StatementTimes
from dms_pipeline.local_dms.engine.table_plan import PlannedColumn

_EXPRESSION = "an expression as its default"
_ZERO = DefaultValue("0", TokenType.NUMBER)
_EMPTY = DefaultValue("", TokenType.STRING)
_WITH_ASCII = frozenset({"utf8mb4", "utf8mb3", "utf8", "latin1", "ascii", "binary"})
"""Character sets in which ASCII is for certain what it is elsewhere."""
_FIRST_VALUES = {"enum": 1, "inet4": b"", "inet6": b"", "uuid": b""}


def default_field(
    column: PlannedColumn,
    clause: ColumnAdded,
    times: StatementTimes,
    *,
    is_strict: bool,
    charset: str | None,
) -> Field:
    """The field of a COPY stream for existing rows.

    Args:
        column: as it is planned behind the statement.
        clause: the statement's.
        times: of the statement and of its literals; see ``timestamp_literals``.
        is_strict: whether the source refused what it could not do as it was asked.
        charset: the table's default, if it is known.

    Raises:
        LoadError: only the source can say what its rows got.
    """
    default = clause.default
    if default is None:
        return None if _allows_null(column.source, clause) else _implicit(column, times)
    if default.current is not None:
        return _current(column, default, times)
    if default.is_generated:
        raise _unknown(column, "values that the source generates")
    if default.is_expression:
        raise _unknown(column, _EXPRESSION)
    if default.text is None and clause.is_nullable is False:
        raise _unknown(column, "the default NULL")
    if default.text is None:
        return None
    if not (default.text or default.is_evaluated or is_strict) and _may_drop_empty(column, clause):
        raise _unknown(column, "the default ''")
    if _is_in_charset(column.source, default) and charset not in _WITH_ASCII:
        raise _unknown(column, f"the default {default.text!r}")
    try:
        return literal_field(column, default, times)
    except (ValueError, ArithmeticError) as error:
        raise _unknown(column, f"the default {default.text!r}") from error


def _allows_null(column: Column, clause: ColumnAdded) -> bool:
    """As the statement has it; ``column`` may have got its NOT NULL later."""
    if clause.is_key or clause.is_nullable is not None:
        return bool(clause.is_nullable)
    # Without explicit_defaults_for_timestamp servers make it NOT NULL by themselves.
    return column.data_type != "timestamp" or column.is_nullable


def _may_drop_empty(column: PlannedColumn, clause: ColumnAdded) -> bool:
    """MySQL gives a TEXT or BLOB no default: it ignores an empty one if it is not strict."""
    return column.source.data_type in LOBS and _allows_null(column.source, clause)


def _is_in_charset(column: Column, default: DefaultValue) -> bool:
    """MariaDB writes the text of a default of a BLOB in the character set of the table."""
    return column.data_type in BYTES & LOBS and default.base is None and bool(default.text)


def _implicit(column: PlannedColumn, times: StatementTimes) -> Field:
    kind = column.source.data_type
    if kind in _FIRST_VALUES:
        return column.mapping.from_binlog(_FIRST_VALUES[kind])
    if kind in TEXTS or kind in BYTES or kind == "set":
        return literal_field(column, _EMPTY, times)
    if kind == "timestamp" or kind not in (*NUMBERS, *TEMPORAL, "bit", "time"):
        # The moment of the statement, on servers without explicit_defaults_for_timestamp.
        raise _unknown(column, "no default")
    return literal_field(column, _ZERO, times)


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
                yield moment_of(column, clause.default.text or "").replace(microsecond=0)


def _current(column: PlannedColumn, default: DefaultValue, times: StatementTimes) -> Field:
    """CURRENT_TIMESTAMP and CURRENT_DATE."""
    kind = column.source.data_type
    moment = times.utc if kind == "timestamp" else times.local
    if moment is None or kind not in TEMPORAL or (default.current, kind) == ("date", "timestamp"):
        raise _unknown(column, _EXPRESSION)
    if kind == "date" or default.current == "date":
        return f"{moment:%Y-%m-%d}{' 00:00:00' * (kind != 'date')}".encode()
    digits = _fraction_digits(column, default, times)
    if digits is None or (digits and times.microsecond is None):
        raise _unknown(column, _EXPRESSION)
    if digits:
        moment = moment.replace(microsecond=times.microsecond or 0)
    text = f"{moment:%Y-%m-%d %H:%M:%S.%f}"
    return text[: len(text) - 6 + digits].rstrip(".").encode()


def _fraction_digits(
    column: PlannedColumn, default: DefaultValue, times: StatementTimes
) -> int | None:
    """How many digits of the statement's fraction a row got; None if servers differ in that.

    MariaDB gives what a column has room for where the function names no number. MySQL refuses that
    but in parentheses, where it means whole seconds.
    """
    places = column.source.fraction_digits
    if default.digits or not places:
        # One cuts off what is too precise, the other one rounds it.
        return default.digits if default.digits <= places else None
    if default.is_evaluated:
        return 0 if times.microsecond is None else None
    return places


def _unknown(column: PlannedColumn, given: str) -> LoadError:
    return LoadError(
        f"column {column.source.name} was added with {given}, and what existing rows got in type"
        f" {column.source.column_type} is known to the source only; run a full load of the table"
    )
