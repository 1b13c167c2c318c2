"""Expressions of generated columns as trees: ``generation_expression`` of information_schema. Pure.

Servers print what they have parsed, so that the form is narrow: names in back quotes, no comments.
Calls are kept under the names that the server gives them.
"""

import re
from typing import Any, ClassVar

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import SqlglotError
from sqlglot.parsers.mysql import MySQLParser

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class UnreadableExpressionError(Exception):
    """sqlglot does not understand an expression."""


class _Printed(MySQL):
    """What the servers print: a call is its name and arguments, unless its form is another.

    Of calls that sqlglot knows it would make others, by the rules of several servers.
    """

    STRICT_JSON_PATH_SYNTAX = False

    class Parser(MySQLParser):
        FUNCTIONS: ClassVar[dict[str, Any]] = {}
        NO_PAREN_FUNCTIONS: ClassVar[dict[TokenType, Any]] = {}
        FUNCTION_PARSERS: ClassVar[dict[str, Any]] = {
            name: MySQLParser.FUNCTION_PARSERS[name]
            for name in ("CAST", "CHAR", "CONVERT", "EXTRACT", "JSON_VALUE", "TRIM")
        }
        FUNC_TOKENS: ClassVar = MySQLParser.FUNC_TOKENS | {TokenType.DEFAULT}


def parse(expression: str) -> exp.Expr:
    """The tree of an expression.

    Raises:
        UnreadableExpressionError: it is of a form that is not known.
    """
    try:
        statement = sqlglot.parse_one(f"SELECT {unescaped(expression)}", dialect=_Printed)
    except (SqlglotError, RecursionError) as error:
        raise UnreadableExpressionError(str(error)) from error
    found: list[exp.Expr] = statement.expressions
    if not isinstance(statement, exp.Select) or len(found) != 1:
        raise UnreadableExpressionError(expression)
    return found[0]


def unescaped(expression: str) -> str:
    """MySQL escapes the whole text, so that every quote has a backslash before it."""
    first = expression.find("'")
    is_escaped = first > 0 and expression[first - 1] == "\\"
    return _ESCAPED.sub(r"\1", expression) if is_escaped else expression
