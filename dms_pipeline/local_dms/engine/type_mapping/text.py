"""CHAR, VARCHAR, the TEXT family, ENUM and SET.

Both paths see text in the column's own character set: the binary log stores it so, and the full
load asks the server not to convert. Hence one converter does for both.
"""

import codecs
import re
from collections.abc import Callable

from dms_pipeline.errors import SourceError
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import (
    ColumnMapping,
    UnfitValueError,
)

_CODECS = {
    "utf8mb4": "utf-8", "utf8mb3": "utf-8", "utf8": "utf-8", "ascii": "ascii",
    "ucs2": "utf-16-be", "utf16": "utf-16-be", "utf16le": "utf-16-le", "utf32": "utf-32-be",
    "latin2": "iso8859-2", "latin5": "iso8859-9", "latin7": "iso8859-13", "greek": "iso8859-7",
    "hebrew": "iso8859-8", "cp1250": "cp1250", "cp1251": "cp1251", "cp1256": "cp1256",
    "cp1257": "cp1257", "cp850": "cp850", "cp852": "cp852", "cp866": "cp866", "koi8r": "koi8-r",
    "koi8u": "koi8-u", "macroman": "mac-roman", "macce": "mac-latin2", "tis620": "tis-620",
    "gbk": "gbk", "gb2312": "gb2312", "gb18030": "gb18030", "big5": "big5", "sjis": "shift-jis",
    "cp932": "cp932", "ujis": "euc-jp", "eucjpms": "euc-jp", "euckr": "euc-kr",
}  # fmt: skip
_ESCAPES = {"n": "\n", "r": "\r", "0": "\0"}
_LARGEST_VARCHAR = 65535
_LARGEST_EXACT_VARCHAR = 21845


def escape(value: bytes) -> bytes:
    """Escape UTF-8 text for COPY; every byte that needs it is below 0x80, so bytes will do."""
    if b"\\" in value:
        value = value.replace(b"\\", b"\\\\")
    if b"\n" in value or b"\r" in value or b"\t" in value:
        value = value.replace(b"\n", b"\\n").replace(b"\r", b"\\r").replace(b"\t", b"\\t")
    return value


def map_text(column: Column) -> ColumnMapping:
    convert = _converter(column)
    return ColumnMapping(_text_type(column), convert, convert)


def _text_type(column: Column) -> str:
    if column.data_type in ("mediumtext", "longtext"):
        return "text"
    if column.data_type == "tinytext":
        return "varchar(255)"
    length = column.char_length or 1
    if column.data_type == "text" or length > _LARGEST_EXACT_VARCHAR:
        return f"varchar({_LARGEST_VARCHAR})"
    return f"varchar({length})"


def _converter(column: Column) -> Callable[[bytes], bytes]:
    if column.charset in ("utf8mb4", "utf8mb3", "utf8", None):
        return _utf8_field
    if column.charset == "latin1":
        return _latin1_field
    codec = _CODECS.get(column.charset)
    if codec is None:
        raise SourceError(f"character set {column.charset} is not converted")
    decode = codecs.getdecoder(codec)

    def convert(value: bytes) -> bytes:
        try:
            return _utf8_field(decode(value)[0].encode())
        except UnicodeError:
            raise UnfitValueError(f"text is not valid {column.charset}") from None

    return convert


def _utf8_field(value: bytes) -> bytes:
    if b"\0" in value:
        raise UnfitValueError("text holds the character NUL, which PostgreSQL text cannot")
    return escape(value)


def _latin1_field(value: bytes) -> bytes:
    """MySQL's latin1 is cp1252, whose five unassigned bytes are control characters to MySQL."""
    try:
        text = value.decode("cp1252")
    except UnicodeDecodeError:
        text = "".join(
            chr(byte) if byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else bytes([byte]).decode("cp1252")
            for byte in value
        )
    return _utf8_field(text.encode())


def map_enum(column: Column) -> ColumnMapping:
    """The label; index 0 is the empty text that MySQL stores for an invalid value."""
    labels = parse_labels(column.column_type)
    fields = [b"", *(_utf8_field(label.encode()) for label in labels)]

    def field(value: int) -> bytes:
        return fields[value]

    def from_text(value: bytes) -> bytes:
        return fields[int(value)]

    return ColumnMapping(f"varchar({max(1, *map(len, labels))})", from_text, field, "({} + 0)")


def map_set(column: Column) -> ColumnMapping:
    """The labels that are set, with commas between, in the order of the definition."""
    labels = parse_labels(column.column_type)

    def field(value: int) -> bytes:
        chosen = (label for bit, label in enumerate(labels) if value >> bit & 1)
        return _utf8_field(",".join(chosen).encode())

    def from_text(value: bytes) -> bytes:
        return field(int(value))

    return ColumnMapping(f"varchar({max(1, len(','.join(labels)))})", from_text, field, "({} + 0)")


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
