"""A statement as words: sqlglot's tokens with the quoting undone and the comments gone.

The clauses of MySQL's and MariaDB's ALTER TABLE go beyond what sqlglot's grammar knows, its lexical
rules do not: names, strings and nesting are told apart here, meaning is found in ``ddl``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import sqlglot
from sqlglot import TokenType
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import SqlglotError

_EXECUTABLE_COMMENT = re.compile(r"/\*M?!\d*(.*?)\*/", re.DOTALL)
# MySQL keeps names in three-byte UTF-8 and puts a question mark for every other character. MariaDB
# refuses such names.
_LOST_IN_NAMES = re.compile("[\U00010000-\U0010ffff]")
_STRINGS = (TokenType.STRING, TokenType.NATIONAL_STRING)
_QUOTED = (*_STRINGS, TokenType.HEX_STRING, TokenType.BIT_STRING)


@dataclass(frozen=True, slots=True)
class Word:
    """One word or sign. ``keyword`` is upper case, and empty for what was quoted."""

    text: str
    keyword: str
    kind: TokenType

    @property
    def is_string(self) -> bool:
        return self.kind in _STRINGS


class UnreadableStatementError(Exception):
    """Not even the words of a statement can be told apart."""


def read_words(statement: str, spoken: type[MySQL] = MySQL) -> list[Word]:
    """All words; what stands in an executable comment belongs to the statement.

    ``spoken`` is the session's ``dialect``.
    """
    text = _EXECUTABLE_COMMENT.sub(r" \1 ", statement)
    try:
        # Of statements that begin with REPLACE, RENAME and the like sqlglot's tokenizer keeps the
        # rest as one text, unless they do not begin with it.
        tokens = sqlglot.tokenize(f"SELECT {text}", read=spoken)
    except SqlglotError as error:
        raise UnreadableStatementError(str(error)) from error
    return [word for token in tokens[1:] for word in _words(token.token_type, token.text)]


@cache
def dialect(backslash_escapes: bool, ansi_quotes: bool) -> type[MySQL]:
    """MySQL's words in the two modes that change them.

    Args:
        backslash_escapes: whether a backslash in a string escapes the next character.
        ansi_quotes: whether double quotes stand around names, in which nothing is escaped.
    """

    class Tokenizer(MySQL.Tokenizer):
        QUOTES: ClassVar = ["'"] if ansi_quotes else ["'", '"']
        IDENTIFIERS: ClassVar = ["`", '"'] if ansi_quotes else ["`"]
        STRING_ESCAPES: ClassVar = ["'", '"', "\\"] if backslash_escapes else ["'", '"']

    return type("MySQLInMode", (MySQL,), {"Tokenizer": Tokenizer})


def _words(kind: TokenType, text: str) -> Iterator[Word]:
    if kind is TokenType.IDENTIFIER:
        yield Word(_LOST_IN_NAMES.sub("?", text), "", kind)
        return
    if kind in _QUOTED:
        yield Word(text, "", kind)
        return
    # Some keywords come in pairs, such as PRIMARY KEY.
    for part in text.split():
        yield Word(part, part.upper(), kind)


class WordReader:
    """Reads words from left to right."""

    def __init__(self, words: list[Word]) -> None:
        self._words = words
        self._next = 0

    @property
    def rest(self) -> list[Word]:
        return self._words[self._next :]

    @property
    def at_end(self) -> bool:
        return self._next >= len(self._words)

    def peek(self) -> str:
        """The next keyword or sign; empty at the end or before something quoted."""
        return "" if self.at_end else self._words[self._next].keyword

    def accept(self, *keywords: str) -> bool:
        """Step over these keywords if all of them come next."""
        end = self._next + len(keywords)
        if [word.keyword for word in self._words[self._next : end]] != list(keywords):
            return False
        self._next = end
        return True

    def accept_any(self, *keywords: str) -> set[str]:
        """Step over any number of these keywords, in any order; returns which there were."""
        found = set()
        while not self.at_end and self.peek() in keywords:
            found.add(self.peek())
            self._next += 1
        return found

    def name(self) -> str:
        if self.at_end:
            raise UnreadableStatementError("a name is missing at the end")
        self._next += 1
        return self._words[self._next - 1].text

    def qualified_name(self) -> tuple[str, ...]:
        parts = [self.name()]
        while self.accept("."):
            parts.append(self.name())
        return tuple(parts)

    def parenthesized(self) -> list[Word]:
        """What stands before the parenthesis that closes the one before the reader."""
        words: list[Word] = []
        depth = 1
        for word in self.rest:
            depth += {"(": 1, ")": -1}.get(word.keyword, 0)
            if depth == 0:
                break
            words.append(word)
        return words


def split_at_commas(words: list[Word]) -> list[list[Word]]:
    """The parts between the commas that stand in no parentheses."""
    parts: list[list[Word]] = [[]]
    depth = 0
    for word in words:
        depth += {"(": 1, ")": -1}.get(word.keyword, 0)
        if word.keyword == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def outside_parentheses(words: list[Word]) -> Iterator[tuple[int, Word]]:
    """The words, and their places, that stand in no parentheses."""
    depth = 0
    for place, word in enumerate(words):
        depth += {"(": 1, ")": -1}.get(word.keyword, 0)
        if depth == 0:
            yield place, word
