"""Source filters: which rows of a table take part, as SQL for the full load and as a predicate.

Both decide alike for every stored value. Text is compared by its characters, so case and accents
count whatever the column's collation; the other types are compared as MySQL compares them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, cast, get_args

from dms_pipeline.binlog.row_decoder import Row
from dms_pipeline.binlog.table_id import TableId, quoted
from dms_pipeline.errors import ConfigError
from dms_pipeline.local_dms.engine.model import Column, SourceTable
from dms_pipeline.local_dms.engine.type_mapping.catalogue import convert_column
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import UnfitValueError
from dms_pipeline.local_dms.engine.type_mapping.numbers import INTEGER_BITS

Operator = Literal["lte", "ste", "gte", "eq", "noteq", "between", "notbetween", "null", "notnull"]
Test = Callable[[Any], bool]

_NUMBERS = frozenset(
    {"tinyint", "smallint", "mediumint", "int", "bigint", "year", "decimal", "bit"}
)
_FLOATS = frozenset({"float", "double"})
_DATES = frozenset({"date", "datetime", "timestamp"})
_TEXTS = frozenset({"char", "varchar", "tinytext", "text", "enum", "set"})
_NEGATIVE: frozenset[Operator] = frozenset({"noteq", "notbetween", "notnull"})
_OPERANDS: dict[Operator, tuple[str, ...]] = {
    "between": ("start-value", "end-value"),
    "notbetween": ("start-value", "end-value"),
    "null": (),
    "notnull": (),
}
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[ T](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,6}))?)?")
_TIME = re.compile(r"(-?)(\d{1,3}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?")


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison; ``between`` has two operands, ``null`` none."""

    operator: Operator
    operands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceFilter:
    """Conditions on one column, any of which may hold."""

    column: str
    conditions: tuple[Condition, ...]

    @classmethod
    def from_rule(cls, document: Any) -> "SourceFilter":
        if not isinstance(document, dict) or document.get("filter-type") != "source":
            raise ConfigError('a filter must be an object with "filter-type": "source"')
        name, conditions = document.get("column-name"), document.get("filter-conditions")
        if not name or not isinstance(conditions, list) or not conditions:
            raise ConfigError("a filter needs a column-name and filter-conditions")
        parsed = tuple(_condition(item) for item in conditions)
        if len(parsed) > 1 and any(item.operator in _NEGATIVE for item in parsed):
            raise ConfigError(
                f"the filter on column {name} has several conditions, one of them negative;"
                " noteq, notbetween and notnull stand alone"
            )
        return cls(str(name), parsed)


def _condition(document: Any) -> Condition:
    operator = document.get("filter-operator") if isinstance(document, dict) else None
    if operator not in get_args(Operator):
        raise ConfigError(f"filter-operator {operator!r} is unknown")
    needed = _OPERANDS.get(cast(Operator, operator), ("value",))
    missing = [name for name in needed if document.get(name) is None]
    if missing:
        raise ConfigError(f"filter-operator {operator} needs {' and '.join(missing)}")
    return Condition(cast(Operator, operator), tuple(str(document[name]) for name in needed))


@dataclass(frozen=True, slots=True)
class RowFilter:
    """The filters of a table, compiled."""

    sql: str
    accepts: Callable[[Row], bool]
    """Takes a row of the binary log, in the order of the source's columns."""


@dataclass(frozen=True, slots=True)
class _Comparison:
    """How values of one column are compared: in SQL, and here."""

    sql: str
    literal: Callable[[str], str]
    operand: Callable[[str], Any]
    value: Callable[[Any], Any]


def compile_filters(
    source: SourceTable, alternatives: tuple[tuple[SourceFilter, ...], ...]
) -> RowFilter | None:
    """A row takes part if it passes every filter of any alternative; None if all rows do.

    Raises:
        ConfigError: a filter's column is missing or cannot be compared, or its value is malformed.
    """
    if not alternatives or not all(alternatives):
        return None
    compiled = [[_compile(source, item) for item in filters] for filters in alternatives]
    statement = " OR ".join(
        "(" + " AND ".join(sql for sql, _ in filters) + ")" for filters in compiled
    )
    tests = [[test for _, test in filters] for filters in compiled]

    def accepts(row: Row) -> bool:
        return any(all(test(row) for test in group) for group in tests)

    return RowFilter(statement, accepts)


def _compile(source: SourceTable, item: SourceFilter) -> tuple[str, Test]:
    names = [column.name for column in source.columns]
    if item.column not in names:
        raise ConfigError(
            f"a filter is on column {item.column}, which table {source.table_id} does not have"
        )
    place = names.index(item.column)
    column = source.columns[place]
    comparison = _comparison(source.table_id, column)
    parts = [_compare(column, comparison, condition) for condition in item.conditions]
    statement = "(" + " OR ".join(sql for sql, _ in parts) + ")"
    tests = [test for _, test in parts]

    def passes(row: Row) -> bool:
        value = row[place]
        return any(test(value) for test in tests)

    return statement, passes


def _compare(column: Column, comparison: _Comparison, condition: Condition) -> tuple[str, Test]:
    name = quoted(column.name)
    if condition.operator == "null":
        return f"{name} IS NULL", lambda value: value is None
    if condition.operator == "notnull":
        return f"{name} IS NOT NULL", lambda value: value is not None
    try:
        literals = [comparison.literal(text) for text in condition.operands]
        operands = [comparison.operand(text) for text in condition.operands]
    except (ValueError, InvalidOperation):
        raise ConfigError(
            f"a filter compares column {column.name}, type {column.column_type}, with"
            f" {condition.operands!r}, which is not a value of that type"
        ) from None
    left = comparison.sql.format(name)
    statement, test = _operation(condition.operator, left, literals, operands)
    convert = comparison.value

    def passes(value: Any) -> bool:
        if value is None:
            return False
        try:
            return test(convert(value))
        except UnfitValueError:
            # Let through: whoever encodes the row reports what is wrong with it.
            return True

    return statement, passes


def _operation(
    operator: Operator, left: str, literals: list[str], operands: list[Any]
) -> tuple[str, Test]:
    first = operands[0]
    if operator in ("lte", "ste"):
        return f"{left} <= {literals[0]}", lambda value: value <= first
    if operator == "gte":
        return f"{left} >= {literals[0]}", lambda value: value >= first
    if operator == "eq":
        return f"{left} = {literals[0]}", lambda value: value == first
    if operator == "noteq":
        return f"{left} <> {literals[0]}", lambda value: value != first
    last = operands[1]
    within = f"{left} BETWEEN {literals[0]} AND {literals[1]}"
    if operator == "between":
        return within, lambda value: first <= value <= last
    return f"NOT ({within})", lambda value: not first <= value <= last


def _comparison(table: TableId, column: Column) -> _Comparison:
    kind = column.data_type
    if kind in _NUMBERS:
        sql = "({} + 0)" if kind == "bit" else "{}"
        return _Comparison(sql, lambda text: format(_number(text), "f"), _number, _unsigned(column))
    if kind in _FLOATS:
        return _Comparison("{}", _double_literal, float, float)
    if kind in _DATES:
        digits = column.fraction_digits if kind != "date" else None
        return _Comparison(
            "CAST({} AS BINARY)",
            lambda text: _hex(_date_text(text, digits).encode()),
            lambda text: _date_text(text, digits),
            str,
        )
    if kind == "time":
        return _Comparison("{}", _time_literal, _microseconds, _microseconds)
    if kind in _TEXTS:
        convert = convert_column(table, column).from_binlog
        return _Comparison(
            "CAST(CONVERT({} USING utf8mb4) AS BINARY)",
            lambda text: _hex(text.encode()),
            str.encode,
            convert,
        )
    raise ConfigError(
        f"a filter is on column {column.name} of table {table}; columns of type"
        f" {column.column_type} cannot be filtered on"
    )


def _number(text: str) -> Decimal:
    number = Decimal(text.strip())
    if not number.is_finite():
        raise ValueError(text)
    return number


def _double_literal(text: str) -> str:
    number = repr(float(text))
    return number if "e" in number else f"{number}e0"


def _unsigned(column: Column) -> Callable[[Any], Any]:
    bits = INTEGER_BITS.get(column.data_type)
    if bits is None or not column.is_unsigned:
        return lambda value: value
    mask = (1 << bits) - 1
    return lambda value: value & mask


def _hex(value: bytes) -> str:
    return f"X'{value.hex()}'"


def _date_text(text: str, digits: int | None) -> str:
    """A date as MySQL prints it in a column with so many digits; compares as text does.

    Digits the column does not have stay: the longer text is the later time.
    """
    found = _DATE.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    clock = found[2] or "00:00:00"
    if len(clock) == len("00:00"):
        clock += ":00"
    fraction = (found[3] or "").rstrip("0")
    if digits is None and clock == "00:00:00" and not fraction:
        return found[1]
    fraction = fraction.ljust(digits or 0, "0")
    return f"{found[1]} {clock}" + (f".{fraction}" if fraction else "")


def _microseconds(text: str) -> int:
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    seconds = int(found[2]) * 3600 + int(found[3]) * 60 + int(found[4] or 0)
    total = seconds * 1_000_000 + int((found[5] or "").ljust(6, "0"))
    return -total if found[1] else total


def _time_literal(text: str) -> str:
    _microseconds(text)
    return f"CAST('{text.strip()}' AS TIME(6))"
