"""Values of the log as fields of COPY's binary format: their length in four bytes, then the value.

The layouts on the one side are those of MySQL's manual, "Date and Time Data Type Representation",
and of the server's ``decimal.c``; on the other side those of PostgreSQL's ``numeric_recv``,
``timestamp_recv`` and the like. PostgreSQL itself checks the encoding of texts and the size of
numbers, as it does for text.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from dms_pipeline.binlog.column_sizes import DECIMAL_BYTES, FRACTION_BYTES, decimal_size

FieldOf = Callable[[bytes], bytes]
NULL = b"\xff\xff\xff\xff"


@dataclass(frozen=True, slots=True)
class Packed:
    """A number: what ``struct`` calls it in the log, and in the field."""

    read: str
    write: str


@dataclass(frozen=True, slots=True)
class Verbatim:
    """The bytes in the log are those of the field."""


BinaryForm = Packed | Verbatim | FieldOf

_LENGTH = struct.Struct(">i")
_DATE = struct.Struct(">ii")
_TIMESTAMP = struct.Struct(">iq")
_SIGN_OF_DATETIME = 1 << 39
_CLOCK_BITS = 17
_CLOCK = (1 << _CLOCK_BITS) - 1
_SECOND_US = 1_000_000
_DAY_US = 86_400 * _SECOND_US
_FIRST_DAY = date(2000, 1, 1)
_UNIX_EPOCH_US = (date(1970, 1, 1) - _FIRST_DAY).days * _DAY_US
_NEGATIVE_NUMERIC = 0x4000
# Days and times of day recur: looking one up is quicker than computing it.
_REMEMBERED = 100_000


def field(value: bytes) -> bytes:
    return _LENGTH.pack(len(value)) + value


def noting_null(of: FieldOf, note: Callable[[], None]) -> FieldOf:
    """Tell of every value that becomes NULL."""

    def noting(raw: bytes) -> bytes:
        made = of(raw)
        if made is NULL:
            note()
        return made

    return noting


def plain_writer(target_type: str) -> FieldOf | None:
    """What makes a field of a plain value, by the target's type; None for types not known here."""
    name = target_type.partition("(")[0]
    if name in ("varchar", "text", "bytea"):
        return field
    code = {"smallint": "h", "integer": "i", "bigint": "q"}.get(name)
    if code is not None:
        whole = struct.Struct(f">i{code}")
        size = whole.size - _LENGTH.size
        return lambda value: whole.pack(size, int(value))
    if name == "double precision":
        double = struct.Struct(">id")
        return lambda value: double.pack(8, float(value))
    if name == "boolean":
        return lambda value: field(b"\1" if value == b"1" else b"\0")
    return None


def decimal_field(precision: int, scale: int) -> FieldOf:
    """Of DECIMAL: groups of nine digits in four bytes each, the ones left over at both ends fewer.

    The highest bit is set for values that are not negative; of negative ones all bits are inverted.
    PostgreSQL has groups of four digits, each in two bytes.
    """
    whole = precision - scale
    bits = 8 * decimal_size(precision, scale)
    before, behind = -(-whole // 4), -(-scale // 4)
    numeric = struct.Struct(f">ihhHh{before + behind}h")
    # The number is put together of MySQL's groups, so large that PostgreSQL's last group is full,
    # and taken apart again, all in expressions without a loop.
    terms, shift, digits = [], bits, whole + 4 * behind
    for width in (whole % 9, *[9] * (whole // 9), *[9] * (scale // 9), scale % 9):
        shift -= 8 * DECIMAL_BYTES[width]
        digits -= width
        if width:
            mask = (1 << 8 * DECIMAL_BYTES[width]) - 1
            terms.append(f"(packed >> {shift} & {mask}) * {10**digits}")
    groups = [f"number // {10_000**place} % 10_000" for place in reversed(range(before + behind))]
    source = f"""
def of(raw):
    packed, sign = int.from_bytes(raw, 'big') ^ {1 << (bits - 1)}, 0
    if packed & {1 << (bits - 1)}:
        packed, sign = packed ^ {(1 << bits) - 1}, {_NEGATIVE_NUMERIC}
    number = {" + ".join(terms)}
    return pack({numeric.size - _LENGTH.size}, {len(groups)}, {before - 1}, sign, {scale},
                {", ".join(groups)})
"""
    names = {"pack": numeric.pack}
    # Nothing of it comes from outside but numbers.
    exec(source, names)
    of: FieldOf = names["of"]
    return of


def date_field(raw: bytes) -> bytes:
    """Of DATE: three bytes, the day in the lowest five bits and the month in the next four."""
    return _date_field(int.from_bytes(raw, "little"))


@lru_cache(_REMEMBERED)
def _date_field(packed: int) -> bytes:
    days = _days(packed >> 9, packed >> 5 & 15, packed & 31)
    return NULL if days is None else _DATE.pack(4, days)


def datetime_field(digits: int) -> FieldOf:
    """Of DATETIME(digits) in the format since MySQL 5.6; NULL for no day of the calendar."""
    fraction_bits, mask, odd, unit_us = _fraction(digits)

    def of(raw: bytes) -> bytes:
        packed = int.from_bytes(raw, "big")
        moment = (packed >> fraction_bits) - _SIGN_OF_DATETIME
        day_us = _day_us(moment >> _CLOCK_BITS)
        if day_us is None:
            return NULL
        fraction_us = (packed & mask) // odd * unit_us
        return _TIMESTAMP.pack(8, day_us + _clock_us(moment & _CLOCK) + fraction_us)

    return of


def timestamp_field(digits: int) -> FieldOf:
    """Of TIMESTAMP(digits) in the format since MySQL 5.6, in UTC; no seconds at all are NULL."""
    fraction_bits, mask, odd, unit_us = _fraction(digits)

    def of(raw: bytes) -> bytes:
        packed = int.from_bytes(raw, "big")
        if not packed:
            return NULL
        second_us = _UNIX_EPOCH_US + (packed >> fraction_bits) * _SECOND_US
        return _TIMESTAMP.pack(8, second_us + (packed & mask) // odd * unit_us)

    return of


def _fraction(digits: int) -> tuple[int, int, int, int]:
    """Of a stored fraction: its bits, their mask, what divides out a digit that is only stored.

    Last comes what the quotient counts, in microseconds. An even number of digits is stored.
    """
    bits = 8 * FRACTION_BYTES[digits]
    return bits, (1 << bits) - 1, 10 ** (digits % 2), 10 ** (6 - digits)


@lru_cache(_REMEMBERED)
def _day_us(packed: int) -> int | None:
    """The months since the year 0, thirteen to a year, and five bits for the day."""
    months = packed >> 5
    days = _days(months // 13, months % 13, packed & 31)
    return None if days is None else days * _DAY_US


@lru_cache(_REMEMBERED)
def _clock_us(packed: int) -> int:
    hour, minute, second = packed >> 12, packed >> 6 & 63, packed & 63
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"there is no time {hour}:{minute:02}:{second:02}")
    return (hour * 3600 + minute * 60 + second) * _SECOND_US


def _days(year: int, month: int, day: int) -> int | None:
    """Since 2000-01-01; None if there is no such day."""
    try:
        return (date(year, month, day) - _FIRST_DAY).days
    except ValueError:
        return None
