"""Decoders of binary log rows, compiled once per table map.

Values come out as plain Python: int, float, Decimal, bytes for text and binary alike (the log does
not say the character set), text for dates and times, because MySQL stores dates that
``datetime`` refuses. Integers are read as signed: MariaDB's log does not say otherwise.
"""

import struct
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from dms_pipeline.binlog.column_sizes import (
    DECIMAL_BYTES,
    FRACTION_BYTES,
    STRING,
    ColumnFormat,
    decimal_size,
    length_width,
)
from dms_pipeline.errors import BinlogError

Row = tuple[Any, ...]
Reader = Callable[[bytes, int], tuple[Any, int]]
RowDecoder = Callable[[bytes, int], tuple[Row, int]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO_TIMESTAMP = "0000-00-00 00:00:00"
_FRACTION_UNIT = (0, 10_000, 10_000, 100, 100, 1, 1)
PRE_56_TEMPORAL_TYPES = frozenset({7, 11, 12})
"""TIMESTAMP, TIME and DATETIME in the format before MySQL 5.6, whose fractions are not decoded."""


def compile_row_decoder(columns: tuple[ColumnFormat, ...]) -> RowDecoder:
    """A function that reads one row image of exactly these columns."""
    readers = tuple((1 << index, _reader(column)) for index, column in enumerate(columns))
    bitmap_bytes = (len(columns) + 7) // 8

    def decode(buffer: bytes, offset: int) -> tuple[Row, int]:
        nulls = int.from_bytes(buffer[offset : offset + bitmap_bytes], "little")
        offset += bitmap_bytes
        values: list[Any] = []
        append = values.append
        for bit, read in readers:
            if nulls & bit:
                append(None)
            else:
                value, offset = read(buffer, offset)
                append(value)
        return tuple(values), offset

    return decode


def stored_value(column: ColumnFormat) -> Callable[[bytes], Any] | None:
    """From a value's bytes, without a length in front, to the value; None if those are it."""
    code = column.type_code
    if code in _COMPRESSED:
        return _decompress_value
    if code in _COUNTED and not (column.is_enum or column.is_set):
        return None
    read = _reader(column)
    return lambda raw: read(raw, 0)[0]


def _reader(column: ColumnFormat) -> Reader:
    code, metadata = column.type_code, column.metadata
    if code in _FIXED_READERS:
        return _FIXED_READERS[code]
    if column.is_enum or column.is_set:
        return _integer(metadata[1])
    if code in _COUNTED:
        return _counted(length_width(column))
    if code in _COMPRESSED:
        return _compressed(length_width(column))
    if code in _METADATA_READERS:
        return _METADATA_READERS[code](metadata)
    raise BinlogError(f"columns of binary log type number {code} are not decoded")


def _packed(layout: str) -> Reader:
    unpack, size = struct.Struct(layout).unpack_from, struct.calcsize(layout)

    def read(buffer: bytes, offset: int) -> tuple[Any, int]:
        return unpack(buffer, offset)[0], offset + size

    return read


def _read_int24(buffer: bytes, offset: int) -> tuple[Any, int]:
    return int.from_bytes(buffer[offset : offset + 3], "little", signed=True), offset + 3


def _read_year(buffer: bytes, offset: int) -> tuple[Any, int]:
    return (buffer[offset] + 1900 if buffer[offset] else 0), offset + 1


def _read_date(buffer: bytes, offset: int) -> tuple[Any, int]:
    packed = int.from_bytes(buffer[offset : offset + 3], "little")
    return f"{packed >> 9:04d}-{packed >> 5 & 15:02d}-{packed & 31:02d}", offset + 3


def _read_old_timestamp(buffer: bytes, offset: int) -> tuple[Any, int]:
    seconds = int.from_bytes(buffer[offset : offset + 4], "little")
    return _timestamp_text(seconds) if seconds else _ZERO_TIMESTAMP, offset + 4


def _read_old_time(buffer: bytes, offset: int) -> tuple[Any, int]:
    packed = int.from_bytes(buffer[offset : offset + 3], "little", signed=True)
    sign, digits = ("-" if packed < 0 else ""), abs(packed)
    text = f"{sign}{digits // 10000:02d}:{digits // 100 % 100:02d}:{digits % 100:02d}"
    return text, offset + 3


def _read_old_datetime(buffer: bytes, offset: int) -> tuple[Any, int]:
    digits = f"{int.from_bytes(buffer[offset : offset + 8], 'little'):014d}"
    date = f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}"
    return f"{date} {digits[8:10]}:{digits[10:12]}:{digits[12:14]}", offset + 8


def _timestamp_text(seconds: int) -> str:
    return f"{_EPOCH + timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}"


def _fraction(raw: int, digits: int) -> str:
    """The fraction with its point, as many digits as the column keeps."""
    if not digits:
        return ""
    return f".{raw * _FRACTION_UNIT[digits]:06d}"[: digits + 1]


def _datetime2(metadata: bytes) -> Reader:
    digits = metadata[0]
    size = FRACTION_BYTES[digits]

    def read(buffer: bytes, offset: int) -> tuple[Any, int]:
        packed = int.from_bytes(buffer[offset : offset + 5], "big") - 0x8000000000
        day_end = offset + 5 + size
        fraction = _fraction(int.from_bytes(buffer[offset + 5 : day_end], "big"), digits)
        months, day = packed >> 22, packed >> 17 & 31
        return (
            f"{months // 13:04d}-{months % 13:02d}-{day:02d} "
            f"{packed >> 12 & 31:02d}:{packed >> 6 & 63:02d}:{packed & 63:02d}{fraction}"
        ), day_end

    return read


def _timestamp2(metadata: bytes) -> Reader:
    digits = metadata[0]
    size = FRACTION_BYTES[digits]

    def read(buffer: bytes, offset: int) -> tuple[Any, int]:
        end = offset + 4 + size
        seconds = int.from_bytes(buffer[offset : offset + 4], "big")
        raw = int.from_bytes(buffer[offset + 4 : end], "big")
        # MariaDB's range begins with the first fraction of 1970, MySQL's with its first second.
        text = _timestamp_text(seconds) if seconds or raw else _ZERO_TIMESTAMP
        return text + _fraction(raw, digits), end

    return read


def _time2(metadata: bytes) -> Reader:
    digits = metadata[0]
    size = 3 + FRACTION_BYTES[digits]
    fraction_bits = 8 * FRACTION_BYTES[digits]
    zero = 0x800000 << fraction_bits

    def read(buffer: bytes, offset: int) -> tuple[Any, int]:
        packed = int.from_bytes(buffer[offset : offset + size], "big") - zero
        sign, packed = ("-" if packed < 0 else ""), abs(packed)
        fraction = _fraction(packed & ((1 << fraction_bits) - 1), digits)
        clock = packed >> fraction_bits
        return (
            f"{sign}{clock >> 12 & 1023:02d}:{clock >> 6 & 63:02d}:{clock & 63:02d}{fraction}"
        ), offset + size

    return read


def _decimal(metadata: bytes) -> Reader:
    precision, scale = metadata
    whole = precision - scale
    groups = [DECIMAL_BYTES[whole % 9]] + [4] * (whole // 9)
    widths = [whole % 9] + [9] * (whole // 9)
    fraction_groups = [4] * (scale // 9) + [DECIMAL_BYTES[scale % 9]]
    fraction_widths = [9] * (scale // 9) + [scale % 9]
    size = decimal_size(precision, scale)
    whole_parts = [part for part in zip(groups, widths, strict=True) if part[0]]
    fraction_parts = [
        part for part in zip(fraction_groups, fraction_widths, strict=True) if part[0]
    ]

    def digits(data: bytes, offset: int, parts: list[tuple[int, int]]) -> tuple[str, int]:
        text = []
        for length, width in parts:
            text.append(f"{int.from_bytes(data[offset : offset + length], 'big'):0{width}d}")
            offset += length
        return "".join(text), offset

    def read(buffer: bytes, offset: int) -> tuple[Any, int]:
        data = bytearray(buffer[offset : offset + size])
        negative = not data[0] & 0x80
        data[0] ^= 0x80
        if negative:
            data = bytearray(byte ^ 0xFF for byte in data)
        integer, middle = digits(bytes(data), 0, whole_parts)
        fraction, _ = digits(bytes(data), middle, fraction_parts)
        sign = "-" if negative else ""
        return Decimal(
            f"{sign}{integer or '0'}.{fraction or '0'}" if scale else f"{sign}{integer}"
        ), (offset + size)

    return read


def _counted(length_bytes: int) -> Reader:
    """Bytes behind a little-endian length of so many bytes."""

    def read(buffer: bytes, offset: int) -> tuple[Any, int]:
        start = offset + length_bytes
        end = start + int.from_bytes(buffer[offset:start], "little")
        return buffer[start:end], end

    return read


def _integer(length: int, *, big_endian: bool = False) -> Reader:
    order: Any = "big" if big_endian else "little"

    def read(buffer: bytes, offset: int) -> tuple[Any, int]:
        return int.from_bytes(buffer[offset : offset + length], order), offset + length

    return read


def _compressed(length_bytes: int) -> Reader:
    """MariaDB's COMPRESSED columns: the value behind a byte that says how it was compressed."""
    read_raw = _counted(length_bytes)

    def read(buffer: bytes, offset: int) -> tuple[Any, int]:
        raw, end = read_raw(buffer, offset)
        return _decompress_value(raw), end

    return read


def _decompress_value(raw: bytes) -> bytes:
    if not raw:
        return b""
    if not raw[0] >> 4:
        return raw[1:]
    # 8 is zlib; bit 3 tells that its wrapper was left out, the lower bits the size of the length.
    if raw[0] >> 4 != 8:
        raise BinlogError(f"a COMPRESSED column uses the unknown method {raw[0] >> 4}")
    window = -zlib.MAX_WBITS if raw[0] & 8 else zlib.MAX_WBITS
    return zlib.decompress(raw[1 + (raw[0] & 7) :], wbits=window)


def _bit(metadata: bytes) -> Reader:
    bits = metadata[1] * 8 + metadata[0]
    return _integer((bits + 7) // 8, big_endian=True)


_FIXED_READERS: dict[int, Reader] = {
    1: _packed("<b"),
    2: _packed("<h"),
    3: _packed("<i"),
    4: _packed("<f"),
    5: _packed("<d"),
    7: _read_old_timestamp,
    8: _packed("<q"),
    9: _read_int24,
    10: _read_date,
    11: _read_old_time,
    12: _read_old_datetime,
    13: _read_year,
}
_METADATA_READERS: dict[int, Callable[[bytes], Reader]] = {
    16: _bit,
    17: _timestamp2,
    18: _datetime2,
    19: _time2,
    246: _decimal,
}
# Text, blobs, and what is not interpreted here: vectors, JSON, geometries.
_COUNTED = frozenset({15, 242, 245, 249, 250, 251, 252, 253, STRING, 255})
_COMPRESSED = frozenset({140, 141})
