"""Virtual columns that have another value for another session. Pure.

A virtual column is computed whenever a row is read, by the settings of the session that reads it.
The log holds what the session computed that changed the row, a full load what the engine's session
computes, and neither tells of the other. Stored columns have one value, of when they were written.

Which expressions servers take, and which settings change their values, was tried on MySQL 9.7 and
MariaDB 10.11. MySQL refuses what is not deterministic, but not what depends on a setting:
https://dev.mysql.com/doc/refman/9.7/en/create-table-generated-columns.html
https://mariadb.com/docs/server/reference/sql-statements/data-definition/create/generated-columns
"""

import re
from collections.abc import Iterator, Mapping

from sqlglot import exp

from dms_pipeline.local_dms.engine.expression_types import (
    DATE_CASTS,
    DATED,
    TEMPORAL,
    TEMPORAL_CASTS,
    WHOLE,
    ExpressionTypes,
    precision,
)
from dms_pipeline.local_dms.engine.generation_expressions import (
    UnreadableExpressionError,
    parse,
    unescaped,
)
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.virtual_columns import Computation

_TIME_ZONE, _NAMES, _SQL_MODE = "time_zone", "lc_time_names", "sql_mode"
_TODAY = "CURRENT_DATE()"
_OF_SESSION = frozenset({
    "connection_id", "curdate", "current_date", "current_role", "current_time", "current_timestamp",
    "current_user", "curtime", "database", "localtime", "localtimestamp", "now",
    "ps_current_thread_id", "rand", "schema", "session_user", "sys_guid", "sysdate", "system_user",
    "user", "utc_date", "utc_time", "utc_timestamp", "uuid", "uuid_short", "wsrep_last_seen_gtid",
    "wsrep_last_written_gtid",
})  # fmt: skip
_BY_SETTING = {
    "aes_decrypt": "block_encryption_mode",
    "aes_encrypt": "block_encryption_mode",
    "dayname": _NAMES,
    "from_unixtime": _TIME_ZONE,
    "monthname": _NAMES,
    "password": "old_passwords",
}
# By this number of arguments; with more they are told what they would ask the session.
_BY_ARGUMENTS = {
    ("encrypt", 1): "ENCRYPT()",
    ("unix_timestamp", 0): "UNIX_TIMESTAMP()",
    ("week", 1): "default_week_format",
}
_OF_ONE_DATE = frozenset({
    "day", "dayname", "dayofmonth", "dayofweek", "dayofyear", "last_day", "month", "monthname",
    "quarter", "to_days", "to_seconds", "unix_timestamp", "week", "weekday", "year", "yearweek",
})  # fmt: skip
_OF_DATES = frozenset({"datediff", "timestampdiff"})
_OF_TIMES = frozenset({"microsecond", "time_to_sec"})
_CHOOSING = frozenset({"coalesce", "greatest", "ifnull", "least"})
_NAME_CODES = {
    "date_format": re.compile("%[abMW]"),
    "to_char": re.compile("MON|DAY|DY", re.IGNORECASE),
}
_DATE_CODES = re.compile("%[^HhIiklrpSsTf%]")
_DATE_UNITS = re.compile("YEAR|QUARTER|MONTH|WEEK|DAY")
_COMPARISONS = (
    exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.Between, exp.In,
)  # fmt: skip
_CALL = re.compile(r"(\w+)\(")
_QUOTED_NAME = re.compile("`((?:[^`]|``)+)`")


def varying(
    columns: Mapping[str, Column], computations: Mapping[str, Computation]
) -> dict[str, tuple[str, ...]]:
    """By virtual column what of the session its value depends on; other columns are left out.

    That is the name of a setting, a function or a variable. It may come through other columns.

    Args:
        columns: those of one table, by name.
        computations: how they get their values, by the same names.
    """
    known = {name.lower(): column for name, column in columns.items()}
    own = {
        name.lower(): _Expression(computed.expression, columns[name], known).dependences()
        for name, computed in computations.items()
        if computed.is_virtual and computed.expression
    }
    found = {}
    for name in computations:
        everything = set().union(*(own[one] for one in _reached(name.lower(), own, computations)))
        if everything:
            found[name] = tuple(sorted(everything))
    return found


def _reached(
    start: str, virtual: Mapping[str, set[str]], computations: Mapping[str, Computation]
) -> set[str]:
    """The virtual columns that a column is computed from, and itself if it is one."""
    sources = {name.lower(): computed.computed_from for name, computed in computations.items()}
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in virtual and name not in reached:
            reached.add(name)
            waiting += sources[name]
    return reached


class _Expression:
    """The expression of one virtual column, and the columns of its table in lower case."""

    def __init__(self, text: str, result: Column, columns: Mapping[str, Column]) -> None:
        self._text = text
        self._result = result
        self._columns = columns
        self._types = ExpressionTypes(columns)

    def dependences(self) -> set[str]:
        try:
            root = parse(self._text)
        except UnreadableExpressionError:
            return set(self._of_words())
        found = set(self._of_result(root))
        for node in root.walk():
            found.update(self._of_node(node))
        return found

    def _of_words(self) -> Iterator[str]:
        """What the words tell of an expression that is not understood."""
        text = unescaped(self._text)
        for name in _CALL.findall(text.lower()):
            if name in _OF_SESSION:
                yield f"{name.upper()}()"
            elif name in _BY_SETTING:
                yield _BY_SETTING[name]
        for name in _QUOTED_NAME.findall(text):
            column = self._columns.get(name.replace("``", "`").lower())
            if column is not None and column.data_type == "timestamp":
                yield _TIME_ZONE

    def _of_result(self, root: exp.Expr) -> Iterator[str]:
        """What the conversion into the column's own type depends on."""
        kind, source = self._result.data_type, self._types.column(root)
        if kind == "timestamp" and not self._types.is_timestamp(root):
            yield _TIME_ZONE
        if kind in DATED and self._types.is_time(root):
            yield _TODAY
        # Whether fractions of seconds are rounded or cut off.
        if kind == "date" or kind in WHOLE:
            if source and source.data_type in TEMPORAL and source.fraction_digits:
                yield _SQL_MODE
        elif kind in TEMPORAL and self._types.digits(root) > self._result.fraction_digits:
            yield _SQL_MODE

    def _of_node(self, node: exp.Expr) -> Iterator[str]:
        match node:
            case exp.Parameter():
                yield f"@{node.name}"
            case exp.SessionParameter():
                yield f"@@{node.name}"
            case exp.Anonymous():
                yield from self._of_call(node, node.name.lower(), node.expressions)
            case exp.Cast() | exp.JSONValue():
                yield from self._of_cast(node)
            case exp.Chr() if node.args.get("charset"):
                # Codes without a character become NULL in strict mode.
                yield _SQL_MODE
            case exp.Div() if self._types.is_exact(node):
                yield "div_precision_increment"
            case exp.Extract() if _DATE_UNITS.search(node.name.upper()):
                yield from self._of_date(node.expression)
            case exp.Add() | exp.Sub() if _DATE_UNITS.search(node.expression.text("unit").upper()):
                if self._types.is_time(node.this):
                    yield _TODAY
            case exp.Case() | exp.If():
                yield from self._of_mixed(_branches(node))
            case exp.Column():
                yield from self._of_column(node)
            case _ if isinstance(node, _COMPARISONS):
                yield from self._of_mixed(list(node.iter_expressions()))

    def _of_call(self, call: exp.Expr, name: str, arguments: list[exp.Expr]) -> Iterator[str]:
        if name in _OF_SESSION:
            yield f"{name.upper()}()"
        if name in _BY_SETTING:
            yield _BY_SETTING[name]
        if (name, len(arguments)) in _BY_ARGUMENTS:
            yield _BY_ARGUMENTS[name, len(arguments)]
        if name == "unix_timestamp" and not all(map(self._types.is_timestamp, arguments)):
            yield _TIME_ZONE
        if name in _NAME_CODES and len(arguments) == 2:
            yield from self._of_format(name, *arguments)
        if name in ("from_days", "str_to_date") and not self._is_date_of_column(call):
            yield _SQL_MODE
        if name == "timestamp" and self._types.is_time(arguments[0]):
            yield _TODAY
        if name in _OF_ONE_DATE and arguments:
            yield from self._of_date(arguments[0])
        if name in _OF_TIMES and self._types.is_text(arguments[0]):
            yield _SQL_MODE
        if name in _OF_DATES:
            if any(map(self._types.is_text, arguments)):
                yield _SQL_MODE
            yield from self._of_mixed(arguments)
        if name in _CHOOSING:
            yield from self._of_mixed(arguments)

    def _of_format(self, name: str, value: exp.Expr, form: exp.Expr) -> Iterator[str]:
        literal = form.expression if isinstance(form, exp.Introducer) else form
        is_told = isinstance(literal, exp.Literal)
        if not is_told or _NAME_CODES[name].search(literal.name):
            yield _NAMES
        if isinstance(form, exp.Literal) and not form.name.isascii():
            # MariaDB brings it into the character set of the connection.
            yield "character_set_connection"
        if name == "date_format" and (not is_told or _DATE_CODES.search(literal.name)):
            yield from self._of_date(value)

    def _of_date(self, value: exp.Expr) -> Iterator[str]:
        """A date is asked for: a time is that of the current day, and a text may be no date."""
        if self._types.is_time(value):
            yield _TODAY
        if self._types.is_text(value):
            yield _SQL_MODE

    def _of_cast(self, cast: exp.Expr) -> Iterator[str]:
        kind = cast.args.get("to") or cast.args.get("returning")
        if not isinstance(kind, exp.DataType) or kind.this not in TEMPORAL_CASTS:
            return
        if kind.this in DATE_CASTS:
            if self._types.is_time(cast.this):
                yield _TODAY
            # Zero and impossible dates become NULL or do not.
            if any(self._types.columns_in(cast.this)) and not self._is_date_of_column(cast):
                yield _SQL_MODE
        if kind.this != exp.DType.DATE and self._types.digits(cast.this) > precision(kind):
            yield _SQL_MODE

    def _of_mixed(self, values: list[exp.Expr]) -> Iterator[str]:
        """A time beside dates becomes one."""
        if any(map(self._types.is_time, values)) and any(map(self._types.is_date, values)):
            yield _TODAY

    def _of_column(self, node: exp.Expr) -> Iterator[str]:
        column, user = self._types.column(node), _user(node)
        call = user.name.lower() if isinstance(user, exp.Anonymous) else ""
        if column is None or isinstance(user, exp.Is) or call == "isnull":
            return
        if column.data_type == "timestamp":
            is_copied = isinstance(user, exp.Select) and self._result.data_type == "timestamp"
            is_moment = call == "unix_timestamp" or isinstance(user, exp.AtTimeZone)
            if not is_copied and not is_moment:
                yield _TIME_ZONE
        elif column.data_type == "char":
            # PAD_CHAR_TO_FULL_LENGTH shows the blanks at its end.
            is_trimmed = call == "rtrim" or isinstance(user, exp.Trim)
            is_compared = isinstance(user, _COMPARISONS) and _passes_over_blanks(column)
            if not is_trimmed and not is_compared:
                yield _SQL_MODE

    def _is_date_of_column(self, node: exp.Expr) -> bool:
        """Whether it is the column's own value: what is no date is NULL on the target anyway."""
        return isinstance(_user(node), exp.Select) and self._result.data_type in DATED


def _user(node: exp.Expr) -> exp.Expr | None:
    """What a value is an operand of; of the whole expression it is the statement."""
    user = node.parent
    while isinstance(user, exp.Paren):
        user = user.parent
    return user


def _branches(node: exp.Expr) -> list[exp.Expr]:
    if isinstance(node, exp.Case):
        values = [*(branch.args["true"] for branch in node.args["ifs"]), node.args.get("default")]
    else:
        values = [node.args["true"], node.args.get("false")]
    return [value for value in values if value is not None]


def _passes_over_blanks(column: Column) -> bool:
    # https://dev.mysql.com/doc/refman/9.7/en/char.html
    collation = column.collation or "binary"
    return collation != "binary" and "_0900_" not in collation and "nopad" not in collation
