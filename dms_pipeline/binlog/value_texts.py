"""Values as the text that SQL prints, straight from their bytes in the log.

The row decoder gives the same values as Python objects; where only the text is wanted, this way is
several times as fast. The layouts are those of MySQL's manual, "Date and Time Data Type
Representation" and "Precision Math", and of the server's ``decimal.c``.
"""

from collections.abc import Callable
from datetime import date
from functools import lru_cache

from dms_pipeline.binlog.column_sizes import DECIMAL_BYTES, FRACTION_BYTES, decimal_size

ValueText = Callable[[bytes], bytes]

_SIGN_OF_DATETIME = 1 << 39
_CLOCK_BITS = 17
_CLOCK = (1 << _CLOCK_BITS) - 1
_DAY_S = 86_400
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
# Days and times of day recur: looking one up is quicker than writing it.
_REMEMBERED = 100_000


def decimal_text(precision: int, scale: int) -> ValueText:
    """Of DECIMAL: digits without zeros in front, all decimal places, and a minus sign if negative.

    Groups of nine digits take four bytes each, the ones left over at both ends fewer. The highest
    bit is set for values that are not negative; of negative ones all bits are inverted.
    """
    whole = precision - scale
    widths = [whole % 9, *[9] * (whole // 9), *[9] * (scale // 9), scale % 9]
    groups = [(DECIMAL_BYTES[width], width) for width in widths if width]
    whole_groups = len([width for width in widths[: 1 + whole // 9] if width])
    size = decimal_size(precision, scale)
    bits = 8 * size
    sign, ones = 1 << (bits - 1), (1 << bits) - 1
    shifts: list[tuple[int, int, int]] = []
    shift = bits
    for length, width in groups:
        shift -= 8 * length
        shifts.append((shift, (1 << 8 * length) - 1, 10**width))
    integer, fraction = shifts[:whole_groups], shifts[whole_groups:]
    point = b"%%d.%%0%dd" % scale if scale else b"%d"
    minus = b"-" + point

    def text(raw: bytes) -> bytes:
        packed = int.from_bytes(raw, "big") ^ sign
        negative = packed & sign
        if negative:
            packed ^= ones
        digits = 0
        for at, mask, unit in integer:
            digits = digits * unit + (packed >> at & mask)
        if not scale:
            return (minus if negative else point) % digits
        places = 0
        for at, mask, unit in fraction:
            places = places * unit + (packed >> at & mask)
        return (minus if negative else point) % (digits, places)

    return text


def date_text(raw: bytes) -> bytes:
    """Of DATE: three bytes, the day in the lowest five bits and the month in the next four."""
    packed = int.from_bytes(raw, "little")
    return b"%04d-%02d-%02d" % (packed >> 9, packed >> 5 & 15, packed & 31)


def datetime_text(digits: int) -> ValueText:
    """Of DATETIME(digits) in the format since MySQL 5.6."""
    write_fraction, fraction_bits, fraction = _fraction(digits)

    def text(raw: bytes) -> bytes:
        packed = int.from_bytes(raw, "big")
        moment = (packed >> fraction_bits) - _SIGN_OF_DATETIME
        shown = _day(moment >> _CLOCK_BITS) + _clock(moment & _CLOCK)
        return shown + write_fraction(packed & fraction) if digits else shown

    return text


def timestamp_text(digits: int) -> ValueText:
    """Of TIMESTAMP(digits) in the format since MySQL 5.6, in UTC; no seconds at all are zero."""
    write_fraction, fraction_bits, fraction = _fraction(digits)

    def text(raw: bytes) -> bytes:
        packed = int.from_bytes(raw, "big")
        if packed:
            day, second = divmod(packed >> fraction_bits, _DAY_S)
            shown = _day_since_epoch(day) + _second_of_day(second)
        else:
            shown = b"0000-00-00 00:00:00"
        return shown + write_fraction(packed & fraction) if digits else shown

    return text


def _fraction(digits: int) -> tuple[Callable[[int], bytes], int, int]:
    """What writes the stored fraction with its point, how many bits it has, and their mask."""
    bits = 8 * FRACTION_BYTES[digits]
    # An even number of digits is stored.
    form: bytes = b".%%0%dd" % digits
    unit: int = 10 ** (digits % 2)

    def write(stored: int) -> bytes:
        return form % (stored // unit)

    return write, bits, (1 << bits) - 1


@lru_cache(_REMEMBERED)
def _day(packed: int) -> bytes:
    """The months since the year 0, thirteen to a year, and five bits for the day."""
    months = packed >> 5
    return b"%04d-%02d-%02d" % (months // 13, months % 13, packed & 31)


@lru_cache(_REMEMBERED)
def _clock(packed: int) -> bytes:
    return b" %02d:%02d:%02d" % (packed >> 12, packed >> 6 & 63, packed & 63)


@lru_cache(_REMEMBERED)
def _day_since_epoch(day: int) -> bytes:
    return date.fromordinal(_EPOCH_ORDINAL + day).isoformat().encode()


@lru_cache(_REMEMBERED)
def _second_of_day(second: int) -> bytes:
    return b" %02d:%02d:%02d" % (second // 3600, second // 60 % 60, second % 60)
