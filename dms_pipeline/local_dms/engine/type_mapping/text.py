"""CHAR, VARCHAR, the TEXT family, JSON, ENUM and SET.

Both paths see text in the column's own character set: the binary log stores it so, and the full
load asks the server not to convert. Hence one converter does for both.
"""

from collections.abc import Callable

from dms_pipeline.binlog.column_sizes import ColumnFormat
from dms_pipeline.binlog.json_binary import json_text
from dms_pipeline.binlog.row_decoder import stored_value
from dms_pipeline.local_dms.engine.model import Column
from dms_pipeline.local_dms.engine.type_mapping.binary_fields import Verbatim
from dms_pipeline.local_dms.engine.type_mapping.charsets import is_utf8, text_decoder
from dms_pipeline.local_dms.engine.type_mapping.column_mapping import Conversion, UnfitValueError
from dms_pipeline.local_dms.engine.type_mapping.labels import parse_labels

_LARGEST_VARCHAR = 65535
_LARGEST_EXACT_VARCHAR = 21845
_LOBS = frozenset({"mediumtext", "longtext"})


def map_text(column: Column) -> Conversion:
    convert = _converter(column.charset)
    return Conversion(
        "text",
        _text_type(column),
        convert,
        convert,
        is_lob=column.data_type in _LOBS,
        printed=bytes if convert is _checked_utf8 else None,
        binary=lambda stored: _verbatim(stored) if convert is _checked_utf8 else None,
    )


def _verbatim(stored: ColumnFormat) -> Verbatim | None:
    """What the server wrote compressed, or as a number, is not the text itself."""
    return Verbatim() if stored_value(stored) is None else None


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
    labels = parse_labels(column.column_type)
    plain = [b"", *map(_label, labels)]

    def from_binlog(value: int) -> bytes:
        return _checked_utf8(plain[value])

    target_type = f"varchar({max(1, *map(len, labels))})"
    return Conversion("text", target_type, _converter(column.charset), from_binlog)


def map_set(column: Column) -> Conversion:
    """The labels that are set, with commas between, in the order of the definition."""
    labels = parse_labels(column.column_type)
    plain = [*map(_label, labels)]

    def from_binlog(value: int) -> bytes:
        chosen = (label for bit, label in enumerate(plain) if value >> bit & 1)
        return _checked_utf8(b",".join(chosen))

    target_type = f"varchar({max(1, len(','.join(labels)))})"
    return Conversion("text", target_type, _converter(column.charset), from_binlog)


def _label(label: str) -> bytes:
    """The bytes of a label; those of the character set ``binary`` need not be UTF-8."""
    return label.encode(errors="surrogateescape")
