"""Values of MySQL's binary protocol as fields of COPY's binary format.

The layouts of the one side are those of MySQL's manual, "Binary Protocol Resultset Row". Numbers
have a fixed size, times their length in a byte before them; what else there is stands behind its
length, as it does in the text protocol.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from dms_pipeline.local_dms.engine.type_mapping.binary_fields import (
    DAY_US,
    NEGATIVE_NUMERIC,
    SECOND_US,
    BinaryForm,
    Computed,
    FieldOf,
    Remembered,
    days_since_2000,
    field,
    noting_null,
    pass_over_null,
)

_TIMESTAMP, _DATE, _TIME, _DATETIME, _DECIMAL = 7, 10, 11, 12, 246
# What `struct` calls the signed ones: TINYINT, SMALLINT, INT, FLOAT, DOUBLE, BIGINT, MEDIUMINT,
# YEAR.
_NUMBERS = {1: "b", 2: "h", 3: "i", 4: "f", 5: "d", 8: "q", 9: "i", 13: "h"}
# Texts, bytes, BIT, JSON, vectors, geometries and decimals.
_DIGITS_OF_BIGINT = 18
_COUNTED = frozenset({15, 16, 242, 245, *range(246, 256)})


@dataclass(frozen=True, slots=True)
class SentColumn:
    """A column of an answer, as the server describes it in front of the rows."""

    type_code: int
    is_unsigned: bool = False

    @property
    def number(self) -> str | None:
        """What ``struct`` calls a value; None if it is no number of a fixed size."""
        code = _NUMBERS.get(self.type_code)
        return code.upper() if code and code in "bhiq" and self.is_unsigned else code

    @property
    def is_whole(self) -> bool:
        return self.number is not None and self.number not in "fd"

    @property
    def is_date(self) -> bool:
        return self.type_code == _DATE

    @property
    def is_moment(self) -> bool:
        return self.type_code in (_DATETIME, _TIMESTAMP)

    @property
    def is_clock(self) -> bool:
        return self.type_code == _TIME

    @property
    def is_decimal(self) -> bool:
        return self.type_code == _DECIMAL

    @property
    def is_counted(self) -> bool:
        """Whether a value stands behind its length, whatever that is."""
        return self.type_code in _COUNTED


@dataclass(frozen=True, slots=True)
class Shortened:
    """A time, of which the server leaves out what is zero at its end.

    Attributes:
        by_length: the form of a value for each length but 0.
        on_null: called for a value of length 0, which is zero altogether and becomes NULL.
    """

    by_length: Mapping[int, Computed]
    on_null: Callable[[], None] = pass_over_null

    def noting(self, note: Callable[[], None]) -> "Shortened":
        noted = {length: replace(form, on_null=note) for length, form in self.by_length.items()}
        return Shortened(noted, note)


SentForm = BinaryForm | Shortened
"""``FieldOf`` gets a number as such, and a TIME with its layout."""


def noting_sent_null(form: SentForm, note: Callable[[], None]) -> SentForm:
    """Tell of every value that becomes NULL."""
    return form.noting(note) if isinstance(form, Shortened) else noting_null(form, note)


def sent_date_form() -> Shortened:
    """Of DATE: two bytes for the year, one each for month and day."""
    day = ("{v}d = sent_days[{0}]",)
    return Shortened({4: Computed("I", "i", ("{v}d",), day, {"sent_days": _DAYS})})


def sent_moment_form() -> Shortened:
    """Of DATETIME and TIMESTAMP: a date, then hour, minute, second, then microseconds.

    The day is looked up by a statement, before any value of the row has a field: where it is not in
    the calendar another function makes the row, and what a field tells of must not be told twice.
    """
    day = ("{v}d = sent_days_us[{0}]",)
    minute, second_us = "{v}d + sent_minutes_us[{1}]", f"{{2}} * {SECOND_US}"
    names = {"sent_days_us": _DAYS_US, "sent_minutes_us": _MINUTES_US}
    values = {
        4: ("I", "{v}d"),
        7: ("IHB", f"{minute} + {second_us}"),
        11: ("IHBI", f"{minute} + ({second_us} + {{3}})"),
    }
    return Shortened({
        length: Computed(read, "q", (value,), day, names)
        for length, (read, value) in values.items()
    })  # fmt: skip


def sent_whole_decimal(precision: int, scale: int) -> str:
    """SQL for a DECIMAL without its point, if that fits into a BIGINT; else for the DECIMAL.

    It costs the server no more than the text does, and makes a third of the work of this side.
    """
    if not 0 < precision <= _DIGITS_OF_BIGINT:
        return "{}"
    return f"CAST({{}} * {10**scale} AS SIGNED)" if scale else "CAST({} AS SIGNED)"


def sent_decimal_form(column: SentColumn, precision: int, scale: int) -> Computed | None:
    """Of what ``sent_whole_decimal`` selects: a number, or the text of a DECIMAL.

    PostgreSQL has groups of four digits, on both sides of the point.
    """
    if precision <= _DIGITS_OF_BIGINT:
        if not column.is_whole:
            return None
        number = "{0}"
    else:
        if not column.is_decimal:
            return None
        number = "int({0}.replace(b'.', b''))" if scale else "int({0})"
    leading, trailing = -(-(precision - scale) // 4), -(-scale // 4)
    before = [
        # The sign, and the digits behind the point.
        f"{{v}}n = {number}; {{v}}s = ({{v}}n < 0) * {NEGATIVE_NUMERIC << 16} + {scale}",
        "{v}n = abs({v}n)",
    ]
    # From the last group on, two at a time, since division is slow for numbers of many digits.
    groups: list[str] = []
    width = scale % 4 or 4
    while len(groups) < leading + trailing:
        part, left = "{v}n", leading + trailing - len(groups)
        if left > 2:
            part, power = f"{{v}}r{len(groups)}", 10 ** (width + 4)
            before.append(f"{part} = {{v}}n % {power}; {{v}}n //= {power}")
        last = part if left == 1 else f"{part} % {10**width}"
        groups.append(last if width == 4 else f"{last} * {10 ** (4 - width)}")
        if left > 1:
            groups.append(f"{part} // {10**width}")
        width = 4
    # How many groups, and the weight of the first one.
    values = (str(len(groups)), str(leading - 1), "{v}s", *reversed(groups))
    return Computed("q", "hhi" + "h" * len(groups), values, tuple(before))


def sent_clock_form(digits: int) -> FieldOf:
    """Of TIME: its text, as the server prints it.

    One byte for the sign, four for the days, one each for hour, minute and second, and four for the
    microseconds; all or those at the end are left out if they are zero.
    """

    def of(raw: bytes) -> bytes:
        days = int.from_bytes(raw[1:5], "little")
        hour, minute, second = raw[5:8] or bytes(3)
        fraction = f".{int.from_bytes(raw[8:], 'little'):06}"[: digits + 1] if digits else ""
        sign = "-" if raw[:1] == b"\1" else ""
        return field(f"{sign}{days * 24 + hour:02}:{minute:02}:{second:02}{fraction}".encode())

    return of


def _day(packed: int) -> int:
    return days_since_2000(packed & 0xFFFF, packed >> 16 & 0xFF, packed >> 24)


def _day_us(packed: int) -> int:
    return _day(packed) * DAY_US


def _minutes_us(packed: int) -> int:
    return ((packed & 0xFF) * 60 + (packed >> 8)) * 60 * SECOND_US


_DAYS = Remembered(_day)
_DAYS_US = Remembered(_day_us)
_MINUTES_US = Remembered(_minutes_us)
