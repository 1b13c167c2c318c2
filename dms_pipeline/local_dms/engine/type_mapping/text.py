"""CHAR, VARCHAR, the TEXT family, JSON, ENUM and SET.

Both paths see text in the column's own character set: the binary log stores it so, and the full
load asks the server not to convert. Hence one converter does for both.
"""

import logging
import re
from collections.abc import Callable

from dms_pipeline.binlog.json_binary import json_text
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.type_mapping.charsets import is_utf8, text_decoder
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import Conversion, UnfitValueError

logger = logging.getLogger(__name__)

_FOUR_BYTE_SETS = frozenset({"utf8mb4", "utf16", "utf16le", "utf32", "gb18030"})
_ESCAPES = {"n": "\n", "r": "\r", "0": "\0", "t": "\t", "Z": "\x1a"}
_LARGEST_VARCHAR = 65535
_LARGEST_EXACT_VARCHAR = 21845
_LOBS = frozenset({"mediumtext", "longtext"})


def map_text(column: Column) -> Conversion:
    convert = _converter(column.charset)
    return Conversion(
        "text", _text_type(column), convert, convert, is_lob=column.data_type in _LOBS
    )


def _text_type(column: Column) -> str:
    if column.data_type in _LOBS:
        return "text"
    if column.data_type == "tinytext":
        return "varchar(255)"
    length = column.char_length or 1
    if column.data_type == "text" or length > _LARGEST_EXACT_VARCHAR:
        return f"varchar({_LARGEST_VARCHAR})"
    return f"varchar({length})"


def _converter(charset: str | None) -> Callable[[bytes], bytes]:
    if charset is None or is_utf8(charset):
        return _checked_utf8
    decode = text_decoder(charset)

    def convert(value: bytes) -> bytes:
        return _without_nul(decode(value).encode())

    return convert


def _checked_utf8(value: bytes) -> bytes:
    """MySQL lets nobody insert other bytes, but old versions and file copies left some behind."""
    try:
        value.decode()
    except UnicodeDecodeError:
        raise UnfitValueError("text is not valid UTF-8") from None
    return _without_nul(value)


def _without_nul(value: bytes) -> bytes:
    if b"\0" in value:
        raise UnfitValueError("text holds the character NUL, which PostgreSQL text cannot")
    return value


def map_json(column: Column) -> Conversion:
    """The text MySQL prints; the log holds its binary form."""
    return Conversion("text", "text", bytes, lambda value: json_text(value).encode(), is_lob=True)


def map_enum(column: Column) -> Conversion:
    """The label; index 0 is the empty text that MySQL stores for an invalid value."""
    labels = _labels(column)
    plain = [b"", *(label.encode() for label in labels)]

    def from_binlog(value: int) -> bytes:
        return _without_nul(plain[value])

    target_type = f"varchar({max(1, *map(len, labels))})"
    return Conversion("text", target_type, _converter(column.charset), from_binlog)


def map_set(column: Column) -> Conversion:
    """The labels that are set, with commas between, in the order of the definition."""
    labels = _labels(column)

    def from_binlog(value: int) -> bytes:
        chosen = (label for bit, label in enumerate(labels) if value >> bit & 1)
        return _without_nul(",".join(chosen).encode())

    target_type = f"varchar({max(1, len(','.join(labels)))})"
    return Conversion("text", target_type, _converter(column.charset), from_binlog)


def _labels(column: Column) -> list[str]:
    labels = parse_labels(column.column_type)
    if column.charset in _FOUR_BYTE_SETS and any("?" in label for label in labels):
        logger.warning(
            "column %s has a label with a question mark: servers also show one for a character"
            " beyond U+FFFF, and then captured changes hold the question mark",
            column.name,
        )
    return labels


def parse_labels(column_type: str) -> list[str]:
    """The labels out of ``enum('a','it''s')``, where quotes are doubled and controls escaped."""
    labels = re.findall(r"'((?:''|\\.|[^'\\])*)'", column_type, re.DOTALL)
    return [
        re.sub(
            r"''|\\(.)",
            lambda found: "'" if found[1] is None else _ESCAPES.get(found[1], found[1]),
            label,
            flags=re.DOTALL,
        )
        for label in labels
    ]
