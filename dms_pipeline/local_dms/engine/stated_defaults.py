"""The defaults that statements give their columns. Pure."""

from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Literal

from sqlglot import TokenType

from dms_pipeline.local_dms.engine.sql_words import Word, WordReader, outside_parentheses


@dataclass(frozen=True, slots=True)
class DefaultValue:
    """What existing rows get in a new column: a literal's text, or None for NULL.

    Attributes:
        is_expression: only the source can say.
        is_generated: not a default, but AUTO_INCREMENT or a generated column.
        is_evaluated: it stands in parentheses.
        current: the statement's own time or date; ``digits`` are those of its fraction.
    """

    text: str | None = None
    kind: TokenType | None = None
    is_expression: bool = False
    is_generated: bool = False
    is_evaluated: bool = False
    current: Literal["timestamp", "date"] | None = None
    digits: int = 0

    @property
    def is_plain_text(self) -> bool:
        return self.kind is TokenType.STRING

    @property
    def base(self) -> int | None:
        """Of digits that stand for bits or bytes."""
        return None if self.kind is None else _BASES.get(self.kind)


NULL_DEFAULT = DefaultValue()
# What a column's definition says of values that nobody gives.
COMPUTING = frozenset({"AS", "GENERATED"})
NUMBERED = frozenset({"AUTO_INCREMENT", "SERIAL"})
_COMPUTED = COMPUTING | NUMBERED
_BASES = {TokenType.BIT_STRING: 2, TokenType.HEX_STRING: 16}
_LITERALS = (TokenType.NUMBER, *_BASES)
_EXPRESSION = DefaultValue(is_expression=True)
_GENERATED = DefaultValue(is_expression=True, is_generated=True)
_INTRODUCERS = frozenset({"_utf8mb4", "_utf8mb3", "_utf8", "_latin1", "_ascii"})
"""Of character sets in which bytes of ASCII are ASCII."""
_LAST_NATIONAL = "\uffff"
_CONSTANTS = {
    "NULL": NULL_DEFAULT,
    "TRUE": DefaultValue("1", TokenType.NUMBER),
    "FALSE": DefaultValue("0", TokenType.NUMBER),
}
_CURRENT: dict[str, Literal["timestamp", "date"]] = {
    **dict.fromkeys(("CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP"), "timestamp"),
    **dict.fromkeys(("CURRENT_DATE", "CURDATE"), "date"),
}
_EMPTY_JSON = {"JSON_OBJECT": "{}", "JSON_ARRAY": "[]"}


def read_default(definition: list[Word]) -> DefaultValue | None:
    """The default that a column's definition states; None where it states none."""
    outside = list(outside_parentheses(definition))
    if not _COMPUTED.isdisjoint(word.keyword for _, word in outside):
        return _GENERATED
    for place, word in outside:
        if word.keyword == "DEFAULT":
            return _default_value(definition[place + 1 :])
    return None


def _default_value(words: list[Word]) -> DefaultValue:
    reader = WordReader(words)
    if reader.accept("("):
        inner = reader.parenthesized()
        value = _default_value(inner) if _is_one_value(inner) else _EXPRESSION
        return replace(value, is_evaluated=True)
    is_negative = reader.accept("-")
    has_sign = is_negative or reader.accept("+")
    value = _unsigned_value(reader)
    if not has_sign:
        return value
    if value.kind is not TokenType.NUMBER:
        return _EXPRESSION
    return replace(value, text="-" * is_negative + (value.text or ""))


def _unsigned_value(reader: WordReader) -> DefaultValue:
    kinds = [word.kind for word in reader.rest[:2]]
    if kinds[:1] == [TokenType.INTRODUCER]:
        is_ascii = reader.name().lower() in _INTRODUCERS
        value = _string(reader)
        return value if is_ascii and (value.text or "").isascii() else _EXPRESSION
    if kinds == [TokenType.DOT, TokenType.NUMBER]:
        return DefaultValue("0." + reader.rest[1].text, TokenType.NUMBER)
    if not kinds:
        return _EXPRESSION
    first = reader.rest[0]
    if first.is_string:
        return _string(reader)
    return DefaultValue(first.text, first.kind) if first.kind in _LITERALS else _call(reader)


def _string(reader: WordReader) -> DefaultValue:
    """Strings that stand one behind the other are one."""
    words = list(takewhile(lambda word: word.is_string, reader.rest))
    text = "".join(word.text for word in words)
    is_national = any(word.kind is TokenType.NATIONAL_STRING for word in words)
    if not words or (is_national and max(text, default="") > _LAST_NATIONAL):
        return _EXPRESSION
    return DefaultValue(text, TokenType.STRING)


def _is_one_value(words: list[Word]) -> bool:
    """Whether it is a literal or a call. Of a calculation the first operand alone says nothing."""
    reader = WordReader(words)
    reader.accept_any("-", "+")
    reader.accept(".")
    depth = 0
    for word in reader.rest:
        if depth == 0 and word.keyword != "(" and word is not reader.rest[0]:
            return False
        depth += {"(": 1, ")": -1}.get(word.keyword, 0)
    return bool(reader.rest)


def _call(reader: WordReader) -> DefaultValue:
    """The constants, and the functions whose results are known."""
    if reader.peek() in _CONSTANTS:
        return _CONSTANTS[reader.peek()]
    function = reader.name().upper()
    arguments = reader.parenthesized() if reader.accept("(") else []
    if function in _CURRENT:
        digits = int(arguments[0].text) if arguments else 0
        return DefaultValue(is_expression=True, current=_CURRENT[function], digits=digits)
    if function in _EMPTY_JSON and not arguments:
        return DefaultValue(_EMPTY_JSON[function], TokenType.STRING)
    return _EXPRESSION
