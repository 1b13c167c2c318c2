"""The source filters of a table mapping: which rows DMS loads, as conditions of MySQL. Pure.

https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.Filters.html
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from dms_pipeline.binlog.table_id import quoted

_COMPARISONS = {"lte": "<=", "ste": "<=", "gte": ">=", "eq": "=", "noteq": "<>"}
_RANGES = {"between": "{0} BETWEEN {1} AND {2}", "notbetween": "NOT ({0} BETWEEN {1} AND {2})"}
_NULLS = {"null": "{0} IS NULL", "notnull": "{0} IS NOT NULL"}
_NUMBERS = ("tinyint", "smallint", "mediumint", "int", "bigint", "year", "decimal", "bit")
_TIMES = ("date", "datetime", "timestamp")
_TEXTS = ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?")


class UnclearFilterError(Exception):
    """Which rows pass a filter cannot be told with certainty; says why."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a column: DMS's operator, and its operands as the mapping gives them."""

    operator: str
    operands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ColumnFilter:
    """Conditions on one column, any of which may hold."""

    column: str
    conditions: tuple[Condition, ...]

    @classmethod
    def of(cls, document: Any) -> Self:
        """Raises ValueError, in words, if the mapping's document is no filter."""
        if not isinstance(document, dict) or document.get("filter-type") != "source":
            raise ValueError('needs "filter-type": "source"')
        column, conditions = document.get("column-name"), document.get("filter-conditions")
        if not column or not isinstance(conditions, list) or not conditions:
            raise ValueError("needs a column-name and filter-conditions")
        return cls(str(column), tuple(map(_condition, conditions)))


@dataclass(frozen=True, slots=True)
class RowFilter:
    """The rows of a table that are loaded, as conditions of MySQL.

    Attributes:
        passes: holds for the rows that are loaded; empty if all are.
        unsure: holds for rows of which nobody can tell, whom cases or accents decide.
    """

    passes: str = ""
    unsure: str = ""


ALL_ROWS = RowFilter()


def row_filter(
    alternatives: tuple[tuple[ColumnFilter, ...], ...], types: Mapping[str, str]
) -> RowFilter:
    """What the selection rules that include a table leave of its rows.

    Args:
        alternatives: the filters of each of those rules.
        types: the table's columns, and their types as ``information_schema`` names them.

    Raises:
        UnclearFilterError: if that cannot be told, with the reason.
    """
    if not any(alternatives):
        return ALL_ROWS
    if len(alternatives) > 1:
        raise UnclearFilterError(
            "several rules of the mapping select it, and AWS does not tell how their filters add up"
        )
    [filters] = alternatives
    exact = " AND ".join(_any_of(each, types, by_collation=False) for each in filters)
    loose = " AND ".join(_any_of(each, types, by_collation=True) for each in filters)
    return RowFilter(exact, "" if exact == loose else f"NOT (({exact}) <=> ({loose}))")


def _condition(document: Any) -> Condition:
    operator = document.get("filter-operator") if isinstance(document, dict) else None
    if operator in _COMPARISONS:
        needed: Iterable[str] = ("value",)
    elif operator in _RANGES:
        needed = ("start-value", "end-value")
    elif operator in _NULLS:
        needed = ()
    else:
        raise ValueError(f"filter-operator {operator!r} is unknown")
    missing = [name for name in needed if document.get(name) is None]
    if missing:
        raise ValueError(f"filter-operator {operator} needs {' and '.join(missing)}")
    return Condition(operator, tuple(str(document[name]) for name in needed))


def _any_of(each: ColumnFilter, types: Mapping[str, str], *, by_collation: bool) -> str:
    kind = types.get(each.column)
    if kind is None:
        raise UnclearFilterError(f"the mapping filters by {each.column}, which it does not have")
    texts = [_compared(each.column, kind, one, by_collation) for one in each.conditions]
    return f"({' OR '.join(texts)})"


def _compared(column: str, kind: str, condition: Condition, by_collation: bool) -> str:
    name = quoted(column)
    if condition.operator in _NULLS:
        return _NULLS[condition.operator].format(name)
    if kind in _NUMBERS:
        left, values = f"({name} + 0)", [_number(column, text) for text in condition.operands]
    elif kind in _TIMES:
        left, values = name, [_moment(column, text) for text in condition.operands]
    elif kind in _TEXTS and by_collation:
        left, values = name, [_text(text) for text in condition.operands]
    elif kind in _TEXTS:
        left = f"CAST(CONVERT({name} USING utf8mb4) AS BINARY)"
        values = [f"X'{text.encode().hex()}'" for text in condition.operands]
    else:
        raise UnclearFilterError(
            f"the mapping filters by {column}, and how DMS compares the type {kind} is not known"
        )
    if condition.operator in _RANGES:
        return _RANGES[condition.operator].format(left, *values)
    return f"{left} {_COMPARISONS[condition.operator]} {values[0]}"


def _number(column: str, text: str) -> str:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise UnclearFilterError(f"the mapping compares {column} with {text!r}, which is no number")
    return format(number, "f")


def _moment(column: str, text: str) -> str:
    if _MOMENT.fullmatch(text.strip()) is None:
        raise UnclearFilterError(f"the mapping compares {column} with {text!r}, which is no date")
    return f"'{text.strip()}'"


def _text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
