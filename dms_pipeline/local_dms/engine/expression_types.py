"""Of which types the values in a generation expression are, as far as it is told easily. Pure."""

from collections.abc import Iterator, Mapping

from sqlglot import exp

from dms_pipeline.local_dms.engine.model import Column

DATED = frozenset({"date", "datetime", "timestamp"})
TEMPORAL = DATED | {"time"}
WHOLE = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "bit"})
DATE_CASTS = (exp.DType.DATE, exp.DType.DATETIME, exp.DType.TIMESTAMP)
TEMPORAL_CASTS = (*DATE_CASTS, exp.DType.TIME)
_TEXTS = frozenset({
    "char", "varchar", "tinytext", "text", "mediumtext", "longtext", "binary", "varbinary",
    "tinyblob", "blob", "mediumblob", "longblob", "json",
})  # fmt: skip
# In arithmetic a text is a number of floating point.
_DOUBLES = _TEXTS | {"float", "double"}
_DOUBLE_CASTS = (exp.DType.DOUBLE, exp.DType.FLOAT, exp.DType.CHARACTER_SET, exp.DType.CHAR)
_DOUBLE_RESULTS = frozenset({
    "acos", "asin", "atan", "concat", "concat_ws", "cos", "cot", "degrees", "elt", "exp", "format",
    "json_extract", "json_unquote", "lcase", "left", "ln", "log", "log10", "log2", "lower", "ltrim",
    "mid", "pi", "pow", "radians", "rand", "replace", "right", "rtrim", "sin", "sqrt", "substr",
    "substring_index", "tan", "ucase", "upper",
})  # fmt: skip
_RESULTS_LIKE_ARGUMENTS = frozenset({
    "abs", "ceiling", "coalesce", "floor", "greatest", "ifnull", "least", "mod", "nullif", "round",
    "truncate",
})  # fmt: skip
_OPERATORS = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.Neg, exp.If)
_MOST_DIGITS = 6


class ExpressionTypes:
    """Asked about nodes of trees in which these columns are named; their names in lower case."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = columns

    def column(self, node: exp.Expr) -> Column | None:
        """The column that a node is; units such as DAY are names without quotes."""
        node = node.unnest()
        if isinstance(node, exp.Column) and node.this.args.get("quoted"):
            return self._columns.get(node.name.lower())
        return None

    def columns_in(self, node: exp.Expr) -> Iterator[Column]:
        for one in node.find_all(exp.Column):
            if (column := self.column(one)) is not None:
                yield column

    def is_time(self, node: exp.Expr) -> bool:
        return self._is_of(node, ("time",)) or _is_cast(node, (exp.DType.TIME,))

    def is_date(self, node: exp.Expr) -> bool:
        return self._is_of(node, DATED) or _is_cast(node, DATE_CASTS)

    def is_timestamp(self, node: exp.Expr) -> bool:
        return self._is_of(node, ("timestamp",))

    def is_text(self, node: exp.Expr) -> bool:
        """Whether a date has to be read from it: from a text, or a column of numbers."""
        if (column := self.column(node)) is not None:
            return column.data_type not in TEMPORAL
        types = {column.data_type for column in self.columns_in(node)}
        return bool(types & _TEXTS) and not types & TEMPORAL

    def digits(self, node: exp.Expr) -> int:
        """How many digits the fraction of a second may have."""
        node = node.unnest()
        if isinstance(node, exp.Column):
            column = self.column(node)
            return 0 if column is None else _digits_of(column)
        if isinstance(node, exp.Literal):
            return len(node.name.partition(".")[2])
        if isinstance(node, exp.Div | exp.JSONValue):
            return _MOST_DIGITS
        if isinstance(node, exp.Cast) and node.to.this in TEMPORAL_CASTS:
            return precision(node.to)
        if isinstance(node, exp.Anonymous) and node.name.lower() in ("date_format", "str_to_date"):
            form = node.expressions[1]
            return _MOST_DIGITS if "%f" in form.sql() or form.find(exp.Column) else 0
        return max(map(self.digits, node.iter_expressions()), default=0)

    def is_exact(self, node: exp.Expr) -> bool:
        """Whether it is a number, and none of floating point."""
        node = node.unnest()
        name = node.name.lower() if isinstance(node, exp.Anonymous) else ""
        if isinstance(node, exp.Column):
            return not self._is_of(node, _DOUBLES)
        if isinstance(node, exp.Cast):
            return node.to.this not in _DOUBLE_CASTS
        if isinstance(node, _OPERATORS) or name in _RESULTS_LIKE_ARGUMENTS:
            values = list(node.iter_expressions())
            return all(map(self.is_exact, values[1:] if isinstance(node, exp.If) else values))
        is_double = isinstance(node, exp.Literal) and "e" in node.name.lower()
        is_text = node.is_string or isinstance(node, exp.Introducer | exp.Trim | exp.JSONValue)
        return not (is_double or is_text or name in _DOUBLE_RESULTS)

    def _is_of(self, node: exp.Expr, types: frozenset[str] | tuple[str, ...]) -> bool:
        column = self.column(node)
        return column is not None and column.data_type in types


def precision(kind: exp.DataType) -> int:
    """The digits that a type keeps of a second's fraction."""
    return int(kind.expressions[0].name) if kind.expressions else 0


def _is_cast(node: exp.Expr, types: tuple[exp.DType, ...]) -> bool:
    node = node.unnest()
    return isinstance(node, exp.Cast) and node.to.this in types


def _digits_of(column: Column) -> int:
    if column.data_type in TEMPORAL:
        return column.fraction_digits
    if column.data_type == "decimal":
        return column.scale or 0
    return _MOST_DIGITS if column.data_type in _DOUBLES else 0
