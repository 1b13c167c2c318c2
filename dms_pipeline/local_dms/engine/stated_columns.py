"""A column's definition as a statement writes it, in the form that information_schema gives. Pure.

Types are those of https://dev.mysql.com/doc/refman/8.4/en/data-types.html and of
https://mariadb.com/docs/server/reference/data-types. What depends on the server's version or on
the session is not read: None is the answer then, and it has to be learnt in another way.
"""

from dataclasses import replace
from itertools import pairwise

from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.sql_words import (
    Word,
    WordReader,
    outside_parentheses,
    split_at_commas,
)
from dms_pipeline.local_dms.engine.type_mapping.labels import label_type

TABLE_CHARSET = "the table's"
"""In the place of a character set: none is written, so it is the table's default."""

_INTEGERS = {
    "TINYINT": "tinyint", "INT1": "tinyint", "BOOL": "tinyint", "BOOLEAN": "tinyint",
    "SMALLINT": "smallint", "INT2": "smallint", "MEDIUMINT": "mediumint", "INT3": "mediumint",
    "MIDDLEINT": "mediumint", "INT": "int", "INTEGER": "int", "INT4": "int", "BIGINT": "bigint",
    "INT8": "bigint",
}  # fmt: skip
_DECIMALS = frozenset({"DECIMAL", "NUMERIC", "DEC", "FIXED"})
_BLOBS = {"TINYBLOB": 1, "BLOB": 2, "MEDIUMBLOB": 3, "LONGBLOB": 4}
_TEXTS = {"TINYTEXT": 1, "TEXT": 2, "MEDIUMTEXT": 3, "LONGTEXT": 4}
_MOMENTS = frozenset({"DATETIME", "TIMESTAMP", "TIME"})
_NEVER_NULL = frozenset({"PRIMARY", "AUTO_INCREMENT"})
_COMPUTED = frozenset({"AS", "GENERATED", "SERIAL"})
_OTHER_TEXTS = frozenset({"ASCII", "UNICODE", "BYTE", "CHAR", "VARYING"})
_MOST_BYTES = 65535
_MOST_CHARACTERS = _MOST_BYTES // 4
"""What is longer may become a BLOB or TEXT."""
_FLOAT_BITS = 24


def read_column(definition: list[Word]) -> Column | None:
    """The column, without its name."""
    reader = WordReader(definition)
    keyword = reader.peek()
    if not keyword:
        return None
    reader.name()
    arguments = _arguments(reader)
    words = [word for _, word in outside_parentheses(definition)][1:]
    attributes = [word.keyword for word in words]
    if arguments is None or not _COMPUTED.isdisjoint(attributes):
        return None
    said = nullability([keyword, *attributes])
    if keyword == "TIMESTAMP" and said is None:
        # It depends on explicit_defaults_for_timestamp.
        return None
    if keyword in ("ENUM", "SET"):
        column = _labels(keyword.lower(), arguments, words)
    elif not all(word.text.isdigit() for word in arguments):
        return None
    else:
        sizes = [int(word.text) for word in arguments]
        column = (
            _number(keyword, sizes, attributes)
            or _text(keyword, sizes, words)
            or _other(keyword, sizes)
        )
    is_nullable = said is not False and _NEVER_NULL.isdisjoint(attributes)
    return None if column is None else replace(column, is_nullable=is_nullable)


def nullability(keywords: list[str]) -> bool | None:
    """What a definition, which begins with the type, says of NULL: the last word counts."""
    said = None
    for before, keyword in pairwise(keywords):
        if keyword == "NULL" and before not in ("DEFAULT", "SET"):
            said = before != "NOT"
    return said


def read_charset(words: list[Word]) -> str | None:
    """The character set that a column's or a table's options ask for, also by a collation."""
    reader = WordReader(words)
    charset = by_collation = None
    while not reader.at_end:
        if reader.accept("CHARACTER", "SET") or reader.accept("CHARSET"):
            reader.accept("=")
            charset = reader.name().lower()
        elif reader.accept("COLLATE"):
            reader.accept("=")
            by_collation = charset_of_collation(reader.name())
        else:
            reader.name()
    return charset or by_collation


def charset_of_collation(collation: str) -> str | None:
    """Their names begin with that of the character set, but for MariaDB's that fit several."""
    charset = collation.partition("_")[0].lower()
    return None if charset == "uca1400" else charset


def _arguments(reader: WordReader) -> list[Word] | None:
    """What stands in parentheses behind the type; None where it is no plain list."""
    reader.accept("PRECISION")
    if not reader.accept("("):
        return []
    words: list[Word] = []
    while not (reader.at_end or reader.accept(")")):
        words.append(reader.rest[0])
        reader.name()
    parts = split_at_commas(words)
    return [part[0] for part in parts] if all(len(part) == 1 for part in parts) else None


def _number(keyword: str, sizes: list[int], attributes: list[str]) -> Column | None:
    sign = "" if {"UNSIGNED", "ZEROFILL"}.isdisjoint(attributes) else " unsigned"
    sign += " zerofill" if "ZEROFILL" in attributes else ""
    if keyword in _INTEGERS:
        kind = _INTEGERS[keyword]
        return Column("", kind, kind + sign)
    if keyword in _DECIMALS and 0 not in sizes[:1]:
        precision, scale = [*sizes, *(10, 0)[len(sizes) :]]
        column_type = f"decimal({precision},{scale}){sign}"
        return Column("", "decimal", column_type, precision=precision, scale=scale)
    if keyword in ("FLOAT", "DOUBLE"):
        kind = "double" if sizes and sizes[0] > _FLOAT_BITS and len(sizes) == 1 else keyword.lower()
        digits = f"({sizes[0]},{sizes[1]})" if len(sizes) > 1 else ""
        return Column("", kind, kind + digits + sign)
    if keyword == "BIT":
        bits = sizes[0] if sizes else 1
        return Column("", "bit", f"bit({bits})", precision=bits)
    return None


def _other(keyword: str, sizes: list[int]) -> Column | None:
    kind = keyword.lower()
    if keyword in ("DATE", "YEAR"):
        return Column("", kind, f"{kind}({sizes[0]})" if sizes else kind)
    if keyword in _MOMENTS:
        digits = sizes[0] if sizes else 0
        return Column("", kind, kind + (f"({digits})" if digits else ""), fraction_digits=digits)
    if keyword == "BINARY" or (keyword == "VARBINARY" and sizes):
        size = sizes[0] if sizes else 1
        if size > _MOST_BYTES:
            return None
        return Column("", kind, f"{kind}({size})", char_length=size, octet_length=size)
    if keyword in _BLOBS and not sizes:
        size = 256 ** _BLOBS[keyword] - 1
        return Column("", kind, kind, char_length=size, octet_length=size)
    return None


def _text(keyword: str, sizes: list[int], words: list[Word]) -> Column | None:
    charset, kind = _charset(words), keyword.lower()
    if charset is None:
        return None
    if keyword in _TEXTS and not sizes:
        # TEXT(n) is the smallest of the types that is large enough.
        size = 256 ** _TEXTS[keyword] - 1
        return Column("", kind, kind, charset, size, size)
    if keyword == "CHAR" or (keyword == "VARCHAR" and sizes):
        length = sizes[0] if sizes else 1
        if length <= _MOST_CHARACTERS:
            return Column("", kind, f"{kind}({length})", charset, length)
    return None


def _labels(kind: str, arguments: list[Word], words: list[Word]) -> Column | None:
    charset = _charset(words)
    if charset is None or not arguments or not all(word.is_string for word in arguments):
        return None
    labels = [word.text.rstrip(" ") for word in arguments]
    lengths = [len(label) for label in labels]
    longest = max(lengths) if kind == "enum" else sum(lengths) + len(labels) - 1
    return Column("", kind, label_type(kind, labels), charset, longest)


def _charset(words: list[Word]) -> str | None:
    """As it is written; None where it is written in a way that is not read."""
    if not _OTHER_TEXTS.isdisjoint(word.keyword for word in words):
        return None
    charset = read_charset(words) or TABLE_CHARSET
    # Text of the character set binary is of a binary type, except for labels.
    return None if charset in ("binary", "default") else charset
