"""Values of the log as fields of COPY's binary format: their length in four bytes, then the value.

The layouts on the one side are those of MySQL's manual, "Date and Time Data Type Representation",
and of the server's ``decimal.c``; on the other side those of PostgreSQL's ``numeric_recv``,
``timestamp_recv`` and the like. PostgreSQL itself checks the encoding of texts and the size of
numbers, as it does for text.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from dms_pipeline.binlog.column_sizes import DECIMAL_BYTES, FRACTION_BYTES

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


def pass_over_null() -> None:
    """Nobody wants to know of the NULL."""


@dataclass(frozen=True, slots=True)
class Computed:
    """Numbers that are computed of the numbers in the log, by Python text.

    The text branches nowhere, so that it computes arrays as well (``array_tables``).

    Attributes:
        read: what ``struct`` calls the numbers in the log, whose highest byte comes first.
        write: what it calls those in the field.
        values: an expression for each of those; ``{0}`` stands for the first number in the log.
        before: statements that come first, in front of all fields; ``{v}`` stands for the beginning
            of a name of their own.
        names: what the expressions use beside, by names that mean the same in all of them.
        on_null: called for a value that has no field and becomes NULL: for which one of the
            statements raises ``NoValueError``.
    """

    read: str
    write: str
    values: tuple[str, ...]
    before: tuple[str, ...] = ()
    names: Mapping[str, Any] | None = None
    on_null: Callable[[], None] = pass_over_null


class NoValueError(Exception):
    """A value of the log that becomes NULL, met by a function that takes none for granted."""


BinaryForm = Packed | Verbatim | Computed | FieldOf

_LENGTH = struct.Struct(">i")
_SIGN_OF_DATETIME_DAY = 1 << 22
_CLOCK_BITS = 17
_MINUTES = (1 << _CLOCK_BITS - 6) - 1
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
_FIRST_DAY = date(2000, 1, 1)
_UNIX_EPOCH_US = (date(1970, 1, 1) - _FIRST_DAY).days * DAY_US
NEGATIVE_NUMERIC = 0x4000
# Days and times of day recur: looking one up is quicker than computing it.
_REMEMBERED = 100_000


def field(value: bytes) -> bytes:
    return _LENGTH.pack(len(value)) + value


def noting_null(form: BinaryForm, note: Callable[[], None]) -> BinaryForm:
    """Tell of every value that becomes NULL."""
    if isinstance(form, Computed):
        return replace(form, on_null=note)
    if isinstance(form, Packed | Verbatim):
        return form
    of = form

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


def decimal_form(precision: int, scale: int) -> Computed:
    """Of DECIMAL: groups of nine digits in four bytes each, the ones left over at both ends fewer.

    The highest bit is set for values that are not negative; of negative ones all bits are inverted.
    PostgreSQL has groups of four digits, each in two bytes, put together of parts of MySQL's.
    """
    whole = precision - scale
    widths = [w for w in (whole % 9, *[9] * (whole // 9), *[9] * (scale // 9), scale % 9) if w]
    read, groups, masks, before = "", [], [], []
    lowest = whole
    for at, width in enumerate(widths):
        codes, number = big_endian(DECIMAL_BYTES[width], at=len(read))
        read += codes
        lowest -= width
        name = number if len(codes) == 1 else f"{{v}}g{at}"
        if name != number:
            before.append(f"{name} = {number}")
        groups.append((name, lowest, width))
        masks.append((1 << 8 * DECIMAL_BYTES[width]) - 1)
    sign_bit = (masks[0] + 1) >> 1
    first, *_ = groups[0]
    # All bits of a negative value's sign are set, and none of another's.
    before += [
        f"{{v}}s = ({first} >> {sign_bit.bit_length() - 1}) - 1; {first} ^= {sign_bit}",
        *(f"{name} ^= {{v}}s & {mask}" for (name, *_), mask in zip(groups, masks, strict=True)),
    ]
    leading, trailing = -(-whole // 4), -(-scale // 4)
    digits = [
        " + ".join(filter(None, [_digits(group, 4 * place) for group in groups])) or "0"
        for place in range(leading - 1, -trailing - 1, -1)
    ]
    # How many groups, the weight of the first one, the sign, and the digits behind the point.
    sign = f"{{v}}s & {NEGATIVE_NUMERIC}"
    values = (str(len(digits)), str(leading - 1), sign, str(scale), *digits)
    return Computed(read, "hhHh" + "h" * len(digits), values, tuple(before))


def _digits(group: tuple[str, int, int], lowest: int) -> str:
    """What a group of MySQL's has of PostgreSQL's four digits from a power of ten on."""
    name, exponent, width = group
    low, high = max(lowest, exponent), min(lowest + 4, exponent + width)
    if low >= high:
        return ""
    part = name
    if low > exponent:
        part += f" // {10 ** (low - exponent)}"
    if high < exponent + width:
        part += f" % {10 ** (high - low)}"
    return part if low == lowest else f"({part}) * {10 ** (low - lowest)}"


def date_form() -> Computed:
    """Of DATE: three bytes, the lowest first, with five bits for the day and four for the month."""
    before = ("{v}d = date_days[{0} << 16 | {1}]",)
    return Computed("BH", "i", ("{v}d",), before, {"date_days": _DATE_DAYS})


def datetime_form(digits: int) -> Computed:
    """Of DATETIME(digits) in the format since MySQL 5.6; NULL for no day of the calendar."""
    bits, unit = _fraction(digits)
    codes, number = big_endian(5 + bits // 8)
    before = (f"{{v}}m = {number}", f"{{v}}d = datetime_days_us[{{v}}m >> {_CLOCK_BITS + bits}]")
    moment = (
        f"{{v}}d + minutes_us[{{v}}m >> {6 + bits} & {_MINUTES}]"
        f" + seconds_us[{{v}}m >> {bits} & 63]"
    )
    if bits:
        moment += f" + ({{v}}m & {(1 << bits) - 1}){unit}"
    names = {
        "datetime_days_us": _DATETIME_DAYS_US,
        "minutes_us": _MINUTES_US,
        "seconds_us": _SECONDS_US,
    }
    return Computed(codes, "q", (moment,), before, names)


def timestamp_form(digits: int) -> Computed:
    """Of TIMESTAMP(digits) in the format since MySQL 5.6, in UTC; no seconds at all are NULL."""
    bits, unit = _fraction(digits)
    codes, fraction = big_endian(bits // 8, at=1)
    moment = f"{_UNIX_EPOCH_US} + {{0}} * {SECOND_US}"
    given = "given({0})"
    if bits:
        given = f"given({{0}} | {fraction})"
        moment += f" + ({fraction}){unit}"
    return Computed("I" + codes, "q", (moment,), (given,), {"given": _given})


def big_endian(size: int, at: int = 0) -> tuple[str, str]:
    """What ``struct`` calls the numbers of which one of so many bytes is put together, and how."""
    codes = {0: "", 1: "B", 2: "H", 3: "HB", 4: "I", 5: "IB", 6: "IH", 7: "IHB", 8: "Q"}[size]
    parts, behind = [], size
    for place, code in enumerate(codes, at):
        behind -= struct.calcsize(">" + code)
        parts.append(f"{{{place}}} << {8 * behind}" if behind else f"{{{place}}}")
    return codes, " | ".join(parts)


def _fraction(digits: int) -> tuple[int, str]:
    """Of a stored fraction: its bits, and what makes microseconds of it.

    An even number of digits is stored.
    """
    unit = " // 10" if digits % 2 else ""
    if digits < 6:
        unit += f" * {10 ** (6 - digits)}"
    return 8 * FRACTION_BYTES[digits], unit


def _given(number: int) -> None:
    if not number:
        raise NoValueError


class Remembered(dict[int, int]):
    """What a function makes of a number, computed when it is first asked for."""

    def __init__(self, of: Callable[[int], int]) -> None:
        self._of = of

    def __missing__(self, key: int) -> int:
        if len(self) >= _REMEMBERED:
            self.clear()
        self[key] = value = self._of(key)
        return value


def days_since_2000(year: int, month: int, day: int) -> int:
    """Since 2000-01-01."""
    try:
        return (date(year, month, day) - _FIRST_DAY).days
    except ValueError:
        raise NoValueError from None


def _date_days(packed: int) -> int:
    """The bytes of a DATE, of which the lowest stands first."""
    raw = int.from_bytes(packed.to_bytes(3, "big"), "little")
    return days_since_2000(raw >> 9, raw >> 5 & 15, raw & 31)


def _datetime_day_us(packed: int) -> int:
    """A bit for the sign, the months since the year 0, thirteen to a year, and five for the day."""
    months = (packed - _SIGN_OF_DATETIME_DAY) >> 5
    return days_since_2000(months // 13, months % 13, packed & 31) * DAY_US


def _minutes_us(packed: int) -> int:
    """Five bits for the hour, six for the minute."""
    hour, minute = packed >> 6, packed & 63
    if hour > 23 or minute > 59:
        raise ValueError(f"there is no time {hour}:{minute:02}")
    return (hour * 60 + minute) * 60 * SECOND_US


_DATE_DAYS = Remembered(_date_days)
_DATETIME_DAYS_US = Remembered(_datetime_day_us)
_MINUTES_US = Remembered(_minutes_us)
_SECONDS_US = tuple(second * SECOND_US for second in range(60))
