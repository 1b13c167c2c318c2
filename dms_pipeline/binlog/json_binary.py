"""MySQL's binary JSON, as the binary log holds it, back into the text MySQL itself prints.

The text is the one of ``SELECT json_column``: blanks after commas and colons, keys in stored order,
numbers and escapes as the server writes them. So a value reads the same whether it came from the
log or from a query.
"""

import base64
import struct
from collections.abc import Callable, Iterator
from functools import partial

from dms_pipeline.binlog.column_sizes import ColumnFormat
from dms_pipeline.binlog.row_decoder import compile_row_decoder
from dms_pipeline.errors import BinlogError

_SMALL_OBJECT, _LARGE_OBJECT, _SMALL_ARRAY, _LARGE_ARRAY, _LITERAL = range(5)
_INT16, _UINT16, _INT32, _UINT32, _INT64, _UINT64, _DOUBLE, _STRING = range(5, 13)
_OPAQUE = 0x0F
_LITERALS = {0: "null", 1: "true", 2: "false"}
_NUMBERS = {
    _INT16: struct.Struct("<h"),
    _UINT16: struct.Struct("<H"),
    _INT32: struct.Struct("<i"),
    _UINT32: struct.Struct("<I"),
    _INT64: struct.Struct("<q"),
    _UINT64: struct.Struct("<Q"),
}
_DOUBLE_LAYOUT = struct.Struct("<d")
_INLINE = frozenset({_LITERAL, _INT16, _UINT16})
_INLINE_IN_LARGE = _INLINE | {_INT32, _UINT32}

_OPAQUE_TIMESTAMP, _OPAQUE_DATE, _OPAQUE_TIME, _OPAQUE_DATETIME = 7, 10, 11, 12
_OPAQUE_DECIMAL = 246
_BASE64_LINE = 76
_MAX_PLAIN_EXPONENT = 15

_ESCAPES = str.maketrans(
    {chr(code): f"\\u{code:04x}" for code in range(0x20)}
    | {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
)


def json_text(document: bytes) -> str:
    """The text of a stored document.

    Raises:
        BinlogError: these bytes are not a complete JSON document.
    """
    if not document:
        # What a nullable column is left with under INSERT IGNORE; the server reads it as null.
        return "null"
    try:
        # A view, so that taking the part of a large document copies nothing.
        return _value(document[0], memoryview(document)[1:])
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise BinlogError(f"a JSON value in the binary log is damaged: {error}") from None


def _value(kind: int, data: memoryview) -> str:
    if kind in _NUMBERS:
        return str(_NUMBERS[kind].unpack_from(data)[0])
    reader = _READERS.get(kind)
    if reader is None:
        raise BinlogError(f"a JSON value in the binary log has the unknown type {kind}")
    return reader(data)


def _string(data: memoryview) -> str:
    return _quoted(str(_counted(data, 0), "utf-8"))


def _double(data: memoryview) -> str:
    return double_text(_DOUBLE_LAYOUT.unpack_from(data)[0])


def _object(data: memoryview, *, large: bool) -> str:
    width = 4 if large else 2
    count = _unsigned(data, 0, width)
    entries = 2 * width
    values = _values(data, entries + count * (width + 2), count, large=large)
    members = []
    for number, value in enumerate(values):
        entry = entries + number * (width + 2)
        start = _unsigned(data, entry, width)
        key = str(data[start : start + _unsigned(data, entry + width, 2)], "utf-8")
        members.append(f"{_quoted(key)}: {value}")
    return "{" + ", ".join(members) + "}"


def _array(data: memoryview, *, large: bool) -> str:
    width = 4 if large else 2
    count = _unsigned(data, 0, width)
    return "[" + ", ".join(_values(data, 2 * width, count, large=large)) + "]"


def _values(data: memoryview, offset: int, count: int, *, large: bool) -> Iterator[str]:
    """The values whose entries begin at ``offset``: a byte of type, then the value or its place."""
    width = 4 if large else 2
    inline = _INLINE_IN_LARGE if large else _INLINE
    for number in range(count):
        entry = offset + number * (width + 1)
        kind = data[entry]
        start = entry + 1 if kind in inline else _unsigned(data, entry + 1, width)
        yield _value(kind, data[start:])


def _unsigned(data: memoryview, offset: int, width: int) -> int:
    if offset + width > len(data):
        raise IndexError("it ends too early")
    return int.from_bytes(data[offset : offset + width], "little")


def _counted(data: memoryview, offset: int) -> memoryview:
    """Bytes behind a length of seven bits per byte, the lowest first."""
    length = shift = 0
    while True:
        byte = data[offset]
        length |= (byte & 0x7F) << shift
        offset, shift = offset + 1, shift + 7
        if byte < 0x80:
            break
    if offset + length > len(data):
        raise IndexError("it ends too early")
    return data[offset : offset + length]


def _literal(data: memoryview) -> str:
    code = data[0]
    if code not in _LITERALS:
        raise BinlogError(f"a JSON value in the binary log has the unknown literal {code}")
    return _LITERALS[code]


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'


def double_text(value: float) -> str:
    """A double as MySQL writes it: shortest digits, plain up to 15 places around the point."""
    sign, digits, exponent = _shortest_digits(value)
    point = len(digits) + exponent
    plain = point >= 1 - _MAX_PLAIN_EXPONENT and (
        point <= _MAX_PLAIN_EXPONENT or len(digits) > point
    )
    if not plain:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{point - 1}"
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    whole, fraction = digits[:point].ljust(point, "0"), digits[point:]
    return f"{sign}{whole}.{fraction or '0'}"


def _shortest_digits(value: float) -> tuple[str, str, int]:
    """Sign, digits without zeros at either end, and the power of ten they are multiplied by."""
    mantissa, _, exponent = f"{value!r}e0".partition("e")
    exponent = exponent.removesuffix("e0") or "0"
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = (whole + fraction).lstrip("0")
    kept = digits.rstrip("0")
    if not kept:
        return sign, "0", 0
    return sign, kept, int(exponent) - len(fraction) + len(digits) - len(kept)


def _opaque(document: memoryview) -> str:
    kind, data = document[0], _counted(document, 1)
    reader = _OPAQUE_READERS.get(kind)
    if reader is not None:
        return reader(data)
    encoded = base64.b64encode(data).decode()
    lines = (encoded[at : at + _BASE64_LINE] for at in range(0, len(encoded), _BASE64_LINE))
    return _quoted(f"base64:type{kind}:" + "\n".join(lines))


def _decimal(data: memoryview) -> str:
    """Precision, scale, and the digits in the format that DECIMAL columns have in rows."""
    read_row = compile_row_decoder((ColumnFormat(_OPAQUE_DECIMAL, bytes(data[:2])),))
    (value,), _ = read_row(b"\0" + bytes(data[2:]), 0)
    return format(value, "f")


def _date(data: memoryview) -> str:
    return f'"{_day(_packed(data) >> 41)}"'


def _datetime(data: memoryview) -> str:
    packed = _packed(data)
    return f'"{_day(packed >> 41)} {_clock(packed & 0x1FFFFFFFFFF)}"'


def _time(data: memoryview) -> str:
    packed = _packed(data)
    return f'"{"-" if packed < 0 else ""}{_clock(abs(packed))}"'


def _packed(data: memoryview) -> int:
    return int.from_bytes(data[:8], "little", signed=True)


def _day(packed: int) -> str:
    months = packed >> 5
    return f"{months // 13:04d}-{months % 13:02d}-{packed & 31:02d}"


def _clock(packed: int) -> str:
    seconds, microseconds = packed >> 24, packed & 0xFFFFFF
    return f"{seconds >> 12:02d}:{seconds >> 6 & 63:02d}:{seconds & 63:02d}.{microseconds:06d}"


_OPAQUE_READERS: dict[int, Callable[[memoryview], str]] = {
    _OPAQUE_TIMESTAMP: _datetime,
    _OPAQUE_DATE: _date,
    _OPAQUE_TIME: _time,
    _OPAQUE_DATETIME: _datetime,
    _OPAQUE_DECIMAL: _decimal,
}
_READERS: dict[int, Callable[[memoryview], str]] = {
    _SMALL_OBJECT: partial(_object, large=False),
    _LARGE_OBJECT: partial(_object, large=True),
    _SMALL_ARRAY: partial(_array, large=False),
    _LARGE_ARRAY: partial(_array, large=True),
    _LITERAL: _literal,
    _DOUBLE: _double,
    _STRING: _string,
    _OPAQUE: _opaque,
}
